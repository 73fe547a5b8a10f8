package preflight_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/preflight"
)

// signed is a certificate with its key; the zero CA signs itself.
type signed struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (c signed) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})
}

func (c signed) keyPEM(t *testing.T) secret.Bytes {
	der, err := x509.MarshalPKCS8PrivateKey(c.key)
	if err != nil {
		t.Fatal(err)
	}
	return secret.NewBytes(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func (c signed) sign(t *testing.T, change func(*x509.Certificate)) signed {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "x"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(365 * 24 * time.Hour),
		BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature}
	change(template)
	parent, by := template, key
	if c.cert != nil {
		parent, by = c.cert, c.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return signed{cert, key}
}

func authority(t *testing.T) signed {
	return signed{}.sign(t, func(c *x509.Certificate) {
		c.IsCA, c.ExtKeyUsage, c.KeyUsage = true, nil, x509.KeyUsageCertSign
	})
}

// external is a control plane before an etcd of three, all well.
func external(t *testing.T, ca signed) preflight.Subject {
	s := good()
	e := &cluster.ExternalEtcd{Endpoints: []string{"https://e1.example:2379", "https://192.0.2.22:2379"}, CAFile: "/pki/ca.crt", CertFile: "/pki/client.crt", KeyFile: "/pki/client.key"}
	s.Cluster.Etcd.External = e
	client := ca.sign(t, func(*x509.Certificate) {})
	serving := ca.sign(t, func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		c.DNSNames, c.IPAddresses = []string{"e1.example"}, []net.IP{net.ParseIP("192.0.2.22")}
	})
	f := &cluster.ExternalEtcdFacts{Files: map[string]secret.Bytes{e.CAFile: secret.NewBytes(ca.pem()), e.CertFile: secret.NewBytes(client.pem()), e.KeyFile: client.keyPEM(t)}}
	for _, u := range e.Endpoints {
		f.Endpoints = append(f.Endpoints, cluster.EtcdEndpoint{URL: u, Asked: u, Version: "3.6.8", Members: []uint64{1, 2, 3}, Served: [][]byte{serving.cert.Raw}})
	}
	for _, name := range []string{"e1", "e2", "e3"} {
		f.Members = append(f.Members, cluster.EtcdServer{Name: name, ClientURLs: []string{"https://" + name + ":2379"}, Version: "3.6.8"})
	}
	s.Facts.Machine.Etcd = f
	return s
}

func TestExternalEtcd(t *testing.T) {
	ca, other := authority(t), authority(t)
	client := func(by signed, change func(*x509.Certificate)) func(*preflight.Subject) {
		return func(s *preflight.Subject) {
			made, e := by.sign(t, change), s.Cluster.Etcd.External
			s.Facts.Machine.Etcd.Files[e.CertFile], s.Facts.Machine.Etcd.Files[e.KeyFile] = secret.NewBytes(made.pem()), made.keyPEM(t)
		}
	}
	serves := func(by signed, change func(*x509.Certificate)) func(*preflight.Subject) {
		return func(s *preflight.Subject) {
			made := by.sign(t, func(c *x509.Certificate) {
				c.ExtKeyUsage, c.DNSNames = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, []string{"e1.example"}
				change(c)
			})
			s.Facts.Machine.Etcd.Endpoints[0].Served = [][]byte{made.cert.Raw}
		}
	}
	versions := func(list ...string) func(*preflight.Subject) {
		return func(s *preflight.Subject) {
			for i, v := range list {
				s.Facts.Machine.Etcd.Members[i].Version = v
			}
		}
	}
	file := func(path, content string) func(*preflight.Subject) {
		return func(s *preflight.Subject) { s.Facts.Machine.Etcd.Files[path] = secret.NewBytes([]byte(content)) }
	}
	as := func(change func(f *cluster.ExternalEtcdFacts)) func(*preflight.Subject) {
		return func(s *preflight.Subject) { change(s.Facts.Machine.Etcd) }
	}
	const failure, warning = preflight.Error, preflight.Warning
	nothing := func(*x509.Certificate) {}
	const versionCheck, clientCheck, serverCheck = "ExternalEtcdVersion", "ExternalEtcdClientCertificates", "ExternalEtcdServerCertificates"
	for name, c := range map[string]struct {
		spoil func(*preflight.Subject)
		check string // empty: nothing is found
		level preflight.Level
		says  string
	}{
		"all well":  {func(*preflight.Subject) {}, "", "", ""},
		"not asked": {func(s *preflight.Subject) { s.Facts.Machine.Etcd = nil }, "", "", ""},
		"in the clear": {func(s *preflight.Subject) {
			e := s.Cluster.Etcd.External
			e.CAFile, e.CertFile, e.KeyFile = "", "", ""
			s.Facts.Machine.Etcd.Files = nil
			for i := range s.Facts.Machine.Etcd.Endpoints {
				s.Facts.Machine.Etcd.Endpoints[i].Served = nil
			}
		}, "", "", ""},

		"a candidate for release":        {versions("3.6.0-rc.1"), "", "", ""},
		"the oldest that 3.6 may follow": {versions("3.5.26", "3.5.27", "3.6.0"), "", "", ""},
		"too old":                        {versions("3.5.23"), versionCheck, failure, "member e1 of the external etcd is 3.5.23, older than 3.5.24"},
		"of no sense":                    {versions("x"), versionCheck, failure, `member e1 of the external etcd has version "x"`},
		"3.5 before 3.5.26":              {versions("3.5.24", "3.5.25", "3.5.26"), versionCheck, warning, "e1 (3.5.24), e2 (3.5.25) must be at least 3.5.26, before the first member goes to 3.6"},
		"one that is no endpoint":        {versions("3.5.26", "3.5.26", "3.5.25"), versionCheck, warning, "e3 (3.5.25)"},
		"half way to 3.6":                {versions("3.5.25", "3.6.8", "3.6.8"), versionCheck, failure, "e1 (3.5.25) must be at least 3.5.26, and others are 3.6 already"},
		"no list, too old": {as(func(f *cluster.ExternalEtcdFacts) { f.Members = nil; f.Endpoints[1].Version = "3.5.23" }),
			versionCheck, failure, "member at https://192.0.2.22:2379 of the external etcd is 3.5.23"},
		"no list": {as(func(f *cluster.ExternalEtcdFacts) { f.Members = nil; f.Endpoints[0].Unlisted = "permission denied" }),
			versionCheck, warning, "not known: permission denied"},
		"an endpoint is silent": {as(func(f *cluster.ExternalEtcdFacts) {
			f.Endpoints[0] = cluster.EtcdEndpoint{URL: f.Endpoints[0].URL, Asked: f.Endpoints[0].URL, Error: "refused", Unlisted: "refused"}
			f.Members[0] = cluster.EtcdServer{Name: "e1", ClientURLs: []string{f.Endpoints[0].URL}, Error: "refused"}
		}), versionCheck, failure, "ask the external etcd for its version: refused"},
		"a member is silent": {as(func(f *cluster.ExternalEtcdFacts) { f.Members[2].Version, f.Members[2].Error = "", "refused" }), versionCheck, warning, "member e3 of the external etcd does not answer"},
		"no quorum": {as(func(f *cluster.ExternalEtcdFacts) {
			for i := range f.Members[:2] {
				f.Members[i].Error = "it knows no leader"
			}
		}), versionCheck, failure, "no quorum: of 3 members that vote 2 must answer, and e1, e2 do not"},
		"a learner is silent": {as(func(f *cluster.ExternalEtcdFacts) {
			f.Members = append(f.Members, cluster.EtcdServer{Name: "e4", Learner: true, Error: "refused"})
		}), versionCheck, warning, "member e4"},
		"two clusters":    {as(func(f *cluster.ExternalEtcdFacts) { f.Endpoints[1].Members = []uint64{9} }), versionCheck, failure, "different etcd clusters"},
		"one just joined": {as(func(f *cluster.ExternalEtcdFacts) { f.Endpoints[1].Members = []uint64{1, 2, 3, 4} }), "", "", ""},

		"no key":               {func(s *preflight.Subject) { delete(s.Facts.Machine.Etcd.Files, "/pki/client.key") }, clientCheck, failure, "/pki/client.key, for the external etcd, is not there"},
		"an authority torn":    {file("/pki/ca.crt", "x"), clientCheck, failure, "read /pki/ca.crt"},
		"a certificate torn":   {file("/pki/client.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), clientCheck, failure, "read /pki/client.crt"},
		"another key":          {file("/pki/client.key", string(other.keyPEM(t).Reveal())), clientCheck, failure, "/pki/client.key is not the key of /pki/client.crt"},
		"of another etcd":      {client(other, nothing), clientCheck, failure, "/pki/client.crt is not signed by /pki/ca.crt"},
		"not for clients":      {client(ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), clientCheck, failure, "/pki/client.crt is not for clients"},
		"for anything":         {client(ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }), "", "", ""},
		"expired":              {client(ca, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(-48*time.Hour), now.Add(-time.Hour) }), clientCheck, failure, "/pki/client.crt expired on 2026-11-21"},
		"not valid yet":        {client(ca, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Hour) }), clientCheck, failure, "not valid before 2026-11-21"},
		"expires soon":         {client(ca, func(c *x509.Certificate) { c.NotAfter = now.Add(10*24*time.Hour + time.Minute) }), clientCheck, warning, "/pki/client.crt expires on 2026-12-01, in 10 days"},
		"valid for long still": {client(ca, func(c *x509.Certificate) { c.NotAfter = now.Add(31 * 24 * time.Hour) }), "", "", ""},

		"a server of another etcd": {serves(other, nothing), serverCheck, failure, "the certificate that https://e1.example:2379 shows is not signed by /pki/ca.crt"},
		"a server's other name":    {serves(ca, func(c *x509.Certificate) { c.DNSNames = []string{"e9.example", "localhost"} }), serverCheck, failure, "is not valid for e1.example: it is for e9.example, localhost"},
		"a server without a name":  {serves(ca, func(c *x509.Certificate) { c.DNSNames = nil }), serverCheck, failure, "it is for no name"},
		"a server's has expired":   {serves(ca, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }), serverCheck, failure, "expired on"},
		"a server's expires soon":  {serves(ca, func(c *x509.Certificate) { c.NotAfter = now.Add(time.Hour) }), serverCheck, warning, "in 0 days"},
		"a client's as a server's": {serves(ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), serverCheck, failure, "is not for servers"},
		"a server's of no sense":   {as(func(f *cluster.ExternalEtcdFacts) { f.Endpoints[0].Served = [][]byte{[]byte("x")} }), "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := external(t, ca)
			c.spoil(&s)
			findings, _ := preflight.Run(initChecks(s), s, nil)
			switch {
			case c.check == "" && len(findings) > 0:
				t.Errorf("it finds %+v", findings)
			case c.check != "" && (len(findings) != 1 || findings[0].Check != c.check || findings[0].Level != c.level || !strings.Contains(findings[0].Message, c.says)):
				t.Errorf("it finds %+v, want %s %s: %s", findings, c.level, c.check, c.says)
			case c.check != "" && findings[0].Hint == "":
				t.Error("no hint")
			}
		})
	}
}
