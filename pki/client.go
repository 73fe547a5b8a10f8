package pki

import (
	"fmt"
	"time"

	"github.com/clusteradm/clusteradm/internal/secret"
)

// UsableClient says whether data, certificate and key in one PEM file as the
// kubelet keeps them, is a client certificate of k's user that is valid under
// the CA at now.
func UsableClient(k KubeconfigSpec, data secret.Bytes, caPEM []byte, now time.Time) error {
	certs, err := decodeCerts(data.Reveal())
	if err != nil {
		return fmt.Errorf("use client certificate of %s: %w", k.Client.CommonName, err)
	}
	if name := certs[0].Subject.CommonName; name != k.Client.CommonName {
		return fmt.Errorf("use client certificate of %s: it is of %s", k.Client.CommonName, name)
	}
	return Valid(k.Client, data.Reveal(), data, caPEM, now)
}
