// Package doctorcmd is `clusteradm doctor`: what is in the way, and by what that
// is proved. It looks and changes nothing.
package doctorcmd

import (
	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/joincmd"
	"github.com/clusteradm/clusteradm/internal/cli/session"
)

// New returns the command.
func New(s *session.Session) *cobra.Command {
	cmd := session.Group(&cobra.Command{
		Use:   "doctor",
		Short: "Say what is in the way, with proof",
		Long: `Say what is in the way of an operation and by what that is proved. It looks,
takes no lock and changes nothing.`,
		Example: `  clusteradm doctor join 10.0.0.1:6443 --token - \
    --discovery-token-ca-cert-hash sha256:…`,
	})
	join := &cobra.Command{
		Use:   "join",
		Short: "Say what is in the way of a join of this machine",
		Long: `Say what is in the way of a join of this machine: runtime, kubelet, endpoint,
load balancer, cluster-info, pin, clock, signature, token, configuration, name,
certificate, and for a control plane etcd's members and learner.

It takes join's command line, looks at everything at once for some seconds, and
prints a row for each: ok, bad with what proves it and what mends it, or unknown
with why it cannot be told. On a machine whose join has stopped half-way it goes
by what that has left, without any flags. With an administrator's kubeconfig it
sees more: when a token expired, and whether the controller manager runs.

The exit code is 0 when nothing is bad, and 4 when a join would not work.`,
		Example: `  clusteradm doctor join 10.0.0.1:6443 --token abcdef.0123456789abcdef \
    --discovery-token-ca-cert-hash sha256:…
  clusteradm doctor join   # after a join that stopped half-way
  clusteradm doctor join --config join.yaml -o json`,
	}
	joincmd.Doctor(s, join)
	cmd.AddCommand(join)
	return cmd
}
