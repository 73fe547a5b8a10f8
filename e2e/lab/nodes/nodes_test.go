package nodes

import (
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/e2e/components"
)

func versions(t *testing.T) components.Versions {
	t.Helper()
	v, err := components.VersionsFor("v1.36.3")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// documents parses every document of a rendered configuration by its kind.
func documents(t *testing.T, text string) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for _, doc := range strings.Split(text, "\n---\n") {
		m := map[string]any{}
		if err := yaml.UnmarshalStrict([]byte(doc), &m); err != nil {
			t.Fatalf("%v in:\n%s", err, doc)
		}
		out[m["kind"].(string)] = m
	}
	return out
}

func at(m map[string]any, path ...string) any {
	var v any = m
	for _, p := range path {
		next, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = next[p]
	}
	return v
}

func TestInitConfig(t *testing.T) {
	text, err := Kubeadm{Versions: versions(t), Node: "cp1", Address: "10.210.0.11", Endpoint: "10.210.0.11:6443", SlowEtcd: true, ProxyMode: "nftables"}.InitConfig()
	if err != nil {
		t.Fatal(err)
	}
	docs := documents(t, text)
	for _, c := range []struct {
		kind string
		path []string
		want any
	}{
		{"InitConfiguration", []string{"localAPIEndpoint", "advertiseAddress"}, "10.210.0.11"},
		{"InitConfiguration", []string{"nodeRegistration", "name"}, "cp1"},
		{"ClusterConfiguration", []string{"kubernetesVersion"}, "v1.36.3"},
		{"ClusterConfiguration", []string{"controlPlaneEndpoint"}, "10.210.0.11:6443"},
		{"ClusterConfiguration", []string{"etcd", "local", "imageTag"}, "3.6.16-0"},
		{"ClusterConfiguration", []string{"dns", "imageTag"}, "v1.14.7"},
		{"ClusterConfiguration", []string{"networking", "podSubnet"}, "10.244.0.0/16"},
		{"KubeletConfiguration", []string{"cgroupDriver"}, "cgroupfs"},
		{"KubeletConfiguration", []string{"failCgroupV1"}, false},
		{"KubeProxyConfiguration", []string{"mode"}, "nftables"},
		{"KubeProxyConfiguration", []string{"conntrack", "maxPerCore"}, float64(0)},
	} {
		if got := at(docs[c.kind], c.path...); got != c.want {
			t.Errorf("%s %s = %v, want %v", c.kind, strings.Join(c.path, "."), got, c.want)
		}
	}
}

func TestJoinConfig(t *testing.T) {
	k := Kubeadm{Versions: versions(t), Node: "w1", Address: "10.210.0.12", Endpoint: "10.210.0.11:6443"}
	text, err := k.JoinConfig()
	if err != nil {
		t.Fatal(err)
	}
	doc := documents(t, text)["JoinConfiguration"]
	if doc["controlPlane"] != nil || at(doc, "discovery", "bootstrapToken", "unsafeSkipCAVerification") != true {
		t.Errorf("worker: %v", doc)
	}
	k.CertificateKey, k.CACertHashes = "secret", []string{"sha256:00"}
	if text, err = k.JoinConfig(); err != nil {
		t.Fatal(err)
	}
	doc = documents(t, text)["JoinConfiguration"]
	if at(doc, "controlPlane", "certificateKey") != "secret" || at(doc, "discovery", "bootstrapToken", "unsafeSkipCAVerification") != nil {
		t.Errorf("control plane: %v", doc)
	}
	k.Endpoint = ""
	if _, err := k.JoinConfig(); err == nil {
		t.Error("a join without an endpoint was accepted")
	}
}

func TestLayerFiles(t *testing.T) {
	files, err := layerFiles(versions(t))
	if err != nil {
		t.Fatal(err)
	}
	if c := files["etc/containerd/config.toml"]; !strings.Contains(c, "sandbox = 'registry.k8s.io/pause:3.10.2'") {
		t.Errorf("containerd configuration:\n%s", c)
	}
	if c := files["usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"]; !strings.Contains(c, "EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env") {
		t.Errorf("kubelet drop-in:\n%s", c)
	}
	if c := files["usr/local/lib/lab/machine"]; !strings.HasPrefix(c, "#!/bin/sh\n") {
		t.Errorf("machine script is no script:\n%s", c)
	}
}

func TestNodeFilesTellNodesApart(t *testing.T) {
	s := &state{Name: "lab", Subnet: 3, Nodes: []nodeState{
		{Name: "a", Address: "10.210.3.11", UUID: newUUID()}, {Name: "b", Address: "10.210.3.12", UUID: newUUID()},
	}}
	a, b := nodeFiles(s, s.Nodes[0], "key"), nodeFiles(s, s.Nodes[1], "key")
	for _, path := range []string{"etc/hostname", "etc/machine-id", "etc/lab/dmi/product_uuid"} {
		if a[path] == b[path] {
			t.Errorf("%s is the same on both nodes: %q", path, a[path])
		}
	}
	if a["etc/hosts"] != b["etc/hosts"] || !strings.Contains(a["etc/hosts"], "10.210.3.12 b\n") {
		t.Errorf("hosts: %q", a["etc/hosts"])
	}
	if id := strings.TrimSpace(a["etc/machine-id"]); len(id) != 32 {
		t.Errorf("machine-id %q", id)
	}
	for _, name := range []string{s.port("a"), s.bridge(), (&state{Name: "elevenchars"}).bridge()} {
		if len(name) > 15 {
			t.Errorf("interface name %q is too long for the kernel", name)
		}
	}
}

func TestConfigIsRefusedWithAllReasons(t *testing.T) {
	err := (&Config{Name: "Far-too-long-name", Nodes: []string{"a", "a", "B"}, Storage: "tape"}).complete()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"lab name", "storage", "bundle", `"a"`, `"B"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error does not speak of %s: %v", part, err)
		}
	}
}

func TestCgroupPath(t *testing.T) {
	const text = "9:name=systemd:/lab/cp1/payload/init.scope\n4:memory:/lab/cp1\n0::/lab/cp1/payload\n"
	for want, h := range map[string]hierarchy{
		"/lab/cp1/payload/init.scope": {mount: "/sys/fs/cgroup/systemd"},
		"/lab/cp1":                    {mount: "/sys/fs/cgroup/memory"},
		"/lab/cp1/payload":            {mount: "/sys/fs/cgroup/unified", v2: true},
	} {
		if got := cgroupPath(text, h); got != want {
			t.Errorf("%s: got %q, want %q", h.mount, got, want)
		}
	}
}

func TestStaleState(t *testing.T) {
	if (&state{Boot: bootID()}).stale() || !(&state{Boot: "another"}).stale() {
		t.Error("a state is stale when the boot id is another one, and only then")
	}
	if ns := nsPIDs(os.Getpid()); len(ns) == 0 || ns[0] != os.Getpid() {
		t.Errorf("nsPIDs of this process: %v", ns)
	}
}
