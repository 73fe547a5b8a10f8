// Package resetcmd is `clusteradm reset`: from what is on the machine to a plan
// that removes what clusteradm or kubeadm made. It asks no API server.
package resetcmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/phasecmd"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/ui"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/preflight"
)

type options struct {
	config.Overrides
	file       string
	kubeconfig string
}

// New returns the command.
func New(s *session.Session) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "Take this machine out of its cluster and remove what it has of it",
		Long: `Take this machine out of its cluster and remove what clusteradm or kubeadm made
on it, and nothing else: files of others stay where they are and are listed.

The etcd member of a control plane is removed from its cluster before its data,
and only if the others have a quorum without it. Users' volumes are unmounted;
what is still mounted is never deleted. Run again after an interruption it goes
on; on a machine that has nothing of a cluster it changes nothing.`,
		Example: `  clusteradm reset --dry-run
  clusteradm reset
  clusteradm reset --force --cleanup-tmp-dir`,
	}
	bind(s, o, cmd, phases.Reset(), true)
	cmd.AddCommand(commands(s).Command())
	return cmd
}

// list is the phases of reset.
func list() phasecmd.List { return phasecmd.List{Name: "reset", Phases: phases.Reset()} }

// commands has them as commands.
func commands(s *session.Session) phasecmd.List {
	l := list()
	l.Bind = func(cmd *cobra.Command, some []plan.Phase) { bind(s, &options{}, cmd, some, false) }
	return l
}

func bind(s *session.Session, o *options, cmd *cobra.Command, some []plan.Phase, whole bool) {
	f := cmd.Flags()
	f.StringVar(&o.file, "config", "", "path of the configuration file")
	f.StringVar(&o.CertDir, "cert-dir", "", "directory of certificates and keys (default: what the cluster's own files say)")
	f.BoolVar(&o.CleanupTmpDir, "cleanup-tmp-dir", false, "remove /etc/kubernetes/tmp too, with its backups of manifests and etcd")
	f.StringVar(&o.CRISocket, "cri-socket", "", "socket of the container runtime (default: the kubelet's)")
	f.BoolVar(&o.DryRun, "dry-run", false, "say what would be removed and change nothing")
	f.BoolVarP(&o.Force, "force", "f", false, "do not ask")
	f.StringSliceVar(&o.IgnorePreflightErrors, "ignore-preflight-errors", nil, "checks whose errors are shown as warnings; all for every one")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "taken for kubeadm's sake: no API server is asked")
	f.StringSliceVar(&o.SkipPhases, "skip-phases", nil, "phases to leave out")
	cmd.Args = session.Args(cobra.NoArgs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), s, o, some, whole) }
}

func run(ctx context.Context, s *session.Session, o *options, some []plan.Phase, whole bool) error {
	docs, err := s.Documents(o.file)
	if err != nil {
		return err
	}
	reset, err := load(ctx, s, docs, o.Overrides)
	if err != nil {
		return err
	}
	skip, err := list().Skipped(reset.SkipPhases, some)
	if err != nil {
		return err
	}
	release, err := s.Lock("reset", reset.DryRun)
	if err != nil {
		return err
	}
	defer release()
	s.Warn(reset.Warnings, reset.Unused)
	names := phasecmd.Names(some, skip)
	p, err := prepare(ctx, s, reset, names)
	if err != nil {
		return err
	}
	defer p.close()
	if err := s.Preflight(session.Checked{List: "reset", Checks: preflight.Reset(names), Subject: p.subject, Ignore: reset.IgnorePreflight}); err != nil {
		return err
	}
	planned, err := plan.Build(list().RunName(some, whole), some, p.input, skip)
	if err != nil {
		return &exit.UsageError{Err: err}
	}
	changes, err := s.Plan(ctx, p.parts, planned)
	if err != nil {
		return err
	}
	changing := false
	for _, c := range changes {
		changing = changing || !c.Change.Empty()
	}
	if reset.DryRun {
		return s.ShowPlan(planned.Name, changes)
	}
	if !changing {
		return p.report(ctx, s, planned.Name, engine.Result{})
	}
	if !reset.Force && p.asks {
		if err := confirm(ctx, s, changes); err != nil {
			return err
		}
	}
	result, err := s.Apply(ctx, p.parts, planned)
	if err != nil {
		return err
	}
	return p.report(ctx, s, planned.Name, result)
}

// confirm shows what goes and asks.
func confirm(ctx context.Context, s *session.Session, changes []engine.StepChange) error {
	for _, c := range changes {
		if !c.Change.Empty() {
			fmt.Fprintf(s.Streams.Err, "%-8s %s\n", c.Change.Verb, c.Change.Summary)
		}
	}
	yes, err := s.Streams.Confirm(ctx, "Reset this machine?")
	switch {
	case errors.Is(err, ui.ErrNobodyToAsk):
		return &exit.UsageError{Err: fmt.Errorf("reset removes what cannot be brought back, and %w", err), Help: "clusteradm reset --force   # see clusteradm reset --dry-run"}
	case err != nil:
		return err
	case !yes:
		return errors.New("reset: not confirmed; nothing was changed")
	}
	return nil
}
