package pki_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"log"
	"math/big"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/pki"
)

// row is a line of the contract's table of certificates.
type row struct {
	base, ca, cn, org string
	usage, dns, ips   string
}

const (
	etcdIPs = "192.0.2.10 127.0.0.1 ::1"
	apiDNS  = "kubernetes kubernetes.default kubernetes.default.svc kubernetes.default.svc.cluster.local node1"
)

func table() []row {
	return []row{
		{"ca", "ca", "kubernetes", "", "ca", "kubernetes", ""},
		{"apiserver", "ca", "kube-apiserver", "", "server", apiDNS, "10.96.0.1 192.0.2.10"},
		{"apiserver-kubelet-client", "ca", "kube-apiserver-kubelet-client", "", "client", "", ""},
		{"front-proxy-ca", "front-proxy-ca", "front-proxy-ca", "", "ca", "front-proxy-ca", ""},
		{"front-proxy-client", "front-proxy-ca", "front-proxy-client", "", "client", "", ""},
		{"etcd/ca", "etcd/ca", "etcd-ca", "", "ca", "etcd-ca", ""},
		{"etcd/server", "etcd/ca", "node1", "", "server client", "localhost node1", etcdIPs},
		{"etcd/peer", "etcd/ca", "node1", "", "server client", "localhost node1", etcdIPs},
		{"etcd/healthcheck-client", "etcd/ca", "kube-etcd-healthcheck-client", "", "client", "", ""},
		{"apiserver-etcd-client", "etcd/ca", "kube-apiserver-etcd-client", "", "client", "", ""},
	}
}

func TestCertificatesAreThoseOfTheContract(t *testing.T) {
	for alg, want := range map[cluster.KeyAlgorithm][3]string{
		cluster.ECDSAP256: {"EC PRIVATE KEY", "ECDSA", "ECDSA-SHA256"},
		cluster.ECDSAP384: {"EC PRIVATE KEY", "ECDSA", "ECDSA-SHA384"},
		cluster.RSA2048:   {"RSA PRIVATE KEY", "RSA", "SHA256-RSA"},
	} {
		t.Run(string(alg), func(t *testing.T) {
			c := newCluster()
			c.KeyAlgorithm = alg
			b := ensure(t, c, newNode(), nil)
			if len(b.Pairs) != len(table()) {
				t.Errorf("%d pairs", len(b.Pairs))
			}
			for _, r := range table() {
				compare(t, r, b.Pairs[r.base], b.Pairs[r.ca].Cert, want)
			}
			block, _ := pem.Decode(b.ServiceAccount.Private.Reveal())
			public, _ := pem.Decode(b.ServiceAccount.Public)
			if block == nil || block.Type != want[0] || public == nil || public.Type != "PUBLIC KEY" {
				t.Error("service account keys have the wrong format")
			}
			for _, k := range pki.KubeconfigSpecs(c, newNode()) {
				got, err := pki.DecodeKubeconfig(b.Kubeconfigs[k.Path])
				if err != nil {
					t.Fatal(err)
				}
				compare(t, row{base: k.Path, cn: k.Client.CommonName, org: strings.Join(k.Client.Organization, " "), usage: "client"},
					pki.Pair{Cert: got.Cert, Key: got.Key}, b.Pairs["ca"].Cert, want)
			}
		})
	}
}

func compare(t *testing.T, r row, p pki.Pair, caPEM []byte, alg [3]string) {
	t.Helper()
	cert, ca := parse(t, p.Cert), parse(t, caPEM)
	var usage, ips []string
	for _, u := range cert.ExtKeyUsage {
		usage = append(usage, map[x509.ExtKeyUsage]string{x509.ExtKeyUsageServerAuth: "server", x509.ExtKeyUsageClientAuth: "client"}[u])
	}
	keyUsage, end := x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment, 8760*time.Hour
	wantIDs := []string{"2.5.29.15", "2.5.29.37", "2.5.29.19", "2.5.29.35"}
	if r.usage == "ca" {
		usage, keyUsage, end = []string{"ca"}, keyUsage|x509.KeyUsageCertSign, 87600*time.Hour
		wantIDs = []string{"2.5.29.15", "2.5.29.19", "2.5.29.14"}
	}
	if r.dns != "" {
		wantIDs = append(wantIDs, "2.5.29.17")
	}
	for _, ip := range cert.IPAddresses {
		ips = append(ips, ip.String())
	}
	got := row{r.base, r.ca, cert.Subject.CommonName, strings.Join(cert.Subject.Organization, " "),
		strings.Join(usage, " "), strings.Join(cert.DNSNames, " "), strings.Join(ips, " ")}
	if got != r {
		t.Errorf("got  %+v\nwant %+v", got, r)
	}
	var ids []string // the extensions and their order are kubeadm's
	for _, e := range cert.Extensions {
		ids = append(ids, e.Id.String())
	}
	if !slices.Equal(ids, wantIDs) {
		t.Errorf("%s: extensions %v, want %v", r.base, ids, wantIDs)
	}
	if cert.KeyUsage != keyUsage || cert.IsCA != (r.usage == "ca") || !cert.BasicConstraintsValid || cert.MaxPathLen != -1 {
		t.Errorf("%s: key usage %v, ca %v", r.base, cert.KeyUsage, cert.IsCA)
	}
	if !cert.NotBefore.Equal(now().Add(-5*time.Minute)) || !cert.NotAfter.Equal(now().Add(end)) {
		t.Errorf("%s: valid from %v to %v", r.base, cert.NotBefore, cert.NotAfter)
	}
	if cert.SerialNumber.Sign() <= 0 || cert.SerialNumber.Cmp(new(big.Int).Lsh(big.NewInt(1), 63)) >= 0 {
		t.Errorf("%s: serial %v", r.base, cert.SerialNumber)
	}
	if cert.PublicKeyAlgorithm.String() != alg[1] || cert.SignatureAlgorithm.String() != alg[2] {
		t.Errorf("%s: %v, %v", r.base, cert.PublicKeyAlgorithm, cert.SignatureAlgorithm)
	}
	if block, _ := pem.Decode(p.Key.Reveal()); block == nil || block.Type != alg[0] {
		t.Errorf("%s: key is not an %s", r.base, alg[0])
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now(), KeyUsages: usages}); err != nil {
		t.Errorf("%s: %v", r.base, err)
	}
	if !cert.IsCA && !bytes.Equal(cert.AuthorityKeyId, ca.SubjectKeyId) {
		t.Errorf("%s: authority key id is not the ca's", r.base)
	}
}

func TestSANs(t *testing.T) {
	for _, tc := range []struct {
		name     string
		change   func(*cluster.Cluster, *cluster.Node)
		base     string
		dns, ips string
	}{
		{"endpoint name", func(c *cluster.Cluster, _ *cluster.Node) { c.ControlPlaneEndpoint = "api.example.com:6443" }, "apiserver",
			"api.example.com " + apiDNS, "10.96.0.1 192.0.2.10"},
		{"endpoint without port", func(c *cluster.Cluster, _ *cluster.Node) { c.ControlPlaneEndpoint = "api.example.com" }, "apiserver",
			"api.example.com " + apiDNS, "10.96.0.1 192.0.2.10"},
		{"endpoint address", func(c *cluster.Cluster, _ *cluster.Node) { c.ControlPlaneEndpoint = "[2001:db8::1]:6443" }, "apiserver",
			apiDNS, "10.96.0.1 192.0.2.10 2001:db8::1"},
		{"endpoint is the node", func(c *cluster.Cluster, _ *cluster.Node) { c.ControlPlaneEndpoint = "192.0.2.10:6443" }, "apiserver",
			apiDNS, "10.96.0.1 192.0.2.10"},
		{"dual-stack takes the first subnet", func(c *cluster.Cluster, n *cluster.Node) {
			c.Networking.ServiceSubnets = []netip.Prefix{netip.MustParsePrefix("fd00:10::/108"), netip.MustParsePrefix("10.96.0.0/12")}
			n.Address = netip.MustParseAddr("fd00::10")
		}, "apiserver", apiDNS, "fd00:10::1 fd00::10"},
		{"extra", func(c *cluster.Cluster, _ *cluster.Node) {
			c.APIServer.CertSANs = []string{"*.example.org", "a.example.org", "203.0.113.7", "010.0.0.1", "not valid", "node1"}
		}, "apiserver", "*.example.org a.example.org " + apiDNS, "10.96.0.1 192.0.2.10 203.0.113.7 10.0.0.1"},
		{"etcd server", func(c *cluster.Cluster, _ *cluster.Node) {
			c.Etcd.ServerCertSANs = []string{"etcd.local", "192.0.2.77"}
		}, "etcd/server",
			"etcd.local localhost node1", etcdIPs + " 192.0.2.77"},
		{"etcd peer", func(c *cluster.Cluster, _ *cluster.Node) { c.Etcd.PeerCertSANs = []string{"peer.local"} }, "etcd/peer",
			"localhost node1 peer.local", etcdIPs},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, n := newCluster(), newNode()
			tc.change(c, &n)
			for _, s := range pki.Tree(c, n) {
				if s.Base != tc.base {
					continue
				}
				var ips []string
				for _, ip := range s.IPs {
					ips = append(ips, ip.String())
				}
				if got := strings.Join(s.DNSNames, " "); got != tc.dns {
					t.Errorf("names %s, want %s", got, tc.dns)
				}
				if got := strings.Join(ips, " "); got != tc.ips {
					t.Errorf("addresses %s, want %s", got, tc.ips)
				}
			}
			ensure(t, c, n, ensure(t, c, n, nil)) // what was made is found valid
		})
	}
}

func TestExternalEtcdHasNoEtcdCertificates(t *testing.T) {
	c := newCluster()
	c.Etcd.External = &cluster.ExternalEtcd{}
	var names []string
	for _, s := range pki.Tree(c, newNode()) {
		names = append(names, s.Name)
	}
	want := "ca apiserver apiserver-kubelet-client front-proxy-ca front-proxy-client sa"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLeafDoesNotOutliveItsCA(t *testing.T) {
	c := newCluster()
	c.CAValidity = 24 * time.Hour
	b := ensure(t, c, newNode(), nil)
	if got, want := parse(t, b.Pairs["apiserver"].Cert).NotAfter, now().Add(24*time.Hour); !got.Equal(want) {
		t.Errorf("ends %v, want %v", got, want)
	}
}

func TestRenewedKeepsWhatTheCertificateSays(t *testing.T) {
	c, n := newCluster(), newNode()
	c.APIServer.CertSANs = []string{"old.example.org", "203.0.113.7"}
	b := ensure(t, c, n, nil)
	fresh := pki.Tree(newCluster(), n)[1]
	s, err := pki.Renewed(fresh, b.Pairs["apiserver"].Cert)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pki.Issue(s, b.Pairs["ca"], at(2027))
	if err != nil {
		t.Fatal(err)
	}
	if err := pki.Valid(pki.Tree(c, n)[1], p.Cert, p.Key, b.Pairs["ca"].Cert, at(2027)); err != nil {
		t.Error(err)
	}
	if bytes.Equal(p.Key.Reveal(), b.Pairs["apiserver"].Key.Reveal()) {
		t.Error("the key is the old one")
	}
}

func TestCannotIssue(t *testing.T) {
	b := ensure(t, newCluster(), newNode(), nil)
	good, ca := pki.Tree(newCluster(), newNode())[1], b.Pairs["ca"]
	for want, f := range map[string]func(*pki.Spec, *pki.Pair){
		"issue kube-apiserver: make key: unknown algorithm \"DSA\"":         func(s *pki.Spec, _ *pki.Pair) { s.Algorithm = "DSA" },
		"issue : no common name":                                            func(s *pki.Spec, _ *pki.Pair) { s.CommonName = "" },
		"issue kube-apiserver: no validity":                                 func(s *pki.Spec, _ *pki.Pair) { s.Validity = 0 },
		"issue kube-apiserver: no key of ca ca":                             func(_ *pki.Spec, p *pki.Pair) { p.Key = pki.Pair{}.Key },
		"issue kube-apiserver: decode ca certificate: no certificate in it": func(_ *pki.Spec, p *pki.Pair) { p.Cert = nil },
	} {
		s, p := good, ca
		f(&s, &p)
		if _, err := pki.Issue(s, p, now()); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// cfssl's logger is global and writes to the standard one.
func TestCFSSLLogsNothing(t *testing.T) {
	var out bytes.Buffer
	log.SetOutput(&out)
	defer log.SetOutput(os.Stderr)
	b := ensure(t, newCluster(), newNode(), nil)
	if _, err := pki.Read(contents(b), newCluster()); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 0 {
		t.Errorf("logged: %s", out.String())
	}
}

// The certificate is one of kubeadm's, its digest is openssl's.
func TestPin(t *testing.T) {
	const cert = `-----BEGIN CERTIFICATE-----
MIIBeDCCAR+gAwIBAgIIErmHN/q4KiowCgYIKoZIzj0EAwIwFTETMBEGA1UEAxMK
a3ViZXJuZXRlczAeFw0yNjExMjEwNzA0MjFaFw0zNjExMTgwNzA5MjFaMBUxEzAR
BgNVBAMTCmt1YmVybmV0ZXMwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQIeWBI
giDb4X04JYvC+SSR32LcTnjunjW5eji9udCX6DGh4tbGIY8uTKlk42wqL9ebA7ZV
Y3AaWN+xGXYI9KFUo1kwVzAOBgNVHQ8BAf8EBAMCAqQwDwYDVR0TAQH/BAUwAwEB
/zAdBgNVHQ4EFgQU1OFZ6XfjKtPh1L9fiGiytTBd1/AwFQYDVR0RBA4wDIIKa3Vi
ZXJuZXRlczAKBggqhkjOPQQDAgNHADBEAiARMLh5oPB9t5cs9EyjKwwFSb3g8cmd
DlOCHLROpIWFOgIgRReH71F6YT7/147qZDSIQCaHbpjxeT95gus0173JYKQ=
-----END CERTIFICATE-----
`
	got, err := pki.Pin([]byte(cert))
	if want := "sha256:5b9e0471d8616fed0afa0d4b3993af7810a81838c579f17e01b9c8772f1f180c"; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if _, err := pki.Pin([]byte("x")); err == nil || err.Error() != "pin ca: no certificate in it" {
		t.Errorf("got %v", err)
	}
}

func BenchmarkPKI(b *testing.B) {
	for _, alg := range []cluster.KeyAlgorithm{cluster.ECDSAP256, cluster.RSA2048} {
		b.Run(string(alg), func(b *testing.B) {
			c := newCluster()
			c.KeyAlgorithm = alg
			for b.Loop() {
				ensure(b, c, newNode(), nil)
			}
		})
	}
}
