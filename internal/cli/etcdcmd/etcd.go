// Package etcdcmd is `clusteradm etcd …`: what etcd's members are, and what
// keeps them. Every change is simulated first: what the votes do not allow is
// refused before anything is touched. It asks etcd itself, with the files that
// are on a control plane or on a machine of etcd's; the API server is asked for
// names of Nodes only, and may be down.
package etcdcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/manifests"
)

// New returns the command.
func New(s *session.Session) *cobra.Command {
	cmd := session.Group(&cobra.Command{
		Use:   "etcd",
		Short: "Look at the members of etcd and keep them",
		Long: `Look at the members of etcd and keep them. Run it as root on a control plane,
or on a machine of etcd's own.

Of n voting members n/2+1 must answer for anything to be written. Every command
that touches a member first says what would be left, refuses what would lose
that quorum, and has another member lead before the leader is touched.`,
		Example: `  clusteradm etcd status
  clusteradm etcd member remove cp3`,
	})
	member := session.Group(&cobra.Command{
		Use: "member", Short: "Remove or rebuild a member",
		Example: "  clusteradm etcd member remove cp3\n  clusteradm etcd member replace cp1",
	})
	member.AddCommand(remove(s), replace(s))
	cmd.AddCommand(status(s), members(s), member, moveLeader(s), defrag(s), alarms(s))
	return cmd
}

// opened is etcd as a command found it.
type opened struct {
	*facts.Etcd
	client session.Etcd
	seen   []etcd.Seen
	stayed []etcd.Alarm // of members that are gone
}

// NoEtcdError reports a machine that knows of no etcd.
type NoEtcdError struct{}

func (*NoEtcdError) Error() string {
	return "find etcd: this machine has neither a member of it nor an API server"
}

// Hint is where there is one.
func (*NoEtcdError) Hint() string {
	return "run it as root on a control plane, or on a machine of etcd's own"
}

// SilentError reports that no member answers.
type SilentError struct{ Err error }

func (e *SilentError) Error() string { return e.Err.Error() }
func (e *SilentError) Unwrap() error { return e.Err }

// Hint shows what the member here says.
func (e *SilentError) Hint() string { return "tail -n 20 /var/log/pods/kube-system_etcd-*/etcd/*.log" }

// open connects to etcd and asks everything. The caller closes it.
func open(ctx context.Context, s *session.Session) (*opened, error) {
	found, err := facts.GatherEtcd(ctx, s.Machine)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, &NoEtcdError{}
	}
	client, err := s.EtcdOf(ctx, &found.Access)
	if err != nil {
		return nil, fmt.Errorf("connect to etcd: %w", err)
	}
	o := &opened{Etcd: found, client: client}
	if o.seen, o.stayed, err = etcd.Look(ctx, client); err != nil {
		client.Close()
		if errors.Is(err, etcd.ErrUnavailable) {
			err = &SilentError{err}
		}
		return nil, err
	}
	return o, nil
}

// locked opens for a command that changes something. The caller calls done.
func locked(ctx context.Context, s *session.Session, list string, dryRun bool) (o *opened, done func(), err error) {
	release, err := s.Lock(list, dryRun)
	if err != nil {
		return nil, nil, err
	}
	if o, err = open(ctx, s); err != nil {
		release()
		return nil, nil, err
	}
	return o, func() { o.client.Close(); release() }, nil
}

func (o *opened) parts() world.Parts { return world.Parts{Etcd: o.client} }

func (o *opened) input(s *session.Session, e plan.Etcd) plan.Input {
	e.Seen = o.seen
	return plan.Input{Node: cluster.Node{Name: s.Hostname, Host: s.Hostname}, Etcd: e}
}

// quota is that of members that do not tell theirs: as the one here has it.
func (o *opened) quota() int64 {
	flags, err := manifests.Flags(o.Manifest)
	if n, parseErr := strconv.ParseInt(flags["quota-backend-bytes"], 10, 64); err == nil && parseErr == nil && n > 0 {
		return n
	}
	return etcd.DefaultQuota
}

// member finds the one that was meant: by its name, its ID or a peer URL.
func (o *opened) member(arg string) (etcd.Seen, error) {
	for _, s := range o.seen {
		if s.Name == arg || fmt.Sprintf("%x", s.ID) == strings.ToLower(arg) || slices.Contains(s.PeerURLs, arg) {
			return s, nil
		}
	}
	names := make([]string, 0, len(o.seen))
	for _, s := range o.seen {
		names = append(names, s.Shown())
	}
	return etcd.Seen{}, &exit.UsageError{Err: fmt.Errorf("etcd has no member %q; it has: %s", arg, strings.Join(names, ", ")), Help: "clusteradm etcd members"}
}

// here reports whether a member is that of this machine.
func (o *opened) here(m etcd.Member) bool {
	return o.Local() && o.Access.Is(m)
}

// RefusedError reports a change that the votes do not allow.
type RefusedError struct {
	What    string // "remove etcd member cp3"
	Verdict etcd.Verdict
	Help    string
}

func (e *RefusedError) Error() string { return e.What + ": refused: " + e.Verdict.Says }

// Hint is a command that helps.
func (e *RefusedError) Hint() string { return e.Help }

func (o *opened) simulate(what string, change etcd.Change, m etcd.Seen) (etcd.Verdict, error) {
	v := etcd.Simulate(o.seen, change, m.ID)
	if !v.Allowed {
		return v, &RefusedError{What: what, Verdict: v, Help: "clusteradm etcd status"}
	}
	return v, nil
}

// carryOut applies one phase, or shows it. What it changes is never taken back,
// so there is no journal: that of an earlier run stays the latest.
func (o *opened) carryOut(ctx context.Context, s *session.Session, list string, phase plan.Phase, in plan.Input, dryRun bool) (changed int, err error) {
	p, err := plan.Build(list, []plan.Phase{phase}, in, nil)
	if err != nil {
		return 0, err
	}
	if dryRun {
		return 0, s.DryRun(ctx, o.parts(), p)
	}
	e, done := s.Engine(o.parts())
	defer done()
	e.Begin = nil
	result, err := e.Apply(ctx, p)
	return result.Changed, err
}

// print writes a result as one object, or as text.
func print(s *session.Session, object any, text func()) error {
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(object)
	}
	text()
	return nil
}

// complete completes the names of members; whoever may not ask gets none.
func complete(s *session.Session) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		o, err := open(cmd.Context(), s)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer o.client.Close()
		var names []string
		for _, m := range o.seen {
			if m.Name != "" {
				names = append(names, m.Name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

func dryRunFlag(cmd *cobra.Command, dryRun *bool) {
	cmd.Flags().BoolVar(dryRun, "dry-run", false, "say what would be changed and change nothing")
}
