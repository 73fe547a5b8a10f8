package pki

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/clusteradm/clusteradm/internal/secret"
)

// Problem is what is wrong with a file.
type Problem string

// The problems there can be.
const (
	Missing  Problem = "missing"
	Damaged  Problem = "damaged"
	Expired  Problem = "expired" // or not valid yet
	NotCA    Problem = "not-ca"
	Issuer   Problem = "issuer" // signed by another CA, or trusting another one
	Identity Problem = "identity"
	Key      Problem = "key"
	SANs     Problem = "sans"
	Usages   Problem = "usages"
	Server   Problem = "server"
	WrongKey Problem = "wrong-key" // of shared certificates
)

// CheckError says that a file is not what it has to be, and what to do.
type CheckError struct {
	Path    string
	Problem Problem
	Reason  string
	Hint    string
}

func (e *CheckError) Error() string { return "check " + e.Path + ": " + e.Reason }

const hintRestore = "restore the file from a backup or copy it from another control plane"

// renewHint is the command that replaces an expired certificate and its key.
func renewHint(name string) string { return "clusteradm certs renew " + name }

// reissueHint is the command that makes a certificate anew, with the same key.
func reissueHint(s Spec) string {
	return "rm " + s.CertPath() + "; clusteradm init phase certs " + s.Name
}

// Valid says whether a certificate is what s asks for: issuer, key, period,
// names and usages, not bytes. Names may be more than are asked for. The first
// certificate counts, as for kubeadm; others are its chain. A CA is not asked
// for names, since CAs that users bring have others, and may lack its key.
func Valid(s Spec, certPEM []byte, keyPEM secret.Bytes, caPEM []byte, now time.Time) error {
	certs, err := decodeCerts(certPEM)
	if err != nil {
		return &CheckError{s.CertPath(), Damaged, err.Error(), hintRestore}
	}
	if err := checkPair(s, certs[0], keyPEM); err != nil {
		return err
	}
	if s.IsCA {
		return checkCA(s.CertPath(), certs[0], now)
	}
	roots, err := decodeCerts(caPEM)
	if err != nil {
		return &CheckError{Spec{Dir: s.Dir, Base: s.CABase}.CertPath(), Damaged, err.Error(), hintRestore}
	}
	return checkLeaf(s.CertPath(), s, certs, roots, now)
}

func checkPair(s Spec, cert *x509.Certificate, keyPEM secret.Bytes) error {
	if keyPEM.Empty() {
		if s.IsCA {
			return nil
		}
		return &CheckError{s.KeyPath(), Missing, "there is a certificate, but not its key", hintRestore}
	}
	key, err := decodeKey(keyPEM)
	if err != nil {
		return &CheckError{s.KeyPath(), Damaged, err.Error(), hintRestore}
	}
	if !sameKey(cert.PublicKey, key.Public()) {
		return &CheckError{s.CertPath(), Key, "the key in " + s.KeyPath() + " is not the certificate's", hintRestore}
	}
	return nil
}

func checkCA(path string, cert *x509.Certificate, now time.Time) error {
	if !cert.BasicConstraintsValid || !cert.IsCA {
		return &CheckError{path, NotCA, "not the certificate of a ca", hintRestore}
	}
	if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return &CheckError{path, Usages, "the certificate is not for signing certificates", hintRestore}
	}
	return checkPeriod(path, cert, now, "replace the ca, and with it every certificate it has signed")
}

// checkLeaf looks at the certificate alone, not at its key.
func checkLeaf(path string, s Spec, certs, roots []*x509.Certificate, now time.Time) error {
	cert := certs[0]
	if err := checkPeriod(path, cert, now, renewHint(s.Name)); err != nil {
		return err
	}
	trusted, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range roots {
		trusted.AddCert(c)
	}
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	options := x509.VerifyOptions{Roots: trusted, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	if _, err := cert.Verify(options); err != nil {
		return &CheckError{path, Issuer, fmt.Sprintf("not signed by ca %s: %v", s.CA, err), reissueHint(s)}
	}
	for _, u := range s.Usages {
		if !hasUsage(cert, u) {
			return &CheckError{path, Usages, "the certificate is not for " + string(u), reissueHint(s)}
		}
	}
	names := slices.Clone(s.DNSNames)
	for _, ip := range s.IPs {
		names = append(names, ip.String())
	}
	for _, name := range names {
		if err := cert.VerifyHostname(name); err != nil {
			return &CheckError{path, SANs, "the certificate is not valid for " + name, reissueHint(s)}
		}
	}
	return nil
}

func checkPeriod(path string, cert *x509.Certificate, now time.Time, hint string) error {
	if now.After(cert.NotAfter) {
		return &CheckError{path, Expired, "the certificate expired at " + cert.NotAfter.UTC().Format(time.RFC3339), hint}
	}
	if now.Before(cert.NotBefore) {
		return &CheckError{path, Expired, "the certificate is not valid before " + cert.NotBefore.UTC().Format(time.RFC3339), "set the clock"}
	}
	return nil
}

func hasUsage(cert *x509.Certificate, u Usage) bool {
	return slices.Contains(cert.ExtKeyUsage, u.extended()) || slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny)
}
