package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net"
	"time"

	"github.com/cloudflare/cfssl/csr"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// backdate is how far in the past certificates begin, for clocks that differ.
const backdate = 5 * time.Minute

// Pair is a certificate and its private key, both PEM. Either can be absent.
type Pair struct {
	Cert []byte
	Key  secret.Bytes
}

// Issue makes a new key and certificate, signed by ca, or by itself for a root.
func Issue(s Spec, ca Pair, now time.Time) (Pair, error) {
	key, err := newKey(s.Algorithm)
	if err != nil {
		return Pair{}, fmt.Errorf("issue %s: %w", s.CommonName, err)
	}
	if s.IsCA {
		return issue(s, key, authority{}, now)
	}
	issuer, err := decodeAuthority(ca)
	if err != nil {
		return Pair{}, fmt.Errorf("issue %s: %w", s.CommonName, err)
	}
	return issue(s, key, issuer, now)
}

// authority is a decoded CA. An external one has no key.
type authority struct {
	certs []*x509.Certificate // the first one signs; others are trusted too
	key   crypto.Signer
}

func decodeAuthority(p Pair) (a authority, err error) {
	if a.certs, err = decodeCerts(p.Cert); err != nil {
		return a, fmt.Errorf("decode ca certificate: %w", err)
	}
	if !p.Key.Empty() {
		if a.key, err = decodeKey(p.Key); err != nil {
			return a, fmt.Errorf("decode ca key: %w", err)
		}
	}
	return a, nil
}

func issue(s Spec, key crypto.Signer, ca authority, now time.Time) (Pair, error) {
	cert, err := sign(s, key, ca, now)
	if err != nil {
		return Pair{}, fmt.Errorf("issue %s: %w", s.CommonName, err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("issue %s: %w", s.CommonName, err)
	}
	return Pair{Cert: encodeCert(cert), Key: keyPEM}, nil
}

// sign returns the DER of the certificate. crypto/x509 signs and not cfssl's
// signer/local, which cannot make kubeadm's certificates: it adds a subject key
// identifier to leaves and takes the names out of CAs with no setting against
// either, and it wants a signed request for each, which doubles the private key
// operations. Its package also brings zlint, whose tables cost every command
// 2 ms of start-up; of cfssl there are csr and the parsers of helpers.
func sign(s Spec, key crypto.Signer, ca authority, now time.Time) ([]byte, error) {
	if s.CommonName == "" {
		return nil, errors.New("no common name")
	}
	if s.Validity <= 0 {
		return nil, errors.New("no validity")
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	notAfter := now.Add(s.Validity)
	if !s.IsCA {
		if len(ca.certs) == 0 || ca.key == nil {
			return nil, fmt.Errorf("no key of ca %s", s.CA)
		}
		if end := ca.certs[0].NotAfter; end.Before(notAfter) {
			notAfter = end
		}
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: s.CommonName, Organization: s.Organization},
		NotBefore:             now.Add(-backdate).UTC(),
		NotAfter:              notAfter.UTC(),
		DNSNames:              s.DNSNames,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		BasicConstraintsValid: true,
		IsCA:                  s.IsCA,
	}
	if s.IsCA {
		template.KeyUsage |= x509.KeyUsageCertSign
	}
	for _, u := range s.Usages {
		template.ExtKeyUsage = append(template.ExtKeyUsage, u.extended())
	}
	for _, ip := range s.IPs {
		template.IPAddresses = append(template.IPAddresses, net.IP(ip.AsSlice()))
	}
	if s.IsCA {
		return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	}
	return x509.CreateCertificate(rand.Reader, template, ca.certs[0], key.Public(), ca.key)
}

// newSerial is uniform in [1, 2^63-1).
func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(math.MaxInt64-1))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}

func newKey(a cluster.KeyAlgorithm) (crypto.Signer, error) {
	var r csr.KeyRequest
	switch a {
	case cluster.RSA2048:
		r = csr.KeyRequest{A: "rsa", S: 2048}
	case cluster.RSA3072:
		r = csr.KeyRequest{A: "rsa", S: 3072}
	case cluster.RSA4096:
		r = csr.KeyRequest{A: "rsa", S: 4096}
	case cluster.ECDSAP256:
		r = csr.KeyRequest{A: "ecdsa", S: 256}
	case cluster.ECDSAP384:
		r = csr.KeyRequest{A: "ecdsa", S: 384}
	default:
		return nil, fmt.Errorf("make key: unknown algorithm %q", a)
	}
	key, err := r.Generate()
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return key.(crypto.Signer), nil // RSA and ECDSA keys both are
}

// Renewed is the spec for a certificate to replace certPEM: like kubeadm's
// renewal it takes subject, names and usages from the certificate itself, the
// rest from s.
func Renewed(s Spec, certPEM []byte) (Spec, error) {
	certs, err := decodeCerts(certPEM)
	if err != nil {
		return Spec{}, fmt.Errorf("decode certificate of %s: %w", s.Name, err)
	}
	old := certs[0]
	s.CommonName, s.Organization = old.Subject.CommonName, old.Subject.Organization
	n := sans{dns: old.DNSNames}
	for _, ip := range old.IPAddresses {
		n.add(ip.String())
	}
	s.DNSNames, s.IPs, s.Usages = n.dns, n.ips, nil
	for _, u := range []Usage{ServerAuth, ClientAuth} {
		if hasUsage(old, u) {
			s.Usages = append(s.Usages, u)
		}
	}
	return s, nil
}
