package pki_test

import (
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

func at(y int) time.Time { return time.Date(y, 3, 1, 12, 0, 0, 0, time.UTC) }

// now is the day on which the tests' clusters are made.
func now() time.Time { return at(2026) }

func newCluster() *cluster.Cluster {
	return &cluster.Cluster{
		Name: "kubernetes", CertificatesDir: "/etc/kubernetes/pki", KeyAlgorithm: cluster.ECDSAP256,
		LeafValidity: 8760 * time.Hour, CAValidity: 87600 * time.Hour,
		Networking: cluster.Networking{ServiceSubnets: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12")}, DNSDomain: "cluster.local"},
	}
}

func newNode() cluster.Node {
	return cluster.Node{Name: "node1", ControlPlane: true, Address: netip.MustParseAddr("192.0.2.10"), BindPort: 6443}
}

func ensure(t testing.TB, c *cluster.Cluster, n cluster.Node, existing *pki.Bundle) *pki.Bundle {
	t.Helper()
	b, err := pki.Ensure(existing, pki.Tree(c, n), pki.KubeconfigSpecs(c, n), now())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func contents(b *pki.Bundle) map[string]secret.Bytes {
	files := map[string]secret.Bytes{}
	for _, f := range pki.Files(b) {
		files[f.Path] = f.Content
	}
	return files
}

func parse(t testing.TB, data []byte) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" || len(rest) > 0 {
		t.Fatalf("not one certificate: %q", data)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
