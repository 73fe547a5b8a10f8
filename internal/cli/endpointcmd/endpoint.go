// Package endpointcmd is `clusteradm endpoint`: where a cluster is reached, and
// having it reached elsewhere.
package endpointcmd

import (
	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/session"
)

// New returns the command.
func New(s *session.Session) *cobra.Command {
	cmd := session.Group(&cobra.Command{
		Use:   "endpoint",
		Short: "Look after the address at which a cluster is reached",
		Long: `Look after the address at which a cluster is reached: one that others keep, a
load balancer on every node, or a virtual IP. What each does when a machine
dies is in docs/endpoint.md.`,
		Example: "  clusteradm endpoint show\n  clusteradm endpoint set k8s.example.com",
	})
	cmd.AddCommand(show(s), set(s), follow(s))
	return cmd
}
