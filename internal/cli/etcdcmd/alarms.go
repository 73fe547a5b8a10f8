package etcdcmd

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/phases"
)

func alarms(s *session.Session) *cobra.Command {
	show := func(cmd *cobra.Command, _ []string) error { return runAlarms(cmd.Context(), s) }
	cmd := session.Group(&cobra.Command{
		Use: "alarms", Short: "Show alarms, or take them back",
		Long: `Show the alarms that are raised, what each means, and what to do about it.

NOSPACE  the database has reached its quota; reads and deletions go on. Delete
         what fills it, wait five minutes until the API server has compacted
         what was deleted, then: clusteradm etcd defrag --all, and
         clusteradm etcd alarms disarm.
CORRUPT  a member's data differ from the others'; nothing is read or written.
         On its machine: clusteradm etcd member replace NAME, which takes the
         alarm back too.`,
		Example: "  clusteradm etcd alarms\n  clusteradm etcd alarms disarm",
	})
	cmd.RunE = show
	dryRun := false
	disarm := &cobra.Command{
		Use: "disarm", Short: "Take alarms back whose cause is gone",
		Long: `Take alarms back whose cause is gone. One of NOSPACE is refused while a
database still is at its quota, and one of CORRUPT while its member is there:
etcd would serve data that differ.`,
		Example: "  clusteradm etcd defrag --all && clusteradm etcd alarms disarm",
		Args:    session.Args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runDisarm(cmd.Context(), s, dryRun) },
	}
	dryRunFlag(disarm, &dryRun)
	cmd.AddCommand(&cobra.Command{
		Use: "list", Short: "Show alarms", Example: "  clusteradm etcd alarms list -o json",
		Args: session.Args(cobra.NoArgs), RunE: show,
	}, disarm)
	return cmd
}

// raised is an alarm as it is printed.
type raised struct {
	Alarm  etcd.AlarmKind `json:"alarm"`
	ID     string         `json:"id"`
	Name   string         `json:"name,omitempty"` // empty: no member any more
	Means  string         `json:"means"`
	Remedy string         `json:"remedy"` // a command
}

func (o *opened) raised() []raised {
	list := []raised{}
	add := func(a etcd.Alarm, name string) {
		id := fmt.Sprintf("%x", a.Member)
		r := raised{Alarm: a.Kind, ID: id, Name: name, Means: a.Kind.Means(), Remedy: a.Remedy(name)}
		if name == "" {
			r.Remedy = "clusteradm etcd alarms disarm"
		}
		list = append(list, r)
	}
	for _, m := range o.seen {
		for _, a := range alarmsOf(m) {
			add(a, m.Shown())
		}
	}
	for _, a := range o.stayed {
		add(a, "")
	}
	return list
}

func runAlarms(ctx context.Context, s *session.Session) error {
	o, err := open(ctx, s)
	if err != nil {
		return err
	}
	defer o.client.Close()
	list := o.raised()
	return print(s, struct {
		Kind   string   `json:"kind"`
		Alarms []raised `json:"alarms"`
	}{"etcd-alarms", list}, func() {
		if len(list) == 0 {
			fmt.Fprintln(s.Streams.Out, "no alarm is raised")
		}
		for _, a := range list {
			of := a.Name
			if of == "" {
				of = a.ID + ", which is no member any more"
			}
			fmt.Fprintln(s.Streams.Out, s.Streams.Fit(fmt.Sprintf("%s of %s: %s", a.Alarm, of, a.Means)))
			fmt.Fprintln(s.Streams.Out, "  hint:", a.Remedy)
		}
	})
}

func runDisarm(ctx context.Context, s *session.Session, dryRun bool) error {
	o, done, err := locked(ctx, s, "etcd alarms disarm", dryRun)
	if err != nil {
		return err
	}
	defer done()
	list := slices.Clone(o.stayed)
	for _, m := range o.seen {
		for _, a := range alarmsOf(m) {
			if says := o.cause(a); says != "" {
				return &RefusedError{What: fmt.Sprintf("disarm %s of etcd member %s", a.Kind, m.Shown()),
					Verdict: etcd.Verdict{Now: etcd.Count(o.seen), Says: says}, Help: a.Remedy(m.Shown())}
			}
			list = append(list, a)
		}
	}
	changed, err := o.carryOut(ctx, s, "etcd alarms disarm", phases.Disarm(), o.input(s, plan.Etcd{Alarms: list}), dryRun)
	if err != nil || dryRun {
		return err
	}
	return print(s, struct {
		Kind    string `json:"kind"`
		Changed int    `json:"changed"`
	}{"result", changed}, func() {
		if changed == 0 {
			fmt.Fprintln(s.Streams.Out, "no alarm is raised")
			return
		}
		fmt.Fprintln(s.Streams.Out, "no alarm is raised any more")
	})
}

// cause is why an alarm of a member that is there cannot be taken back yet.
// Whichever member found no space: all of them stop.
func (o *opened) cause(a etcd.Alarm) string {
	if a.Kind == etcd.Corrupt {
		return "its data differ from the others', and etcd would serve them again"
	}
	for _, m := range o.seen {
		if quota := m.Quota(o.quota()); m.Healthy() && a.Kind == etcd.NoSpace && m.Status.Size >= quota/100*95 {
			return fmt.Sprintf("the database of %s has %s of the %s that it may have, and the next write would raise it again", m.Shown(), effect.Bytes(m.Status.Size), effect.Bytes(quota))
		}
	}
	return ""
}
