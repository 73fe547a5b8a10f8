package tokencmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/token"
)

func list(s *session.Session, c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the cluster's tokens",
		Long: `List the cluster's tokens, whole: whoever sees the list can join with them.

With -o json there is one object a line, as kubeadm token list -o json has them.`,
		Example: "  clusteradm token list\n  clusteradm token list -o json",
		Args:    session.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := s.Client(c.kubeconfig)
			if err != nil {
				return err
			}
			defer client.Close()
			tokens, err := token.List(cmd.Context(), client)
			if err != nil {
				return err
			}
			if s.Format == "json" {
				return listJSON(s, tokens)
			}
			return listText(s, tokens)
		},
	}
}

// listed is kubeadm's structured output.
type listed struct {
	Kind        string     `json:"kind"`
	APIVersion  string     `json:"apiVersion"`
	Token       string     `json:"token"`
	Description string     `json:"description,omitempty"`
	Expires     *time.Time `json:"expires,omitempty"`
	Usages      []string   `json:"usages,omitempty"`
	Groups      []string   `json:"groups,omitempty"`
}

func listJSON(s *session.Session, tokens []token.Token) error {
	out := json.NewEncoder(s.Streams.Out)
	for _, t := range tokens {
		l := listed{Kind: "BootstrapToken", APIVersion: "output.kubeadm.k8s.io/v1alpha3", Token: t.Whole().Reveal(),
			Description: t.Description, Usages: t.Usages, Groups: t.Groups}
		if !t.Expires.IsZero() {
			l.Expires = &t.Expires
		}
		if err := out.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

func listText(s *session.Session, tokens []token.Token) error {
	if len(tokens) == 0 {
		_, err := fmt.Fprintln(s.Streams.Err, "the cluster has no tokens")
		return err
	}
	table := tabwriter.NewWriter(s.Streams.Out, 10, 4, 3, ' ', 0)
	fmt.Fprintln(table, "TOKEN\tTTL\tEXPIRES\tUSAGES\tDESCRIPTION\tEXTRA GROUPS")
	for _, t := range tokens {
		ttl, expires := "<forever>", "<never>"
		if !t.Expires.IsZero() {
			ttl, expires = duration.ShortHumanDuration(t.Expires.Sub(s.Now())), t.Expires.Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", t.Whole().Reveal(), ttl, expires,
			orNone(strings.Join(t.Usages, ",")), orNone(t.Description), orNone(strings.Join(t.Groups, ",")))
	}
	return table.Flush()
}

func orNone(s string) string {
	if s == "" {
		return "<none>"
	}
	return s
}

func remove(s *session.Session, c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "delete token-id|token ...",
		Short: "Revoke tokens",
		Long: `Revoke tokens, by their ids or whole. Nodes that joined with a token stay.

Give the id: a whole token is seen in the list of processes. With - ids or
tokens are read from stdin, one a line.`,
		Example: "  clusteradm token delete abcdef",
		Args:    session.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return revoke(cmd.Context(), s, c, args)
		},
	}
}

func revoke(ctx context.Context, s *session.Session, c *common, args []string) error {
	args, err := s.Given(args)
	if err != nil {
		return err
	}
	var ids []string
	for _, arg := range args {
		id, err := token.ParseID(arg)
		if err != nil {
			return &exit.UsageError{Err: err, Help: "clusteradm token list"}
		}
		ids = append(ids, id)
	}
	client, err := s.Client(c.kubeconfig)
	if err != nil {
		return err
	}
	defer client.Close()
	var changes []change
	gone := []string{}
	var errs []error
	for _, id := range ids {
		if c.dryRun {
			exists, err := token.Exists(ctx, client, id)
			if err == nil && !exists {
				err = &token.MissingError{ID: id}
			}
			errs = append(errs, err)
		} else {
			errs = append(errs, token.Delete(ctx, client, client, id))
		}
		if errs[len(errs)-1] == nil {
			gone = append(gone, id)
			changes = append(changes, change{"token-" + id, plan.Change{Verb: plan.Delete, Summary: "bootstrap token " + id}})
		}
	}
	failed := errors.Join(errs...)
	if c.dryRun {
		return errors.Join(failed, show(s, "token delete", changes))
	}
	return errors.Join(failed, deleted(s, gone))
}

func deleted(s *session.Session, ids []string) error {
	for _, id := range ids {
		if s.Format == "text" {
			fmt.Fprintf(s.Streams.Out, "bootstrap token %q deleted\n", id)
		}
	}
	if s.Format == "json" && len(ids) > 0 {
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind    string   `json:"kind"`
			Deleted []string `json:"deleted"`
		}{"result", ids})
	}
	return nil
}
