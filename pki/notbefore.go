package pki

import (
	"crypto/x509"
	"time"

	"github.com/clusteradm/clusteradm/internal/secret"
)

// NotBefore is from when on all certificates in a file are valid: one of
// certificates, or a kubeconfig with its own and its CA's. It is not ok for a
// file that holds none.
func NotBefore(data []byte) (time.Time, bool) {
	certs, err := decodeCerts(data)
	if err != nil || len(certs) == 0 {
		conf, err := DecodeKubeconfig(secret.NewBytes(data))
		if err != nil {
			return time.Time{}, false
		}
		certs = nil
		for _, part := range [][]byte{conf.CA, conf.Cert} {
			if more, err := decodeCerts(part); err == nil {
				certs = append(certs, more...)
			}
		}
	}
	return latest(certs), len(certs) > 0
}

func latest(certs []*x509.Certificate) (t time.Time) {
	for _, c := range certs {
		if c.NotBefore.After(t) {
			t = c.NotBefore
		}
	}
	return t
}
