// Package endpointcmd is `clusteradm endpoint`: how the API servers of a
// cluster are reached.
package endpointcmd

import (
	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/session"
)

// New returns the command.
func New(s *session.Session) *cobra.Command {
	cmd := session.Group(&cobra.Command{
		Use:   "endpoint",
		Short: "How the API servers are reached",
		Long: `How the API servers of the cluster are reached: an address that others keep, a
load balancer on every node, or a virtual IP. What each does when a machine
dies is in docs/endpoint.md.`,
		Example: "  clusteradm endpoint follow",
	})
	cmd.AddCommand(follow(s))
	return cmd
}
