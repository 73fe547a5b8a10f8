package contract

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// authority is a certificate found in a file, by which others are told.
type authority struct {
	path string
	cert *x509.Certificate
}

// collect remembers the certificates of a file, so that chains and the owners
// of keys can be named by path.
func (r *Run) collect(path string, data []byte) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			r.known = append(r.known, authority{path, cert})
		}
	}
}

// describePEM replaces PEM blocks by what they are. It is nil for text that
// holds none.
func (r *Run) describePEM(data []byte) any {
	if !bytes.Contains(data, []byte("-----BEGIN ")) {
		return nil
	}
	var list []any
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		list = append(list, r.describeBlock(block))
	}
	if list == nil {
		return nil
	}
	return list
}

func (r *Run) describeBlock(block *pem.Block) any {
	var err error
	var key any
	switch block.Type {
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			return r.describeCertificate(cert)
		}
	case "CERTIFICATE REQUEST":
		var request *x509.CertificateRequest
		if request, err = x509.ParseCertificateRequest(block.Bytes); err == nil {
			return map[string]any{"pem": block.Type, "subject": r.text(request.Subject.String()), "key": algorithm(request.PublicKey),
				"dns": toList(request.DNSNames), "ip": r.text(fmt.Sprint(request.IPAddresses))}
		}
	case "RSA PRIVATE KEY":
		if k, e := x509.ParsePKCS1PrivateKey(block.Bytes); e != nil {
			err = e
		} else {
			key = k.Public()
		}
	case "EC PRIVATE KEY":
		if k, e := x509.ParseECPrivateKey(block.Bytes); e != nil {
			err = e
		} else {
			key = k.Public()
		}
	case "PRIVATE KEY":
		k, e := x509.ParsePKCS8PrivateKey(block.Bytes)
		err = e
		if signer, ok := k.(crypto.Signer); ok {
			key = signer.Public()
		}
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	default:
		return map[string]any{"pem": block.Type}
	}
	if err != nil {
		return map[string]any{"pem": block.Type, "unreadable": err.Error()}
	}
	return map[string]any{"pem": block.Type, "key": algorithm(key), "of": toList(r.ownersOf(key))}
}

func (r *Run) describeCertificate(cert *x509.Certificate) any {
	var extensions []string
	for _, e := range cert.Extensions {
		extensions = append(extensions, fmt.Sprintf("%s critical=%t", e.Id, e.Critical))
	}
	var usages []string
	for bit, name := range []string{"digitalSignature", "contentCommitment", "keyEncipherment", "dataEncipherment", "keyAgreement", "certSign", "crlSign"} {
		if cert.KeyUsage&(1<<bit) != 0 {
			usages = append(usages, name)
		}
	}
	for _, u := range cert.ExtKeyUsage {
		usages = append(usages, "ext:"+u.String())
	}
	var ips []string
	for _, ip := range cert.IPAddresses {
		ips = append(ips, r.text(ip.String()))
	}
	return map[string]any{
		"pem": "CERTIFICATE", "subject": r.text(cert.Subject.String()), "issuer": r.text(cert.Issuer.String()),
		"dns": toList(cert.DNSNames), "ip": toList(ips), "email": toList(cert.EmailAddresses), "uris": fmt.Sprint(cert.URIs),
		"usages": toList(usages), "extensions": toList(extensions), "isCA": cert.IsCA, "constraints": cert.BasicConstraintsValid,
		"maxPathLen": fmt.Sprint(cert.MaxPathLen, cert.MaxPathLenZero), "version": cert.Version,
		"key": algorithm(cert.PublicKey), "signature": cert.SignatureAlgorithm.String(), "same": toList(r.sameAs(cert)), "signedBy": toList(r.signers(cert)),
		"begins": r.fromStart(cert.NotBefore), "ends": r.fromStart(cert.NotAfter),
	}
}

// fromStart is to five minutes: what a run takes, and a certificate's whole
// seconds, do not count.
func (r *Run) fromStart(t time.Time) string {
	const step = 5 * time.Minute
	return fmt.Sprintf("%d minutes after the start", int(math.Round(float64(t.Sub(r.Started))/float64(step)))*5)
}

// sameAs are the files that hold this very certificate.
func (r *Run) sameAs(cert *x509.Certificate) []string {
	return r.paths(func(a authority) bool { return a.cert.Equal(cert) })
}

// signers are the files with a CA that made the signature: by its key and not
// by its name alone.
func (r *Run) signers(cert *x509.Certificate) []string {
	return r.paths(func(a authority) bool { return a.cert.IsCA && cert.CheckSignatureFrom(a.cert) == nil })
}

func (r *Run) ownersOf(key any) []string {
	return r.paths(func(a authority) bool { return equalKeys(key, a.cert.PublicKey) })
}

func (r *Run) paths(is func(authority) bool) []string {
	var list []string
	for _, a := range r.known {
		if is(a) && !slices.Contains(list, a.path) {
			list = append(list, a.path)
		}
	}
	slices.Sort(list)
	return list
}

func equalKeys(a, b any) bool {
	switch k := a.(type) {
	case *rsa.PublicKey:
		other, ok := b.(*rsa.PublicKey)
		return ok && k.Equal(other)
	case *ecdsa.PublicKey:
		other, ok := b.(*ecdsa.PublicKey)
		return ok && k.Equal(other)
	}
	return false
}

func algorithm(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-%d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA-" + strings.ReplaceAll(k.Curve.Params().Name, "-", "")
	}
	return fmt.Sprintf("%T", key)
}

func toList(texts []string) []any {
	list := make([]any, 0, len(texts))
	for _, t := range texts {
		list = append(list, t)
	}
	return list
}
