package manifests

import (
	"encoding/base64"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
)

func parsePod(t *testing.T, data []byte) corev1.Pod {
	t.Helper()
	var p corev1.Pod
	if err := yaml.UnmarshalStrict(data, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEtcdJoin(t *testing.T) {
	c, n := defaultCluster(), defaultNode()
	n.Name = "cp2"
	data := must[[]byte](t)(Etcd(c, n, []Member{{"cp1", "https://192.0.2.9:2380"}, {"cp2", EtcdPeerURL(n)}}))
	command := parsePod(t, data).Spec.Containers[0].Command
	for _, flag := range []string{
		"--initial-cluster=cp1=https://192.0.2.9:2380,cp2=https://192.0.2.10:2380",
		"--initial-cluster-state=existing",
	} {
		if !slices.Contains(command, flag) {
			t.Errorf("%s is not in %q", flag, command)
		}
	}
	golden(t, "etcd-join.yaml", data)
}

func TestExternalEtcd(t *testing.T) {
	c := kubeadmCases()["external"].cluster
	if _, err := Etcd(c, defaultNode(), nil); err == nil {
		t.Error("a member was rendered beside an external etcd")
	}

	// Not mounted twice, and not taken for a part of the certificates'
	// directory whose name it begins with.
	c.Etcd.External.CAFile = "/etc/kubernetes/pki-etcd/ca.crt"
	c.APIServer.ExtraVolumes = []cluster.Volume{{Name: "mine", HostPath: "/srv/pki", MountPath: "/srv/pki"}}
	p := parsePod(t, must[[]byte](t)(APIServer(c, defaultNode(), Options{})))
	var paths []string
	for _, m := range p.Spec.Containers[0].VolumeMounts {
		paths = append(paths, m.MountPath)
	}
	if want := []string{"/etc/ssl/certs", "/etc/kubernetes/pki-etcd", "/etc/kubernetes/pki", "/srv/pki"}; !reflect.DeepEqual(paths, want) {
		t.Errorf("mounts %q, want %q", paths, want)
	}
}

func TestProbes(t *testing.T) {
	tc := kubeadmCases()["default"]
	p := parsePod(t, must[[]byte](t)(ControllerManager(tc.cluster, tc.node, tc.options)))
	c := p.Spec.Containers[0]
	if c.ReadinessProbe != nil {
		t.Error("the controller manager has a readiness probe")
	}
	for name, probe := range map[string]*corev1.Probe{"liveness": c.LivenessProbe, "startup": c.StartupProbe} {
		if probe.HTTPGet.Path != "/healthz" || probe.HTTPGet.Host != "127.0.0.1" || probe.HTTPGet.Port.StrVal != probePort {
			t.Errorf("%s probe asks %v", name, probe.HTTPGet)
		}
		if probe.InitialDelaySeconds != 10 || probe.TimeoutSeconds != 15 || probe.PeriodSeconds != 10 {
			t.Errorf("%s probe is %v", name, probe)
		}
	}
	if c.LivenessProbe.FailureThreshold != 8 || c.StartupProbe.FailureThreshold != 24 {
		t.Errorf("thresholds %d and %d", c.LivenessProbe.FailureThreshold, c.StartupProbe.FailureThreshold)
	}
	if c.Ports[0].ContainerPort != 10257 {
		t.Errorf("port %d", c.Ports[0].ContainerPort)
	}
}

func TestPeculiarMetricsURLs(t *testing.T) {
	for urls, want := range map[string]probes{
		"":                      {host: "127.0.0.1", port: 2381, scheme: "HTTP"},
		"://":                   {host: "127.0.0.1", port: 2381, scheme: "HTTP"},
		"http://:99999":         {host: "127.0.0.1", port: 2381, scheme: "HTTP"},
		"https://[::1]":         {host: "::1", port: 2381, scheme: "HTTPS"},
		"http://192.0.2.1:9,x:": {host: "192.0.2.1", port: 9, scheme: "HTTP"},
	} {
		c := defaultCluster()
		c.Etcd.ExtraArgs = []cluster.Arg{{Name: "listen-metrics-urls", Value: urls}}
		got := etcdProbes(c, defaultNode())
		if got.host != want.host || got.port != want.port || got.scheme != want.scheme {
			t.Errorf("%q gives %s:%d over %s", urls, got.host, got.port, got.scheme)
		}
	}
}

func TestImagesOfEveryMinor(t *testing.T) {
	for version, want := range map[string][3]string{
		"v1.33.13": {"3.5.24-0", "v1.12.0", "3.10"},
		"v1.34.4":  {"3.6.5-0", "v1.12.1", "3.10.1"},
		"v1.35.4":  {"3.6.6-0", "v1.13.1", "3.10.1"},
		"v1.36.3":  {"3.6.8-0", "v1.14.2", "3.10.2"},
	} {
		c := defaultCluster()
		c.Version = version
		got := must[ImageSet](t)(Images(c))
		if got.Etcd != "registry.k8s.io/etcd:"+want[0] || got.CoreDNS != "registry.k8s.io/coredns/coredns:"+want[1] || got.Pause != "registry.k8s.io/pause:"+want[2] {
			t.Errorf("%s has %+v", version, got)
		}
	}
	c := defaultCluster()
	c.Version = "v1.36.3-rc.1+build"
	if got := must[ImageSet](t)(Images(c)); got.Proxy != "registry.k8s.io/kube-proxy:v1.36.3-rc.1_build" {
		t.Errorf("proxy is %s", got.Proxy)
	}
	for _, version := range []string{"", "1.36", "v1.32.13", "v1.37.0", "v2.36.0"} {
		c.Version = version
		if _, err := Images(c); err == nil {
			t.Errorf("version %q has images", version)
		} else if _, err := APIServer(c, defaultNode(), Options{}); err == nil {
			t.Errorf("version %q has an API server", version)
		}
	}
}

func kubeletFile(c *cluster.Cluster, n cluster.Node, o Options) ([]byte, error) {
	shared, err := SharedKubeletConfig(c, o)
	if err != nil {
		return nil, err
	}
	return KubeletConfig(shared, n)
}

func TestKubeletConfig(t *testing.T) {
	c, n := defaultCluster(), defaultNode()
	const head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
	for name, tc := range map[string]struct{ yaml, want string }{
		"resolved": {head + "maxOpenFiles: 20000000\n", "containerRuntimeEndpoint: unix:///var/run/containerd/containerd.sock\nkind: KubeletConfiguration\nmaxOpenFiles: 20000000\nresolvConf: /run/systemd/resolve/resolv.conf\n"},
		"user's":   {head + "resolvConf: /etc/mine\n", "containerRuntimeEndpoint: unix:///var/run/containerd/containerd.sock\nkind: KubeletConfiguration\nresolvConf: /etc/mine\n"},
	} {
		c.Kubelet.YAML = []byte(tc.yaml)
		got := must[[]byte](t)(kubeletFile(c, n, Options{SystemdResolved: true}))
		if want := "apiVersion: kubelet.config.k8s.io/v1beta1\n" + tc.want; string(got) != want {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
	for _, bad := range []string{"", "a: 1\na: 2\n", "- 1\n", "\tx"} {
		c.Kubelet.YAML = []byte(bad)
		if _, err := kubeletFile(c, n, Options{}); err == nil || !strings.HasPrefix(err.Error(), "render kubelet configuration: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if got := string(KubeletInstanceConfig(n)); got != "containerRuntimeEndpoint: \"unix:///var/run/containerd/containerd.sock\"\n" {
		t.Errorf("instance configuration is %s", got)
	}
}

func TestKubeletFlags(t *testing.T) {
	worker := cluster.Node{Name: "w1", Taints: []cluster.Taint{{Key: "a", Value: "b", Effect: "NoSchedule"}, {Key: "c", Effect: "NoExecute"}, {Key: "d"}, {Key: "e", Value: "f"}}}
	for want, tc := range map[string]struct {
		change   func(*cluster.Node)
		hostname string
	}{
		`--register-with-taints=a=b:NoSchedule,c:NoExecute,d,e=f:`: {func(*cluster.Node) {}, "W1\n"},
		``: {func(n *cluster.Node) { n.ControlPlane = true }, "w1"},
		`--hostname-override=x --node-ip=192.0.2.7`: {func(n *cluster.Node) {
			n.Taints = nil
			n.KubeletArgs = []cluster.Arg{{Name: "hostname-override", Value: "x"}, {Name: "node-ip", Value: "192.0.2.7"}}
		}, "other"},
		`--hostname-override=w1 --v=\"4\"`: {func(n *cluster.Node) {
			n.Taints, n.KubeletArgs = nil, []cluster.Arg{{Name: "v", Value: `"4"`}}
		}, "other"},
	} {
		n := worker
		tc.change(&n)
		if got := string(KubeletFlagsEnv(n, Options{Hostname: tc.hostname})); got != `KUBELET_KUBEADM_ARGS="`+want+"\"\n" {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestTokenSecret(t *testing.T) {
	s := TokenSecret(cluster.Token{ID: "abcdef", Secret: secret.NewString("0123456789abcdef")}, time.Unix(0, 0))
	data, _, _ := unstructured.NestedStringMap(s.Object, "data")
	if len(data) != 2 || secretValue(t, s.Object, "token-secret") != "0123456789abcdef" {
		t.Errorf("a token with neither TTL nor usages has %d values", len(data))
	}
}

func TestUserSuppliedKubeletConfigHasNoHash(t *testing.T) {
	c := defaultCluster()
	c.Kubelet.YAML = []byte("kind: KubeletConfiguration\n")
	if a := KubeletConfigMap(c)[0].GetAnnotations(); len(a) != 0 {
		t.Errorf("annotations %v", a)
	}
}

func TestObjectsCanBeApplied(t *testing.T) {
	list := ClusterAdmins()
	list = append(list, BootstrapRBAC()...)
	list = append(list, UploadCertsRBAC()...)
	var out []byte
	for _, o := range list {
		if o.GetAPIVersion() == "" || o.GetKind() == "" || o.GetName() == "" {
			t.Errorf("%v has no kind or name", o.Object)
		}
		o.DeepCopy() // panics on what JSON does not have
		out = append(out, "---\n"...)
		out = append(out, must[[]byte](t)(yaml.Marshal(o.Object))...)
	}
	golden(t, "rbac.yaml", out)
}

func secretValue(t *testing.T, object map[string]any, key string) string {
	t.Helper()
	encoded, _, err := unstructured.NestedString(object, "data", key)
	if err != nil {
		t.Fatal(err)
	}
	return string(must[[]byte](t)(base64.StdEncoding.DecodeString(encoded)))
}
