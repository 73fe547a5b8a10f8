package discovery

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

const pinPrefix = "sha256:"

// Pin is kubeadm's public key pin of a certificate: "sha256:" and the SHA-256
// of its SubjectPublicKeyInfo in hex.
func Pin(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return pinPrefix + hex.EncodeToString(sum[:])
}

// Pins are those of all the certificates of a CA (PEM).
func Pins(ca []byte) ([]string, error) {
	certs, err := parseCertificates(ca)
	if err != nil {
		return nil, err
	}
	var pins []string
	for _, cert := range certs {
		pins = append(pins, Pin(cert))
	}
	return pins, nil
}

// VerifyPin returns the certificates of ca (PEM) that one of pins names; none
// is ErrPin. Only what it returns is proven: a bundle may hold others.
func VerifyPin(ca []byte, pins []string) ([]*x509.Certificate, error) {
	wanted, err := parsePins(pins)
	if err != nil {
		return nil, err
	}
	certs, err := parseCertificates(ca)
	if err != nil {
		return nil, err
	}
	var pinned []*x509.Certificate
	var found []string
	for _, cert := range certs {
		pin := Pin(cert)
		if wanted[pin] {
			pinned = append(pinned, cert)
		}
		found = append(found, pin)
	}
	if len(pinned) == 0 {
		return nil, fmt.Errorf("%w: it has %s", ErrPin, strings.Join(found, ", "))
	}
	return pinned, nil
}

func parsePins(pins []string) (map[string]bool, error) {
	wanted := map[string]bool{}
	for _, pin := range pins {
		canonical := strings.ToLower(pin)
		digest, ok := strings.CutPrefix(canonical, pinPrefix)
		if raw, err := hex.DecodeString(digest); !ok || err != nil || len(raw) != sha256.Size {
			return nil, fmt.Errorf("%w: CA certificate hash %q: want sha256: and 64 hex digits", ErrInvalid, pin)
		}
		wanted[canonical] = true
	}
	return wanted, nil
}

func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		block, text = pem.Decode(text)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read CA certificate: %w", err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("read CA certificate: none there")
	}
	return certs, nil
}
