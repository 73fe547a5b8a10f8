package etcdcmd

import (
	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/session"
)

func replace(*session.Session) *cobra.Command {
	return &cobra.Command{Use: "replace NAME", Short: "x", Example: "x", RunE: func(*cobra.Command, []string) error { return nil }}
}
