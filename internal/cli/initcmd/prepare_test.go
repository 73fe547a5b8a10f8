package initcmd

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cli/phasecmd"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

var now = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)

// existing is a control plane with its whole PKI and a kubelet.conf that refers
// to the certificate in client.
func existing(t *testing.T, client func(*pki.Bundle, pki.Spec) secret.Bytes) *prepared {
	t.Helper()
	loaded, err := config.Load(nil, config.Inputs{Host: "cp1", Hostname: "cp1", DefaultAddress: netip.MustParseAddr("192.0.2.10"), Now: now, Rand: bytes.NewReader(make([]byte, 64))})
	if err != nil {
		t.Fatal(err)
	}
	specs := pki.KubeconfigSpecs(loaded.Cluster, loaded.Node)
	b, err := pki.Ensure(nil, pki.Tree(loaded.Cluster, loaded.Node), specs, now)
	if err != nil {
		t.Fatal(err)
	}
	b.Kubeconfigs[cluster.KubeletConf] = pki.EncodeKubeletKubeconfig("kubernetes", loaded.Node.LocalEndpoint(), "cp1", b.Pairs["ca"].Cert)
	facts := cluster.HostFacts{
		PKI:       map[string]secret.Bytes{},
		Manifests: map[string][]byte{cluster.ManifestsDir + "/kube-apiserver.yaml": []byte("there")},
	}
	for _, k := range specs {
		if k.Path == cluster.KubeletConf {
			facts.PKI[cluster.KubeletClientPEM] = client(b, k.Client)
		}
	}
	return &prepared{found: b, ours: true, names: phasecmd.Names(phases.Init(), nil), input: plan.Input{
		Cluster: loaded.Cluster, Node: loaded.Node, PKI: b, Facts: cluster.Facts{Now: now, Hosts: map[string]cluster.HostFacts{"cp1": facts}}}}
}

func issue(t *testing.T, b *pki.Bundle, s pki.Spec, at time.Time) secret.Bytes {
	t.Helper()
	pair, err := pki.Issue(s, b.Pairs["ca"], at)
	if err != nil {
		t.Fatal(err)
	}
	return secret.NewBytes(append(append([]byte{}, pair.Cert...), pair.Key.Reveal()...))
}

func embedded(t *testing.T, p *prepared) bool {
	t.Helper()
	if err := p.ensure(); err != nil {
		t.Fatal(err)
	}
	conf, err := pki.DecodeKubeconfig(p.input.PKI.Kubeconfigs[cluster.KubeletConf])
	if err != nil {
		t.Fatal(err)
	}
	return len(conf.Cert) > 0
}

// The kubelet could neither start with an expired or missing certificate nor
// renew it.
func TestUnusableKubeletCertificateIsMadeAnew(t *testing.T) {
	if embedded(t, existing(t, func(b *pki.Bundle, s pki.Spec) secret.Bytes { return issue(t, b, s, now) })) {
		t.Error("a certificate that serves is made anew")
	}
	for name, client := range map[string]func(*pki.Bundle, pki.Spec) secret.Bytes{
		"missing": func(*pki.Bundle, pki.Spec) secret.Bytes { return secret.Bytes{} },
		"expired": func(b *pki.Bundle, s pki.Spec) secret.Bytes {
			s.Validity = time.Hour
			return issue(t, b, s, now.Add(-2*time.Hour))
		},
		"of another node": func(b *pki.Bundle, s pki.Spec) secret.Bytes {
			s.CommonName = "system:node:other"
			return issue(t, b, s, now)
		},
	} {
		if !embedded(t, existing(t, client)) {
			t.Errorf("%s: it is kept", name)
		}
	}
}

// Every service account token of a running cluster was signed with its keys.
func TestServiceAccountKeysOfARunningClusterAreNotMadeAnew(t *testing.T) {
	p := existing(t, func(b *pki.Bundle, s pki.Spec) secret.Bytes { return issue(t, b, s, now) })
	p.found.ServiceAccount = pki.KeyPair{}
	if err := p.ensure(); err == nil || !strings.Contains(err.Error(), "/etc/kubernetes/pki/sa.key") {
		t.Errorf("new keys were made: %v", err)
	}
	p.ours = false // an interrupted init has no control plane yet
	if err := p.ensure(); err != nil {
		t.Error(err)
	}
}
