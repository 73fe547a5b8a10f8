package etcdcmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/phases"
)

func moveLeader(s *session.Session) *cobra.Command {
	dryRun := false
	cmd := &cobra.Command{
		Use:   "move-leader [NAME|ID]",
		Short: "Have another member lead",
		Long: `Have another member lead: the one that is named, or the voter that lacks the
least of the log. Writes wait for the hand-over alone, and not for an election,
as they do when the leader is stopped.`,
		Example:           "  clusteradm etcd move-leader\n  clusteradm etcd move-leader cp2",
		ValidArgsFunction: complete(s),
		Args:              session.Args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runMoveLeader(cmd.Context(), s, args, dryRun)
		},
	}
	dryRunFlag(cmd, &dryRun)
	return cmd
}

func runMoveLeader(ctx context.Context, s *session.Session, args []string, dryRun bool) error {
	o, done, err := locked(ctx, s, "etcd move-leader", dryRun)
	if err != nil {
		return err
	}
	defer done()
	refused := func(says string) error {
		t := etcd.Count(o.seen)
		return &RefusedError{What: "move the leader of etcd", Verdict: etcd.Verdict{Now: t, Then: t, Says: says}, Help: "clusteradm etcd status"}
	}
	leader, known := etcd.Leader(o.seen)
	if !known {
		return refused(etcd.Count(o.seen).String() + ", so nobody leads")
	}
	to, other := etcd.Successor(o.seen, leader)
	if len(args) > 0 {
		if to, err = o.member(args[0]); err != nil {
			return err
		}
		switch {
		case to.Learner:
			return refused(to.Shown() + " is a learner and has no vote")
		case !to.Healthy():
			return refused(to.Shown() + " does not serve: " + to.Err.Error())
		}
	} else if !other {
		return refused("no other voter serves")
	}
	changed, err := o.carryOut(ctx, s, "etcd move-leader", phases.MoveLeader(), o.input(s, plan.Etcd{Member: to.Member}), dryRun)
	if err != nil || dryRun {
		return err
	}
	return print(s, struct {
		Kind    string `json:"kind"`
		Changed int    `json:"changed"`
		Leader  told   `json:"leader"`
	}{"result", changed, tell(to, to.ID, nil)}, func() {
		if changed == 0 {
			fmt.Fprintf(s.Streams.Out, "%s leads etcd already\n", to.Shown())
			return
		}
		fmt.Fprintf(s.Streams.Out, "%s leads etcd\n", to.Shown())
	})
}
