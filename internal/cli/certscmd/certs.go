// Package certscmd is `clusteradm certs`: what the certificates of a control
// plane are like, new ones, and requests for those that others sign.
package certscmd

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/pki"
)

// New returns the command.
func New(s *session.Session) *cobra.Command {
	cmd := session.Group(&cobra.Command{
		Use:     "certs",
		Aliases: []string{"certificates"},
		Short:   "Look after the certificates of a control plane",
		Example: "  clusteradm certs check-expiration\n  clusteradm certs renew all",
	})
	cmd.AddCommand(checkExpiration(s), renew(s), generateCSR(s), certificateKey(s))
	return cmd
}

func certificateKey(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "certificate-key",
		Short: "Make a key to encrypt uploaded certificates with",
		Long: `Make a key to encrypt uploaded certificates with: 32 random bytes in
hexadecimal. It is a secret; it is printed and kept nowhere.`,
		Example: "  clusteradm certs certificate-key",
		Args:    session.Args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			key, err := pki.CertificateKey(s.Rand)
			if err != nil {
				return err
			}
			if s.Format == "json" {
				return json.NewEncoder(s.Streams.Out).Encode(struct {
					Kind string `json:"kind"`
					Key  string `json:"certificateKey"`
				}{"certificateKey", key.Reveal()})
			}
			_, err = fmt.Fprintln(s.Streams.Out, key.Reveal())
			return err
		},
	}
}

// look reads the certificates, keys and manifests of this machine.
func look(ctx context.Context, s *session.Session, k *controlplane.Known) (cluster.HostFacts, error) {
	paths := pki.InspectedFiles(k.Cluster)
	f, err := facts.Gather(ctx, s.Machine, k.Cluster, paths, false)
	if err != nil {
		return f, err
	}
	return f, facts.Attributes(ctx, s.Machine, &f, paths)
}
