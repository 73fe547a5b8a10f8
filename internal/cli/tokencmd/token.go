// Package tokencmd is `clusteradm token`: the bootstrap tokens that nodes join
// with. A token is in the result of a command that is asked for it and nowhere
// else.
package tokencmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
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

// fromStdin replaces an argument "-" by the lines of stdin, so that a token
// need not be in the list of processes.
func fromStdin(s *session.Session, args []string) ([]string, error) {
	if len(args) != 1 || args[0] != "-" {
		return args, nil
	}
	var lines []string
	scanner := bufio.NewScanner(io.LimitReader(s.Streams.In, 1<<16))
	for scanner.Scan() {
		if line := strings.TrimSpace(scanner.Text()); line != "" {
			lines = append(lines, line)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("read token from stdin: %w", err)
	}
	if len(lines) == 0 {
		return nil, &exit.UsageError{Err: errors.New("read token from stdin: there is none")}
	}
	return lines, nil
}
