package etcdcmd

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/phases"
)

type defragOptions struct {
	all, dryRun bool
	spare       resource.QuantityValue
}

func defrag(s *session.Session) *cobra.Command {
	o := &defragOptions{spare: resource.QuantityValue{Quantity: resource.MustParse("16Mi")}}
	cmd := &cobra.Command{
		Use:   "defrag NAME|ID|--all",
		Short: "Give back what database files hold without use",
		Long: `Give back to the disk what a member's database file holds without use: etcd
reuses that space and never returns it by itself, and counts it towards the
quota.

A member answers nobody while it is defragmented, about a second for each 100 MB
in use. So it is one member at a time, only while the others have a quorum, and
the leader last, after another leads. With one voter or two, etcd as a whole
answers nobody meanwhile. Members with little to give back are passed over.`,
		Example: `  clusteradm etcd defrag --all
  clusteradm etcd defrag cp2 --min-free 0`,
		ValidArgsFunction: complete(s),
		Args:              session.Args(cobra.MaximumNArgs(1)),
		RunE:              func(cmd *cobra.Command, args []string) error { return runDefrag(cmd.Context(), s, o, args) },
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "all members, one after the other")
	cmd.Flags().Var(&o.spare, "min-free", "pass over members that have no more than this without use")
	dryRunFlag(cmd, &o.dryRun)
	return cmd
}

// sizes are of one database, before and after.
type sizes struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Before  int64  `json:"before"`
	InUse   int64  `json:"inUse"` // before
	After   int64  `json:"after"`
	Skipped string `json:"skipped,omitempty"` // why
}

func runDefrag(ctx context.Context, s *session.Session, opt *defragOptions, args []string) error {
	if opt.all == (len(args) == 1) {
		return &exit.UsageError{Err: errors.New("defrag: name one member, or give --all"), Help: "clusteradm etcd defrag --all"}
	}
	o, done, err := locked(ctx, s, "etcd defrag", opt.dryRun)
	if err != nil {
		return err
	}
	defer done()
	asked := o.seen
	if len(args) == 1 {
		m, err := o.member(args[0])
		if err != nil {
			return err
		}
		asked = []etcd.Seen{m}
	}
	list, in := make([]sizes, 0, len(asked)), plan.Etcd{Spare: opt.spare.Value()}
	for _, m := range asked {
		entry := sizes{ID: fmt.Sprintf("%x", m.ID), Name: m.Shown(), Before: m.Status.Size, InUse: m.Status.InUse, After: m.Status.Size}
		switch free := m.Status.Size - m.Status.InUse; {
		case opt.all && !m.Healthy():
			entry.Skipped = "it does not answer"
		case m.Healthy() && free <= in.Spare:
			entry.Skipped = effect.Bytes(free) + " without use, which is little"
		default:
			if _, err := o.simulate("defragment etcd member "+m.Shown(), etcd.Defragment, m); err != nil {
				return err
			}
			in.Defragment = append(in.Defragment, m.Member)
		}
		list = append(list, entry)
	}
	changed, err := o.carryOut(ctx, s, "etcd defrag", phases.Defragment(), o.input(s, in), opt.dryRun)
	if err != nil || opt.dryRun {
		return err
	}
	seen, _, err := etcd.Look(ctx, o.client)
	if err != nil {
		return err
	}
	for i := range list {
		for _, m := range seen {
			if fmt.Sprintf("%x", m.ID) == list[i].ID && list[i].Skipped == "" {
				list[i].After = m.Status.Size
			}
		}
	}
	return print(s, struct {
		Kind    string  `json:"kind"`
		Changed int     `json:"changed"`
		Members []sizes `json:"members"`
	}{"result", changed, list}, func() {
		table := tabwriter.NewWriter(s.Streams.Out, 4, 4, 2, ' ', 0)
		fmt.Fprintln(table, "NAME\tBEFORE\tIN USE\tAFTER\t")
		for _, m := range list {
			after := effect.Bytes(m.After)
			if m.Skipped != "" {
				after = "passed over: " + m.Skipped
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t\n", m.Name, effect.Bytes(m.Before), effect.Bytes(m.InUse), after)
		}
		_ = table.Flush()
	})
}
