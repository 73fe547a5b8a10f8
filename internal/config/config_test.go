package config_test

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
)

var update = flag.Bool("update", false, "rewrite the golden files; the run still fails")

func inputs() config.Inputs {
	return config.Inputs{
		Hostname: "Node-1", DefaultAddress: netip.MustParseAddr("192.0.2.10"),
		Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Rand: bytes.NewReader(bytes.Repeat([]byte{1, 27, 255, 8}, 64)),
		ReadFile: func(name string) ([]byte, error) { return fs.ReadFile(files(), inFS(name)) },
		ReadDir:  func(name string) ([]fs.DirEntry, error) { return fs.ReadDir(files(), inFS(name)) },
	}
}

func inFS(name string) string { return strings.TrimPrefix(path.Clean(name), "/") }

// files is what documents and flags can name.
func files() fs.FS {
	return fstest.MapFS{
		"net.yaml":                    {Data: []byte("kind: DaemonSet\n")},
		"x/y.conf":                    {Data: []byte("kind: Config\n")},
		"many/etcd1+merge.yaml":       {Data: []byte("b: 1\n---\n# no more\n---\nc: 1\n")},
		"many/etcd0+json.json":        {Data: []byte(`[{"op": "remove", "path": "/x"}]`)},
		"many/a/etcd.yaml":            {Data: []byte("a: 1\n")},
		"many/..data/etcd.yaml":       {Data: []byte("a: 1\n")},
		"odd/empty.yaml":              {},
		"odd/etcd.yaml":               {},
		"wrong-type/etcd+jsn.yaml":    {},
		"wrong-shape/etcd+json.yaml":  {Data: []byte("a: 1\n")},
		"deep/1/2/3/4/5/6/7/8/9/a":    {},
		"unreadable/etcd.yaml":        {Mode: fs.ModeSymlink | 0o777, Data: []byte("nowhere")},
		"etc/patches/etcd.yaml":       {Data: []byte("metadata: {labels: {a: b}}\n")},
		"q/kube-scheduler+merge.json": {Data: []byte(`{"metadata": {"labels": {"a": "b"}}}`)},
	}
}

func load(t *testing.T, docs string, change func(*config.Inputs)) *config.Loaded {
	t.Helper()
	in := inputs()
	if change != nil {
		change(&in)
	}
	got, err := config.Load([]byte(docs), in)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Errorf("rewrote %s: look at it and run again without -update", file)
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs\n--- got\n%s\n--- want\n%s", file, got, want)
	}
}

// The golden files are the documents of `kubeadm config print init-defaults
// --component-configs KubeletConfiguration,KubeProxyConfiguration` of v1.36.3
// except for encryptionAlgorithm and kubernetesVersion.
func TestDefaultsAreKubeadms(t *testing.T) {
	got := load(t, "", nil)
	uploaded, err := config.MarshalClusterConfiguration(got.Cluster)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "cluster.golden.yaml", uploaded)
	golden(t, "kubelet.golden.yaml", got.Cluster.Kubelet.YAML)
	golden(t, "kubeproxy.golden.yaml", got.Cluster.KubeProxy.YAML)
	if !got.Cluster.Kubelet.Generated || !got.Cluster.KubeProxy.Generated || len(got.Warnings) != 0 || len(got.Unused) != 0 {
		t.Errorf("a default is not one: %+v", got)
	}
}

func TestDefaultNode(t *testing.T) {
	got := load(t, "", nil)
	n := got.Node
	if n.Name != "node-1" || n.Host != "node-1" || !n.ControlPlane || n.BindPort != 6443 || n.Address.String() != "192.0.2.10" || !n.ImagePullParallel ||
		n.CRISocket != "unix:///var/run/containerd/containerd.sock" || n.ImagePullPolicy != "IfNotPresent" {
		t.Errorf("node = %+v", n)
	}
	if len(n.Taints) != 1 || n.Taints[0] != (cluster.Taint{Key: "node-role.kubernetes.io/control-plane", Effect: "NoSchedule"}) {
		t.Errorf("taints = %v", n.Taints)
	}
	tokens := got.Cluster.Tokens
	if len(tokens) != 1 || tokens[0].ID != "b1ib1i" || tokens[0].Secret.Reveal() != "b1ib1ib1ib1ib1ib"[:16] || tokens[0].TTL != 24*time.Hour ||
		strings.Join(tokens[0].Usages, " ") != "signing authentication" || strings.Join(tokens[0].Groups, " ") != "system:bootstrappers:kubeadm:default-node-token" {
		t.Errorf("tokens = %+v %s", tokens, tokens[0].Secret.Reveal())
	}
	if got.Cluster.Timeouts.ControlPlaneHealth != 4*time.Minute || got.Cluster.Timeouts.APICall != time.Minute || got.Cluster.Timeouts.UpgradeManifests != 5*time.Minute {
		t.Errorf("timeouts = %+v", got.Cluster.Timeouts)
	}
	if got.Cluster.PodNetwork.Kind != cluster.PodNetworkNone || len(got.Cluster.Networking.PodSubnets) != 0 {
		t.Errorf("pod network = %+v", got.Cluster.PodNetwork)
	}
}

const full = `# every part
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens:
- token: abcdef.0123456789abcdef
  expires: "2026-01-02T04:04:05Z"
  usages: [signing]
certificateKey: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
localAPIEndpoint: {advertiseAddress: 192.0.2.7, bindPort: 7443}
nodeRegistration:
  name: CP.example.com
  criSocket: /run/crio/crio.sock
  taints: []
  imagePullSerial: true
  kubeletExtraArgs: [{name: node-labels, value: "a/b=c"}]
  ignorePreflightErrors: [Swap, NumCPU]
skipPhases: [addon/kube-proxy]
patches: {directory: etc/patches}
timeouts: {discovery: 10s}
---
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: 1.35.1
clusterName: prod
controlPlaneEndpoint: api.example.com
encryptionAlgorithm: RSA-3072
certificateValidityPeriod: 24h
imageRepository: mirror.example.com:5000/k8s
certificatesDir: /etc/kubernetes/pki/
networking: {serviceSubnet: "10.96.0.0/16,fd00::/108", podSubnet: "10.200.0.0/16,fd01::/48", dnsDomain: prod.local}
apiServer:
  certSANs: [API.example.com, "*.example.com", 192.0.2.1]
  extraArgs: &args [{name: v, value: "4"}]
  extraVolumes: [{name: audit, hostPath: /var/log/audit, mountPath: /var/log/audit, readOnly: yes, pathType: DirectoryOrCreate}]
  extraEnvs: [{name: GOGC, value: "50"}]
controllerManager: {extraArgs: *args}
etcd: {local: {imageTag: 3.6.8-0, serverCertSANs: [etcd.example.com], extraArgs: *args}}
dns: {disabled: true}
proxy: {disabled: true}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
maxPods: 50
healthzPort: 10249
evictionHard: {memory.available: 100Mi}
shutdownGracePeriod: 30s
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
---
apiVersion: clusteradm.io/v1alpha1
kind: Addons
podNetwork: {manifest: ./net.yaml}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ResetConfiguration
force: true
`

func TestEveryDocument(t *testing.T) {
	got := load(t, full, nil)
	uploaded, err := config.MarshalClusterConfiguration(got.Cluster)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "full-cluster.golden.yaml", uploaded)
	golden(t, "full-kubelet.golden.yaml", got.Cluster.Kubelet.YAML)
	n := got.Node
	if n.Name != "cp.example.com" || n.Taints == nil || len(n.Taints) != 0 || n.ImagePullParallel || n.CRISocket != "unix:///run/crio/crio.sock" ||
		len(n.Patches) != 1 || n.Patches[0].Target != "etcd" || strings.Join(n.IgnorePreflight, " ") != "numcpu swap" || n.BindPort != 7443 {
		t.Errorf("node = %+v", n)
	}
	token := got.Cluster.Tokens[0]
	if token.TTL != time.Hour || len(token.Groups) != 0 {
		t.Errorf("token = %+v", token)
	}
	if got.Cluster.PodNetwork.Kind != cluster.PodNetworkManifest || string(got.Cluster.PodNetwork.Manifest) != "kind: DaemonSet\n" {
		t.Errorf("pod network = %+v", got.Cluster.PodNetwork)
	}
	if len(got.Warnings) != 1 || got.Warnings[0].Path != "healthzPort" || got.Warnings[0].Line != 45 {
		t.Errorf("warnings = %v", got.Warnings)
	}
	if strings.Join(got.Unused, " ") != "ResetConfiguration" || got.Cluster.Kubelet.Generated {
		t.Errorf("unused = %v", got.Unused)
	}
}

func TestUploadedConfigurationRoundTrips(t *testing.T) {
	for name, docs := range map[string]string{"defaults": "", "full": full, "external etcd": `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
etcd: {external: {endpoints: ["https://192.0.2.1:2379"], caFile: /a, certFile: /b, keyFile: /c}}`} {
		t.Run(name, func(t *testing.T) {
			first, err := config.MarshalClusterConfiguration(load(t, docs, nil).Cluster)
			if err != nil {
				t.Fatal(err)
			}
			read, err := config.UnmarshalClusterConfiguration(first)
			if err != nil {
				t.Fatal(err)
			}
			second, err := config.MarshalClusterConfiguration(read)
			if err != nil || !bytes.Equal(first, second) {
				t.Errorf("%v\n--- first\n%s\n--- second\n%s", err, first, second)
			}
		})
	}
}

func TestUnmarshalReadsAnOldKubeadms(t *testing.T) {
	got, err := config.UnmarshalClusterConfiguration([]byte("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.31.4\nnetworking: {podSubnet: 10.244.1.0/16}\n"))
	if err != nil || got.KeyAlgorithm != cluster.RSA2048 || got.Version != "v1.31.4" || got.LeafValidity != 8760*time.Hour {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "{}", "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n", "apiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\n"} {
		if _, err := config.UnmarshalClusterConfiguration([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestFlagsGoBeforeDocuments(t *testing.T) {
	ttl := time.Duration(0)
	got := load(t, full, func(in *config.Inputs) {
		in.Overrides = config.Overrides{
			NodeName: "Other", CRISocket: "unix:///x.sock", APIServerAdvertiseAddress: "192.0.2.99", APIServerBindPort: 8443, SkipPhases: []string{"preflight"},
			IgnorePreflightErrors: []string{"Mem"}, Token: "zzzzzz.0123456789abcdef", TokenTTL: &ttl, KubernetesVersion: "1.36.0", ControlPlaneEndpoint: "10.0.0.1",
			PodNetworkCIDR: "10.9.0.0/16", ServiceCIDR: "10.8.0.0/16", ServiceDNSDomain: "x.y", CertDir: "/p", ImageRepository: "r.io",
			APIServerCertExtraSANs: []string{"Z"}, PodNetwork: "flannel", DryRun: true, PatchesDir: "./q", FeatureGates: map[string]bool{"NodeLocalCRISocket": true},
		}
	})
	c, n := got.Cluster, got.Node
	if n.Name != "other" || n.CRISocket != "unix:///x.sock" || n.LocalEndpoint() != "https://192.0.2.99:8443" || len(n.Patches) != 1 || n.Patches[0].Target != "kube-scheduler" || strings.Join(n.IgnorePreflight, " ") != "mem numcpu swap" {
		t.Errorf("node = %+v", n)
	}
	if c.Version != "v1.36.0" || c.ControlPlaneEndpoint != "10.0.0.1:8443" || c.CertificatesDir != "/p" || c.APIServer.CertSANs[0] != "z" || c.PodNetwork.Kind != "flannel" ||
		c.Networking.PodSubnets[0].String() != "10.9.0.0/16" || c.Networking.DNSServiceIP().String() != "10.8.0.10" || strings.Join(c.SkipPhases, "") != "preflight" {
		t.Errorf("cluster = %+v", c)
	}
	if len(c.Tokens) != 1 || c.Tokens[0].ID != "zzzzzz" || c.Tokens[0].TTL != 0 || !got.DryRun {
		t.Errorf("tokens = %+v", c.Tokens)
	}
}

func TestFlannelBringsItsSubnet(t *testing.T) {
	got := load(t, "", func(in *config.Inputs) { in.Overrides.PodNetwork = "flannel" })
	if got.Cluster.Networking.PodSubnets[0].String() != config.DefaultPodSubnet || !strings.Contains(string(got.Cluster.KubeProxy.YAML), "clusterCIDR: "+config.DefaultPodSubnet) {
		t.Errorf("networking = %+v\n%s", got.Cluster.Networking, got.Cluster.KubeProxy.YAML)
	}
}

func TestDeprecatedGateWins(t *testing.T) {
	got := load(t, "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nencryptionAlgorithm: RSA-4096\nfeatureGates: {PublicKeysECDSA: true}\n", nil)
	if got.Cluster.KeyAlgorithm != cluster.ECDSAP256 {
		t.Errorf("algorithm = %s", got.Cluster.KeyAlgorithm)
	}
}

func TestNoRandomnessIsAnError(t *testing.T) {
	for _, random := range [][]byte{nil, {1, 2}, bytes.Repeat([]byte{255}, 2000)} {
		in := inputs()
		in.Rand = bytes.NewReader(random)
		var fields config.Errors
		if _, err := config.Load(nil, in); err == nil || errors.As(err, &fields) {
			t.Errorf("Load = %v", err)
		}
	}
}
