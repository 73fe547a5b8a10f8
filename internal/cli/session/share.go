package session

import (
	"fmt"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/internal/token"
	"github.com/clusteradm/clusteradm/pki"
)

// sharedFor is how long the cluster keeps shared certificates; kubeadm's two
// hours.
const sharedFor = 2 * time.Hour

// Share encrypts what all control planes have in common, under a key that is
// made up if there is none.
func (s *Session) Share(b *pki.Bundle, key secret.String) (plan.Shared, error) {
	if key.Empty() {
		made, err := pki.CertificateKey(s.Rand)
		if err != nil {
			return plan.Shared{}, err
		}
		key = made
	}
	sealed, err := pki.Seal(b, key, s.Rand)
	if err != nil {
		return plan.Shared{}, err
	}
	whole, err := config.NewToken(s.Rand)
	if err != nil {
		return plan.Shared{}, fmt.Errorf("share certificates: %w", err)
	}
	id, half, err := token.Parse(whole)
	if err != nil {
		return plan.Shared{}, fmt.Errorf("share certificates: %w", err)
	}
	return plan.Shared{Key: key, Sealed: sealed, Owner: cluster.Token{ID: id, Secret: half, TTL: sharedFor,
		Description: "ends the shared certificates in the Secret kubeadm-certs; nobody can join with it"}}, nil
}
