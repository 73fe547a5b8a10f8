package joincmd

import (
	"net/netip"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

const caPath = "/etc/kubernetes/pki/ca.crt"

func newCA(t *testing.T) []byte {
	t.Helper()
	c := &cluster.Cluster{CertificatesDir: "/etc/kubernetes/pki", KeyAlgorithm: cluster.ECDSAP256, CAValidity: time.Hour, LeafValidity: time.Hour}
	spec := pki.Tree(c, cluster.Node{Name: "cp1", Address: netip.MustParseAddr("192.0.2.1")})[0]
	pair, err := pki.Issue(spec, pki.Pair{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return pair.Cert
}

// A join that was killed before the kubelet had its certificate leaves the CA
// and the bootstrap kubeconfig: seen in the lab, where the next join took them
// for another cluster's.
func TestLeftoversOfAnEarlierJoinAreOurs(t *testing.T) {
	mine, other := newCA(t), newCA(t)
	bootstrap := func(ca []byte) secret.Bytes {
		return pki.EncodeTokenKubeconfig("https://192.0.2.1:6443", ca, secret.NewString("abcdef.0123456789abcdef"))
	}
	kubelet := pki.EncodeKubeletKubeconfig("kubernetes", "https://192.0.2.1:6443", "w1", mine)
	others := pki.EncodeKubeletKubeconfig("kubernetes", "https://192.0.2.1:6443", "w1", other)
	for name, c := range map[string]struct {
		files  map[string]secret.Bytes
		joined bool
		want   bool
	}{
		"nothing":                     {nil, false, false},
		"our ca":                      {map[string]secret.Bytes{caPath: secret.NewBytes(mine)}, false, true},
		"our ca and bootstrap":        {map[string]secret.Bytes{caPath: secret.NewBytes(mine), cluster.BootstrapKubeletConf: bootstrap(mine)}, false, true},
		"another ca":                  {map[string]secret.Bytes{caPath: secret.NewBytes(other)}, false, false},
		"our ca, another's bootstrap": {map[string]secret.Bytes{caPath: secret.NewBytes(mine), cluster.BootstrapKubeletConf: bootstrap(other)}, false, false},
		// Written by the kubelet before it has a certificate.
		"our kubelet.conf, no certificate": {map[string]secret.Bytes{caPath: secret.NewBytes(mine), cluster.KubeletConf: kubelet}, false, true},
		"a kubelet.conf of another":        {map[string]secret.Bytes{caPath: secret.NewBytes(mine), cluster.KubeletConf: others}, false, false},
		"joined":                           {map[string]secret.Bytes{caPath: secret.NewBytes(mine), cluster.KubeletConf: kubelet}, true, true},
	} {
		if got := ours(cluster.HostFacts{PKI: c.files}, cluster.Node{Name: "w1"}, caPath, mine, c.joined); got != c.want {
			t.Errorf("%s: ours is %t, want %t", name, got, c.want)
		}
	}
}
