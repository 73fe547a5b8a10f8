package manifests

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
)

func kubeadmFile(t *testing.T, elem ...string) []byte {
	t.Helper()
	return must[[]byte](t)(os.ReadFile(filepath.Join(append([]string{"testdata", "kubeadm"}, elem...)...)))
}

// TestStaticPodsAreKubeadms compares bytes with what kubeadm wrote.
func TestStaticPodsAreKubeadms(t *testing.T) {
	for name, tc := range kubeadmCases() {
		t.Run(name, func(t *testing.T) {
			pods := map[string][]byte{
				KubeAPIServer:         must[[]byte](t)(APIServer(tc.cluster, tc.node, tc.options)),
				KubeControllerManager: must[[]byte](t)(ControllerManager(tc.cluster, tc.node, tc.options)),
				KubeScheduler:         must[[]byte](t)(Scheduler(tc.cluster, tc.node, tc.options)),
			}
			if tc.cluster.Etcd.External == nil {
				pods[EtcdName] = must[[]byte](t)(Etcd(tc.cluster, tc.node, nil))
			}
			for pod, got := range pods {
				if want := kubeadmFile(t, name, pod+".yaml"); !bytes.Equal(got, want) {
					t.Errorf("%s differs from kubeadm's:\n%s\n--- kubeadm:\n%s", pod, got, want)
				}
			}
			images := must[ImageSet](t)(Images(tc.cluster)).Pull(tc.cluster)
			if want := strings.Fields(string(kubeadmFile(t, name, "images.txt"))); !reflect.DeepEqual(images, want) {
				t.Errorf("images %q, kubeadm has %q", images, want)
			}
		})
	}
}

func TestKubeletFilesAreKubeadms(t *testing.T) {
	for _, name := range []string{"default", "ipv6"} {
		tc := kubeadmCases()[name]
		tc.cluster.Kubelet.YAML = kubeadmConfigMap(t, name, "kubelet-config", "kubelet")
		if got, want := must[[]byte](t)(kubeletFile(tc.cluster, tc.node, Options{})), kubeadmFile(t, name, "config.yaml"); !bytes.Equal(got, want) {
			t.Errorf("%s: config.yaml differs from kubeadm's:\n%s", name, got)
		}
		if got, want := KubeletFlagsEnv(tc.node, Options{Hostname: "machine"}), kubeadmFile(t, name, "kubeadm-flags.env"); !bytes.Equal(got, want) {
			t.Errorf("%s: kubeadm-flags.env is %s", name, got)
		}
	}
}

// TestObjectsAreKubeadms compares every object that `kubeadm init` creates.
func TestObjectsAreKubeadms(t *testing.T) {
	const name = "default"
	c := kubeadmCases()[name].cluster
	c.Kubelet = cluster.ComponentConfig{YAML: kubeadmConfigMap(t, name, "kubelet-config", "kubelet"), Generated: true}
	want := kubeadmObjects(t, name)

	// kubeadm's clock is known from what it wrote.
	expiration := must[time.Time](t)(time.Parse(time.RFC3339, secretValue(t, want["Secret/bootstrap-token-abcdef"], "expiration")))
	token := cluster.Token{
		ID: "abcdef", Secret: secret.NewString("0123456789abcdef"), Description: "a token", TTL: 24 * time.Hour,
		Usages: []string{"signing", "authentication"}, Groups: []string{JoinersGroup},
	}
	objects := KubeadmConfig(kubeadmConfigMap(t, name, "kubeadm-config", "ClusterConfiguration"))
	objects = append(objects, KubeletConfigMap(c)...)
	objects = append(objects, TokenSecret(token, expiration.Add(-token.TTL)))
	objects = append(objects, BootstrapRBAC()...)
	objects = append(objects, ClusterInfo(kubeadmConfigMap(t, name, "cluster-info", "kubeconfig"))...)

	for _, got := range objects {
		key := got.GetKind() + "/" + got.GetName()
		if !reflect.DeepEqual(got.Object, want[key]) {
			t.Errorf("%s is\n%v\nkubeadm has\n%v", key, got.Object, want[key])
		}
		delete(want, key)
	}
	for key := range want {
		t.Errorf("kubeadm also creates %s", key)
	}
}

func kubeadmObjects(t *testing.T, name string) map[string]map[string]any {
	t.Helper()
	objects := map[string]map[string]any{}
	for doc := range strings.SplitSeq(string(kubeadmFile(t, name, "objects.yaml")), "\n---\n") {
		var object map[string]any
		if err := yaml.UnmarshalStrict([]byte(doc), &object); err != nil {
			t.Fatal(err)
		}
		u := unstructured.Unstructured{Object: object}
		objects[u.GetKind()+"/"+u.GetName()] = object
	}
	return objects
}

func kubeadmConfigMap(t *testing.T, name, configMap, key string) []byte {
	t.Helper()
	value, found, err := unstructured.NestedString(kubeadmObjects(t, name)["ConfigMap/"+configMap], "data", key)
	if err != nil || !found {
		t.Fatalf("kubeadm's ConfigMap %s has no %s: %v", configMap, key, err)
	}
	return []byte(value)
}
