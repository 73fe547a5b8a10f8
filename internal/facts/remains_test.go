package facts

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/cri/critest"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/etcd/etcdtest"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
)

const etcdPod = `apiVersion: v1
kind: Pod
spec:
  containers:
  - command: [etcd, --name=cp1, --data-dir=/var/lib/etcd, "--initial-advertise-peer-urls=https://10.0.0.1:2380",
      "--initial-cluster=cp2=https://10.0.0.2:2380,cp1=https://10.0.0.1:2380", "--listen-client-urls=https://127.0.0.1:2379",
      --trusted-ca-file=/pki/etcd/ca.crt, --cert-file=/pki/etcd/server.crt, --key-file=/pki/etcd/server.key]
  volumes:
  - {name: etcd-certs, hostPath: {path: /pki/etcd}}
  - {name: etcd-data, hostPath: {path: /data/etcd/}}
`

func TestRemains(t *testing.T) {
	m := hosttest.New("cp1", hosttest.Options{})
	r, err := Remains(t.Context(), host.AsReader(m))
	if err != nil || r.Node || r.Etcd != nil || r.CertificatesDir != "" || r.Flannel || len(r.Firewall) > 0 {
		t.Errorf("of an empty machine: %+v, %v", r, err)
	}
	m.Put(cluster.ManifestsDir+"/etcd.yaml", etcdPod, 0o600)
	m.Put(cluster.ManifestsDir+"/kube-apiserver.yaml", "kind: Pod\nspec: {containers: [{command: [kube-apiserver], args: [--client-ca-file=/pki/ca.crt]}]}", 0o600)
	m.Put("/data/etcd/member/wal/0.wal", "", 0o600)
	m.Put("/pki/etcd/healthcheck-client.key", "", 0o600)
	m.Put(cluster.FlannelConf, "", 0o644)
	m.Rules("iptables-legacy", "")
	m.Rules("iptables-nft", "")
	m.Rules("iptables", "") // one of the two
	m.Rules("ip6tables", "")
	if r, err = Remains(t.Context(), host.AsReader(m)); err != nil || r.Etcd == nil {
		t.Fatalf("%+v, %v", r, err)
	}
	e := r.Etcd
	if !r.Node || !r.Flannel || !r.NFT || r.CertificatesDir != "/pki" || !slices.Equal(r.Firewall, []string{"iptables-legacy", "iptables-nft", "ip6tables"}) {
		t.Errorf("remains are %+v", r)
	}
	if e.DataDir != "/data/etcd" || !e.HasData || e.Name != "cp1" || e.CertFile != "/pki/etcd/healthcheck-client.crt" ||
		!slices.Equal(e.Endpoints, []string{"https://127.0.0.1:2379", "https://10.0.0.2:2379", "https://10.0.0.1:2379"}) {
		t.Errorf("etcd is %+v", e)
	}
}

// That etcd is not understood is not that there is none: its member would stay
// in a cluster of several, unasked.
func TestEtcdThatIsNotUnderstood(t *testing.T) {
	for name, c := range map[string]struct {
		manifest       *string
		unread, orphan bool
	}{
		"no manifest":   {nil, false, true},
		"a torn one":    {ptr("apiVersion: v1\nspec:\n  containers: [{command: [etcd, --data-d"), true, false},
		"an empty one":  {ptr(""), true, false},
		"no data dir":   {ptr("spec: {containers: [{command: [etcd]}]}"), true, false},
		"the whole one": {ptr(etcdPod), false, false},
	} {
		m := hosttest.New("cp1", hosttest.Options{})
		m.Put("/var/lib/etcd/member/wal/0.wal", "", 0o600)
		if c.manifest != nil {
			m.Put(cluster.ManifestsDir+"/etcd.yaml", *c.manifest, 0o600)
		}
		r, err := Remains(t.Context(), host.AsReader(m))
		if err != nil || (r.EtcdUnread != "") != c.unread || r.EtcdOrphan != c.orphan || r.Etcd != nil && (c.unread || c.orphan) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func ptr(s string) *string { return &s }

func TestCertificatesDirOfAWorker(t *testing.T) {
	for kubelet, want := range map[string]string{
		"authentication: {x509: {clientCAFile: /srv/pki/ca.crt}}": "/srv/pki",
		"authentication: {x509: {clientCAFile: /ca.crt}}":         "", // never a whole disk
		"authentication: {x509: {clientCAFile: ca.crt}}":          "",
		"authentication: {x509: {clientCAFile: /corp/all.crt}}":   "", // the user's own
		"\t": "",
	} {
		if got := certificatesDir(nil, []byte(kubelet)); got != want {
			t.Errorf("%s: %q, want %q", kubelet, got, want)
		}
	}
}

func TestCertificatesDirOfAnEtcdMachine(t *testing.T) {
	for ca, want := range map[string]string{"/srv/pki/etcd/ca.crt": "/srv/pki", "/etcd/ca.crt": "", "etcd/ca.crt": "", "/corp/ca.crt": ""} {
		manifest := "kind: Pod\nspec:\n  containers:\n  - {name: etcd, command: [etcd, --trusted-ca-file=" + ca + "]}\n"
		if got := etcdCertificatesDir([]byte(manifest)); got != want {
			t.Errorf("%s: %q, want %q", ca, got, want)
		}
	}
}

// A user may give the API server a CA of the company's for its clients: that
// stays, and the cluster's own keys do not.
func TestCertificatesDirIsTheClustersOwn(t *testing.T) {
	for args, want := range map[string]string{
		"--client-ca-file=/corp/ca.crt --service-account-signing-key-file=/srv/pki/sa.key --tls-private-key-file=/srv/pki/apiserver.key": "/srv/pki",
		"--client-ca-file=/corp/ca.crt --service-account-signing-key-file=/sa/sa.key --tls-private-key-file=/srv/pki/apiserver.key " +
			"--requestheader-client-ca-file=/srv/pki/front-proxy-ca.crt --kubelet-client-key=/srv/pki/apiserver-kubelet-client.key": "/srv/pki",
		"--client-ca-file=/srv/pki/ca.crt --tls-private-key-file=/corp/api.key": "/srv/pki",
		"--client-ca-file=/corp/clients.crt":                                    "",
	} {
		var p strings.Builder
		p.WriteString("kind: Pod\nmetadata: {name: kube-apiserver}\nspec:\n  containers:\n  - name: kube-apiserver\n    command:\n")
		for _, arg := range strings.Fields(args) {
			p.WriteString("    - " + arg + "\n")
		}
		p.WriteString("  - {name: beside, args: [--client-ca-file=/beside/ca.crt]}\n")
		if got := certificatesDir([]byte(p.String()), nil); got != want {
			t.Errorf("%s: %q", args, got)
		}
	}
}

func TestEtcdBesideOthers(t *testing.T) {
	pod := strings.Replace(etcdPod, "  volumes:", "  - {name: beside, command: [backup, --name=other, --data-dir=/backup, --listen-client-urls=https://192.0.2.9:1]}\n  volumes:", 1)
	if e := localEtcd([]byte(pod)); e == nil || e.Name != "cp1" || e.Endpoints[0] != "https://127.0.0.1:2379" {
		t.Errorf("it is %+v", e)
	}
}

func TestRuntimeEndpoint(t *testing.T) {
	for _, c := range []struct{ instance, config, env, want string }{
		{"containerRuntimeEndpoint: unix:///a.sock", "containerRuntimeEndpoint: unix:///b.sock", "", "unix:///a.sock"},
		{"", "containerRuntimeEndpoint: unix:///b.sock", `KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix:///c.sock"`, "unix:///b.sock"},
		{"", "", `KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix:///c.sock --node-ip=1.2.3.4"`, "unix:///c.sock"},
		{"", "", `KUBELET_KUBEADM_ARGS="--node-ip=1.2.3.4 --container-runtime-endpoint=unix:///c.sock"` + "\n", "unix:///c.sock"},
		{"", "", "", ""},
	} {
		if got := runtimeEndpoint([]byte(c.instance), []byte(c.config), []byte(c.env)); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestWhatDoesNotAnswerIsAFact(t *testing.T) {
	e := &cluster.LocalEtcd{}
	if err := EtcdMembers(t.Context(), etcdtest.New(), e); err != nil || e.Unknown == "" {
		t.Errorf("etcd: %+v, %v", e, err)
	}
	e = &cluster.LocalEtcd{}
	fake := etcdtest.New(etcd.Member{ID: 1, Name: "a"}, etcd.Member{ID: 2, Name: "b"}, etcd.Member{ID: 3, Name: "c"})
	fake.Fail(2)
	if err := EtcdMembers(t.Context(), fake, e); err != nil || len(e.Members) != 3 || !e.Members[0].Healthy() || e.Members[1].Healthy() {
		t.Errorf("members: %+v, %v", e.Members, err)
	}
	r := cluster.Remains{}
	runtime := critest.New()
	if err := Pods(t.Context(), runtime, &r); err != nil || r.Runtime != "" {
		t.Errorf("pods: %q, %v", r.Runtime, err)
	}
	runtime.Down()
	if err := Pods(t.Context(), runtime, &r); err != nil || r.Runtime != cri.ErrUnavailable.Error() {
		t.Errorf("pods: %q, %v", r.Runtime, err)
	}
}
