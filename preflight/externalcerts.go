package preflight

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"
)

// soon is when a certificate that ends is warned of: nobody renews those of an
// external etcd together with the cluster's.
const soon = 30 * 24 * time.Hour

// externalEtcdFiles judges what the API server is to show to etcd.
func externalEtcdFiles() Check {
	return Check{"ExternalEtcdClientCertificates", func(s Subject) []Finding {
		f, e := s.Facts.Machine.Etcd, s.Cluster.Etcd.External
		if f == nil {
			return nil
		}
		var findings []Finding
		for _, path := range []string{e.CAFile, e.CertFile, e.KeyFile} {
			if _, ok := f.Files[path]; path != "" && !ok {
				findings = append(findings, finding(Error, "clusteradm etcd client-certificate   # on an etcd machine, tells what to copy", "%s, for the external etcd, is not there", path)...)
			}
		}
		if len(findings) > 0 || e.CertFile == "" {
			return findings
		}
		roots, err := certificates(f.Files[e.CAFile].Reveal())
		if err != nil {
			return finding(Error, show(e.CAFile), "read %s, for the external etcd: %v", e.CAFile, err)
		}
		chain, err := certificates(f.Files[e.CertFile].Reveal())
		if err != nil {
			return finding(Error, show(e.CertFile), "read %s, for the external etcd: %v", e.CertFile, err)
		}
		if _, err := tls.X509KeyPair(f.Files[e.CertFile].Reveal(), f.Files[e.KeyFile].Reveal()); err != nil {
			return finding(Error, show(e.CertFile), "%s is not the key of %s: etcd would take nothing from the API server", e.KeyFile, e.CertFile)
		}
		return judge(s, chain, roots, use{what: e.CertFile, hint: show(e.CertFile), authority: e.CAFile, usage: x509.ExtKeyUsageClientAuth, usageName: "clients"})
	}}
}

// externalEtcdServers judges what etcd shows to the API server, which, unlike a
// browser, nobody can tell to go on all the same.
func externalEtcdServers() Check {
	return Check{"ExternalEtcdServerCertificates", func(s Subject) []Finding {
		f, e := s.Facts.Machine.Etcd, s.Cluster.Etcd.External
		if f == nil || e.CAFile == "" {
			return nil
		}
		roots, err := certificates(f.Files[e.CAFile].Reveal())
		if err != nil {
			return nil // found by the check of the files
		}
		var findings []Finding
		for _, at := range f.Endpoints {
			u, err := url.Parse(at.URL)
			if err != nil || len(at.Served) == 0 {
				continue // nobody answers there, which another check says
			}
			var chain []*x509.Certificate
			for _, der := range at.Served {
				if c, err := x509.ParseCertificate(der); err == nil {
					chain = append(chain, c)
				}
			}
			if len(chain) == 0 {
				continue
			}
			findings = append(findings, judge(s, chain, roots, use{what: "the certificate that " + at.URL + " shows", authority: e.CAFile, name: u.Hostname(),
				usage: x509.ExtKeyUsageServerAuth, usageName: "servers", hint: "openssl s_client -connect " + u.Host + " </dev/null | openssl x509 -noout -text"})...)
		}
		return findings
	}}
}

func show(path string) string { return "openssl x509 -noout -text -in " + path }

// use is what a certificate is needed for.
type use struct {
	what, hint, authority string
	name                  string // of the server; empty of a client's
	usage                 x509.ExtKeyUsage
	usageName             string
}

// judge says the first thing that is wrong with a certificate, its own first.
func judge(s Subject, chain, roots []*x509.Certificate, u use) []Finding {
	leaf, trusted, between := chain[0], x509.NewCertPool(), x509.NewCertPool()
	for _, c := range roots {
		trusted.AddCert(c)
	}
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	options := x509.VerifyOptions{Roots: trusted, Intermediates: between, CurrentTime: s.Now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	day := func(t time.Time) string { return t.UTC().Format(time.DateOnly) }
	switch {
	case s.Now.After(leaf.NotAfter):
		return finding(Error, u.hint, "%s expired on %s", u.what, day(leaf.NotAfter))
	case s.Now.Before(leaf.NotBefore):
		return finding(Error, u.hint, "%s is not valid before %s", u.what, day(leaf.NotBefore))
	}
	if _, err := leaf.Verify(options); err != nil {
		return finding(Error, u.hint, "%s is not signed by %s: %v", u.what, u.authority, err)
	}
	options.KeyUsages = []x509.ExtKeyUsage{u.usage}
	if _, err := leaf.Verify(options); err != nil {
		return finding(Error, u.hint, "%s is not for %s", u.what, u.usageName)
	}
	if u.name != "" && leaf.VerifyHostname(u.name) != nil {
		return finding(Error, u.hint, "%s is not valid for %s: it is for %s", u.what, u.name, names(leaf))
	}
	if left := leaf.NotAfter.Sub(s.Now); left < soon {
		return finding(Warning, u.hint, "%s expires on %s, in %d days", u.what, day(leaf.NotAfter), int(left/(24*time.Hour)))
	}
	return nil
}

// names are those that a server's certificate is for.
func names(c *x509.Certificate) string {
	all := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name"
	}
	return strings.Join(all, ", ")
}

// certificates are those of a PEM file, in its order.
func certificates(data []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		data = rest
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no certificate in it")
	}
	return all, nil
}
