// Package preflightcmd is `clusteradm preflight`: the checks of init or join by
// themselves, and --fix.
package preflightcmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/initcmd"
	"github.com/clusteradm/clusteradm/internal/cli/joincmd"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/ui"
	"github.com/clusteradm/clusteradm/preflight"
)

const long = `Check this machine and change nothing. All findings come at once, each with a
command that shows or mends it. The exit code is 4 when an error is left that
is not ignored, and 0 with warnings alone.

With --fix, what is safe to fix is fixed first: kernel modules, sysctls and
swap, now and over a boot. What was there before is recorded, and clusteradm
reset takes back exactly that. With --dry-run it is only said.

What the checks are: clusteradm help preflight-checks`

// New returns the command. By itself it makes the checks of init.
func New(s *session.Session) *cobra.Command {
	cmd := &cobra.Command{
		Use: "preflight", Short: "Check this machine for init or join", Long: long,
		Example: `  clusteradm preflight
  clusteradm preflight init --config cluster.yaml --fix
  clusteradm preflight join --config join.yaml -o json`,
	}
	initcmd.Checks(s, cmd)
	first := &cobra.Command{Use: "init", Short: "Check this machine for init", Long: long,
		Example: "  clusteradm preflight init --config cluster.yaml --fix --dry-run"}
	initcmd.Checks(s, first)
	join := &cobra.Command{Use: "join", Short: "Check this machine for join", Long: long,
		Example: "  clusteradm preflight join --config join.yaml -o json"}
	joincmd.Checks(s, join)
	cmd.AddCommand(first, join)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return session.UnknownCommand(cmd, args[0])
		}
		return nil
	}
	return cmd
}

// Topic is the help topic that lists every check.
func Topic() *cobra.Command {
	return &cobra.Command{Use: "preflight-checks", Short: "The preflight checks and what they find", Long: text()}
}

func text() string {
	var b strings.Builder
	b.WriteString("What --ignore-preflight-errors and ignorePreflightErrors may name, in upper or\nlower case. An ignored error becomes a warning. A * stands for a path, a port\nor a program. Checks with a + are not in kubeadm.\n\n")
	for _, d := range preflight.Catalogue() {
		name := d.Name
		if d.Ours {
			name += " +"
		}
		fmt.Fprintf(&b, "  %s  (%s; %s)\n", name, d.Level, d.Lists)
		for _, line := range ui.Wrap(d.Finds, 72) {
			fmt.Fprintf(&b, "      %s\n", line)
		}
	}
	return strings.TrimRight(b.String(), "\n")
}
