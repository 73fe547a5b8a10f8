package addons

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

var update = flag.Bool("update", false, "rewrite golden files, and fail")

// golden compares objects with a golden file. With -update it rewrites the
// file and still fails: a run that updates proves nothing.
func golden(t *testing.T, name string, objects []*unstructured.Unstructured) {
	t.Helper()
	var got []byte
	for _, o := range objects {
		data, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		got = append(append(got, "---\n"...), data...)
	}
	file := filepath.Join("testdata", "golden", name)
	want, err := os.ReadFile(file)
	if err == nil && bytes.Equal(got, want) {
		return
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Fatalf("%s rewritten; look at the difference and run again without -update", file)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Errorf("%s differs:\n%s", file, got)
}

// kubeadmCase is one cluster that kubeadm has rendered too.
type kubeadmCase struct {
	cluster             *cluster.Cluster
	node                cluster.Node
	coreDNS, proxyImage string
}

func kubeadmCases() map[string]kubeadmCase {
	return map[string]kubeadmCase{
		"default": {
			cluster: &cluster.Cluster{Networking: cluster.Networking{
				ServiceSubnets: subnets("10.96.0.0/12"), PodSubnets: subnets("10.244.0.0/16"), DNSDomain: "cluster.local",
			}},
			node:       cluster.Node{Address: netip.MustParseAddr("192.0.2.10"), BindPort: 6443},
			coreDNS:    "registry.k8s.io/coredns/coredns:v1.14.2",
			proxyImage: "registry.k8s.io/kube-proxy:v1.36.3",
		},
		"ipv6": {
			cluster: &cluster.Cluster{ControlPlaneEndpoint: "api.example:443", Networking: cluster.Networking{
				ServiceSubnets: subnets("fd00:20::/112", "10.96.0.0/16"), DNSDomain: "k8s.example",
			}},
			node:       cluster.Node{Address: netip.MustParseAddr("2001:db8::10"), BindPort: 6444},
			coreDNS:    "dns.example/coredns:v1.14.7",
			proxyImage: "mirror.example/k8s/kube-proxy:v1.36.3",
		},
	}
}

func subnets(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestCoreDNSIsKubeadms(t *testing.T) {
	for name, tc := range kubeadmCases() {
		objects, err := CoreDNS(tc.cluster, tc.coreDNS)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, objects, kubeadmObjects(t, name, "coredns.yaml"))
	}
	if _, err := CoreDNS(&cluster.Cluster{}, "image"); err == nil {
		t.Error("CoreDNS was rendered without a service subnet")
	}
}

func TestKubeProxyIsKubeadms(t *testing.T) {
	for name, tc := range kubeadmCases() {
		want := kubeadmObjects(t, name, "kube-proxy.yaml")
		config, _, _ := unstructured.NestedString(want["ConfigMap/kube-proxy"].Object, "data", "config.conf")
		tc.cluster.KubeProxy = cluster.ComponentConfig{YAML: []byte(config + "\n"), Generated: true}
		objects, err := KubeProxy(tc.cluster, tc.node, tc.proxyImage)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, objects, want)

		tc.cluster.KubeProxy.Generated = false
		objects, err = KubeProxy(tc.cluster, tc.node, tc.proxyImage)
		if err != nil {
			t.Fatal(err)
		}
		if a := find(objects, "ConfigMap", "kube-proxy").GetAnnotations(); len(a) != 0 {
			t.Errorf("a configuration of the user's has annotations %v", a)
		}
	}
}

func compare(t *testing.T, got []*unstructured.Unstructured, want map[string]*unstructured.Unstructured) {
	t.Helper()
	for _, o := range got {
		key := o.GetKind() + "/" + o.GetName()
		if w := want[key]; w == nil || !reflect.DeepEqual(o.Object, w.Object) {
			t.Errorf("%s is\n%v\nkubeadm has\n%v", key, o.Object, w)
		}
		delete(want, key)
	}
	for key := range want {
		t.Errorf("kubeadm also creates %s", key)
	}
}

// kubeadmObjects reads kubeadm's objects through Manifest, which drops the
// status and the Service's resourceVersion "0", and drops what is empty only
// because kubeadm's objects went through Go structs.
func kubeadmObjects(t *testing.T, elem ...string) map[string]*unstructured.Unstructured {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{"testdata", "kubeadm"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	list, err := Manifest(data)
	if err != nil {
		t.Fatal(err)
	}
	objects := map[string]*unstructured.Unstructured{}
	for _, o := range list {
		containers, found, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "template", "spec", "containers")
		if found {
			for _, c := range containers.([]any) {
				container := c.(map[string]any)
				if r, ok := container["resources"].(map[string]any); ok && len(r) == 0 {
					delete(container, "resources")
				}
			}
		}
		objects[o.GetKind()+"/"+o.GetName()] = o
	}
	return objects
}

var flannelNode = cluster.Node{Address: netip.MustParseAddr("192.0.2.10"), BindPort: 6443}

func TestFlannel(t *testing.T) {
	c := &cluster.Cluster{Networking: cluster.Networking{PodSubnets: subnets("10.244.0.0/16")}}
	objects, err := Flannel(c, flannelNode, FlannelImages{})
	if err != nil {
		t.Fatal(err)
	}
	if ns := objects[0]; ns.GetKind() != "Namespace" || ns.GetLabels()["pod-security.kubernetes.io/enforce"] != "privileged" {
		t.Errorf("the first object is %v", ns.Object)
	}
	golden(t, "flannel.yaml", objects)

	objects, err = Flannel(c, flannelNode, FlannelImages{Daemon: "mirror.example/flannel:v1", Plugin: "mirror.example/plugin:v1"})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "flannel-plugin.yaml", objects)
}

func TestFlannelNetworks(t *testing.T) {
	for pods, want := range map[string]string{
		"10.244.0.0/16": `"Network": "10.244.0.0/16",
  "EnableNFTables": false`,
		"10.244.0.0/16,fd00::/56": `"Network": "10.244.0.0/16",
  "IPv6Network": "fd00::/56",
  "EnableIPv6": true,
  "EnableNFTables": false`,
		"fd00::/56": `"IPv6Network": "fd00::/56",
  "EnableIPv4": false,
  "EnableIPv6": true,
  "EnableNFTables": false`,
	} {
		c := &cluster.Cluster{Networking: cluster.Networking{PodSubnets: subnets(strings.Split(pods, ",")...)}}
		got, err := flannelNetwork(c)
		if want := "{\n  " + want + ",\n  \"Backend\": {\n    \"Type\": \"vxlan\"\n  }\n}\n"; err != nil || got != want {
			t.Errorf("%s gives %v\n%s", pods, err, got)
		}
	}
	for _, pods := range [][]netip.Prefix{nil, subnets("10.1.0.0/16", "10.2.0.0/16")} {
		c := &cluster.Cluster{Networking: cluster.Networking{PodSubnets: pods}}
		if _, err := Flannel(c, flannelNode, FlannelImages{}); err == nil {
			t.Errorf("flannel was rendered for pod subnets %v", pods)
		}
	}
}
