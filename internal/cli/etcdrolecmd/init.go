package etcdrolecmd

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/phasecmd"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/phases"
)

// Init returns the command that makes the first etcd machine.
func Init(s *session.Session) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make this machine the first member of an etcd for control planes elsewhere",
		Long: `Make this machine the first member of an etcd for control planes elsewhere.

etcd gets an authority and certificates of its own and runs as a static pod.
The kubelet belongs to no cluster and serves nobody: it does nothing but run
that pod. Further machines become members with clusteradm etcd join, and

  clusteradm etcd client-certificate

prints what a control plane needs to use them. Run again after an interruption
it goes on; clusteradm reset takes it back.`,
		Example: `  clusteradm etcd init
  clusteradm etcd init --config etcd.yaml --dry-run`,
	}
	l := initList(s)
	bind(s, o, cmd, l, l.Phases, true)
	cmd.AddCommand(l.Command())
	return cmd
}

func initList(s *session.Session) phasecmd.List {
	l := phasecmd.List{Name: "etcd init", Phases: phases.EtcdInit()}
	l.Bind = func(cmd *cobra.Command, some []plan.Phase) { bind(s, &options{}, cmd, l, some, false) }
	return l
}

func bind(s *session.Session, o *options, cmd *cobra.Command, l phasecmd.List, some []plan.Phase, whole bool) {
	o.flags(cmd)
	cmd.Args = session.Args(cobra.NoArgs)
	if l.Args != "" {
		cmd.Args = session.Args(cobra.ExactArgs(1))
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if len(args) == 1 {
			if o.endpoint, err = address(args[0]); err != nil {
				return err
			}
		}
		return run(cmd.Context(), s, o, l, some, whole)
	}
}

func run(ctx context.Context, s *session.Session, o *options, l phasecmd.List, some []plan.Phase, whole bool) error {
	loaded, err := o.load(ctx, s)
	if err != nil {
		return err
	}
	release, err := s.Lock(l.Name, loaded.DryRun)
	if err != nil {
		return err
	}
	defer release()
	s.Warn(loaded.Warnings, loaded.Unused)
	skip, err := l.Skipped(loaded.Cluster.SkipPhases, some)
	if err != nil {
		return err
	}
	p, err := prepare(ctx, s, o, loaded, phasecmd.Names(some, skip))
	if err != nil {
		return err
	}
	if err := phases.CheckPatches(p.input, some, skip); err != nil {
		return &exit.UsageError{Err: err}
	}
	if p.has("preflight") {
		if err := s.Preflight(p.checks(s, l.Name)); err != nil {
			return err
		}
		if !loaded.DryRun { // which shows them with all else
			if err := s.PreflightImages(ctx, p.input, some); err != nil {
				return err
			}
			skip = append(skip, "preflight") // it is done
		}
	}
	if err := p.ensure(); err != nil {
		return err
	}
	members, err := p.connect(s)
	if err != nil {
		return err
	}
	defer members.Close()
	if o.endpoint != "" {
		if err := p.membership(ctx, members); err != nil {
			return err
		}
	}
	planned, err := plan.Build(l.RunName(some, whole), some, p.input, skip)
	if err != nil {
		return &exit.UsageError{Err: err}
	}
	parts := world.Parts{Runtime: s.NodeRuntime(p.input.Node), Etcd: members}
	if loaded.DryRun {
		return s.DryRun(ctx, parts, planned)
	}
	if whole && p.runs() {
		// What cannot be planned is to be mended.
		if changes, err := s.Plan(ctx, parts, planned); err == nil && reconfigures(changes) {
			return errors.Join(s.ShowPlan(planned.Name, changes), &exit.PendingError{
				Err:  errors.New(l.Name + ": etcd runs with other settings than these, and " + l.Name + " does not change them"),
				Help: "clusteradm etcd init phase etcd local --config FILE   # restarts this member; one machine after the other",
			})
		}
	}
	if len(planned.Groups) > 0 {
		if _, err := s.Apply(ctx, parts, planned); err != nil {
			return err
		}
	}
	if !whole {
		return nil
	}
	return p.report(s)
}

// reconfigures reports a manifest that would be another: the kubelet would end
// etcd for it, at once and on every machine where the command is run again, be
// it only that a newer clusteradm has a newer etcd.
func reconfigures(changes []engine.StepChange) bool {
	return slices.ContainsFunc(changes, func(c engine.StepChange) bool {
		manifest := strings.HasPrefix(c.Step, "etcd/local/etcd@") || strings.HasPrefix(c.Step, "etcd-member/etcd@")
		return manifest && c.Change.Verb == plan.Update
	})
}
