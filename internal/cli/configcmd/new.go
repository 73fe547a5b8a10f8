// Package configcmd is `clusteradm config`: what can be asked and done about a
// configuration without making a cluster of it.
package configcmd

import (
	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/session"
)

// New returns the command.
func New(s *session.Session) *cobra.Command {
	images := session.Group(&cobra.Command{
		Use:     "images",
		Short:   "Pull the images that a configuration needs",
		Example: "  clusteradm config images pull --config cluster.yaml",
	})
	images.AddCommand(pull(s))
	cmd := session.Group(&cobra.Command{
		Use:     "config",
		Short:   "What a configuration needs",
		Example: "  clusteradm config images pull --config cluster.yaml",
	})
	cmd.AddCommand(images)
	return cmd
}
