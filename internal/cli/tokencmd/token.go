// Package tokencmd is `clusteradm token`: the bootstrap tokens that nodes join
// with. A token is in the result of a command that is asked for it and nowhere
// else.
package tokencmd

import (
	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/session"
)

// common are the flags of every token command.
type common struct {
	kubeconfig string
	dryRun     bool
}

// New returns the command.
func New(s *session.Session) *cobra.Command {
	c := &common{}
	cmd := session.Group(&cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke the tokens that nodes join with",
		Long: `Make, list and revoke bootstrap tokens.

A bootstrap token, six letters and digits, a dot and sixteen more, lets a
machine that is to join trust the cluster and be trusted by it. The first part
is its id; the second is a secret. In the cluster it is the Secret
bootstrap-token-ID in kube-system, and it is removed when it expires.

The cluster is the one of --kubeconfig, else of $KUBECONFIG or ~/.kube/config,
else of /etc/kubernetes/admin.conf.`,
		Example: `  clusteradm token create --print-join-command
  clusteradm token list`,
	})
	cmd.PersistentFlags().StringVar(&c.kubeconfig, "kubeconfig", "", "kubeconfig to reach the cluster with")
	cmd.PersistentFlags().BoolVar(&c.dryRun, "dry-run", false, "say what would be changed and change nothing")
	cmd.AddCommand(create(s, c), list(s, c), remove(s, c), generate(s))
	return cmd
}
