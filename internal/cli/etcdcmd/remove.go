package etcdcmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/phases"
)

// changedResult is what a command that touches one member says at its end.
type changedResult struct {
	Kind    string       `json:"kind"` // "result"
	Changed int          `json:"changed"`
	ID      string       `json:"id"`
	Name    string       `json:"name,omitempty"`
	Verdict etcd.Verdict `json:"verdict"` // as it was simulated
	Quorum  etcd.Tally   `json:"quorum"`  // as it is
	Node    string       `json:"node,omitempty"`
	Aside   string       `json:"aside,omitempty"` // where its data are kept
}

func remove(s *session.Session) *cobra.Command {
	dryRun := false
	cmd := &cobra.Command{
		Use:   "remove NAME|ID",
		Short: "Remove a member whose machine is lost",
		Long: `Remove a member from etcd's cluster, for good: one whose machine is lost, or
that was added and never started. It is refused when the others would have no
quorum. If the member leads, another is made to lead before.

A machine that is there leaves by clusteradm reset on it; a member that is
broken is rebuilt by clusteradm etcd member replace.`,
		Example: `  clusteradm etcd member remove cp3
  clusteradm etcd member remove 8e9e05c52164694d --dry-run`,
		ValidArgsFunction: complete(s),
		Args:              session.Args(cobra.ExactArgs(1)),
		RunE:              func(cmd *cobra.Command, args []string) error { return runRemove(cmd.Context(), s, args[0], dryRun) },
	}
	dryRunFlag(cmd, &dryRun)
	return cmd
}

func runRemove(ctx context.Context, s *session.Session, arg string, dryRun bool) error {
	o, done, err := locked(ctx, s, "etcd member remove", dryRun)
	if err != nil {
		return err
	}
	defer done()
	m, err := o.member(arg)
	if err != nil {
		return err
	}
	what := "remove etcd member " + m.Shown()
	verdict, err := o.simulate(what, etcd.Remove, m)
	if err != nil {
		return err
	}
	if o.here(m.Member) {
		verdict.Allowed, verdict.Says = false, "it is the member of this machine, whose API server would have no etcd"
		return &RefusedError{What: what, Verdict: verdict, Help: "clusteradm reset   # or, to rebuild it: clusteradm etcd member replace " + m.Name}
	}
	if m.Healthy() && !m.Learner {
		s.Caution(event.Event{Message: m.Shown() + " serves: what uses it on its machine, such as an API server, has no etcd any more", Hint: "clusteradm reset   # on that machine"})
	}
	node := askNodes(ctx, s).of(m.Member)
	in := o.input(s, plan.Etcd{Member: m.Member, Alarms: alarmsOf(m)})
	changed, err := o.carryOut(ctx, s, "etcd member remove", phases.MemberRemove(), in, dryRun)
	if err != nil || dryRun {
		return err
	}
	seen, _, err := etcd.Look(ctx, o.client)
	if err != nil {
		return err
	}
	r := changedResult{Kind: "result", Changed: changed, ID: fmt.Sprintf("%x", m.ID), Name: m.Name, Verdict: verdict, Quorum: etcd.Count(seen), Node: node}
	return print(s, r, func() {
		fmt.Fprintf(s.Streams.Out, "etcd member %s (%s) is removed; %s\n", m.Shown(), r.ID, r.Quorum)
		if node != "" {
			fmt.Fprintf(s.Streams.Out, "If its machine is lost, the cluster still has its Node:\n\n  kubectl delete node %s\n", node)
		}
	})
}

func alarmsOf(m etcd.Seen) []etcd.Alarm {
	var list []etcd.Alarm
	for _, kind := range m.Alarms {
		list = append(list, etcd.Alarm{Member: m.ID, Kind: kind})
	}
	return list
}
