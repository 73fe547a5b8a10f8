package pki_test

import (
	"crypto/x509"
	"encoding/pem"
	"maps"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

func requests(t *testing.T, files map[string]secret.Bytes) map[string]secret.Bytes {
	t.Helper()
	made, err := pki.Requests(files, newCluster(), newNode(), "/conf")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]secret.Bytes{}
	for _, f := range made {
		if f.Mode != 0o600 {
			t.Errorf("%s has mode %o", f.Path, f.Mode)
		}
		got[f.Path] = f.Content
	}
	return got
}

// Each request asks for what the contract wants, with the key beside it.
func TestRequestsAskForTheContract(t *testing.T) {
	c, n := newCluster(), newNode()
	got := requests(t, nil)
	check := func(path string, s pki.Spec, key secret.Bytes) {
		block, _ := pem.Decode(got[path].Reveal())
		if block == nil || block.Type != "CERTIFICATE REQUEST" {
			t.Fatalf("%s is no request", path)
		}
		csr, err := x509.ParseCertificateRequest(block.Bytes)
		if err != nil || csr.CheckSignature() != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if csr.Subject.CommonName != s.CommonName || strings.Join(csr.Subject.Organization, ",") != strings.Join(s.Organization, ",") ||
			len(csr.DNSNames) != len(s.DNSNames) || len(csr.IPAddresses) != len(s.IPs) {
			t.Errorf("%s: %s, %v, %v", path, csr.Subject, csr.DNSNames, csr.IPAddresses)
		}
		if key.Empty() {
			t.Errorf("%s has no key", path)
		}
	}
	count := 0
	for _, s := range pki.Tree(c, n) {
		if !s.IsCA && !s.KeyOnly {
			count += 2
			check(strings.TrimSuffix(s.CertPath(), "crt")+"csr", s, got[s.KeyPath()])
		}
	}
	for _, k := range pki.KubeconfigSpecs(c, n) {
		count += 2
		path := "/conf" + strings.TrimPrefix(k.Path, cluster.KubernetesDir)
		conf, err := pki.DecodeKubeconfig(got[path])
		if err != nil || len(conf.Cert) > 0 || conf.Server != k.Server || conf.User != k.Client.CommonName {
			t.Errorf("%s: %+v, %v", path, conf, err)
		}
		check(path+".csr", k.Client, conf.Key)
	}
	if len(got) != count {
		t.Errorf("%d files, want %d", len(got), count)
	}
}

// Run again it goes on: keys stay, and requests that are of them.
func TestRequestsGoOn(t *testing.T) {
	first := requests(t, nil)
	if again := requests(t, first); !maps.EqualFunc(first, again, secret.Bytes.Equal) {
		t.Error("a second run makes something else")
	}
	lost := dropped(first, dir+"apiserver.csr", "/conf/admin.conf.csr")
	again := requests(t, lost)
	if !again[dir+"apiserver.key"].Equal(first[dir+"apiserver.key"]) || !again["/conf/admin.conf"].Equal(first["/conf/admin.conf"]) || again[dir+"apiserver.csr"].Empty() {
		t.Error("a key was made anew, or its request was not")
	}
	stale := maps.Clone(first)
	stale[dir+"apiserver.csr"] = first[dir+"etcd/peer.csr"]
	if requests(t, stale)[dir+"apiserver.csr"].Equal(first[dir+"etcd/peer.csr"]) {
		t.Error("the request of another key stays")
	}
	_, signed := controlPlane(t)
	signed["/conf/admin.conf"] = signed[cluster.AdminConf]
	for path := range requests(t, signed) {
		if strings.HasPrefix(path, dir) || strings.HasPrefix(path, "/conf/admin.conf") {
			t.Errorf("%s has its certificate already", path)
		}
	}
	junk := secret.NewBytes([]byte("junk"))
	_, err := pki.Requests(map[string]secret.Bytes{dir + "apiserver.key": junk, "/conf/admin.conf": junk}, newCluster(), newNode(), "/conf")
	if len(checks(err)) != 2 {
		t.Errorf("got %v", err)
	}
}
