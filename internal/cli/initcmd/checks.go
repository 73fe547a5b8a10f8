package initcmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/preflight"
)

// fixed prepares, and where --fix changed something, again: facts are of
// before.
func (o *options) fixed(ctx context.Context, s *session.Session, l *config.Loaded, some []plan.Phase, skip []string) (*prepared, []string, error) {
	p, err := prepare(ctx, s, l, some, skip)
	if err != nil || !o.fix || !p.has("preflight") {
		return p, nil, err
	}
	fixed, err := s.Fix(ctx, p.input, l.DryRun)
	if err != nil || len(fixed) == 0 {
		return p, nil, err
	}
	p, err = prepare(ctx, s, l, some, skip)
	return p, fixed, err
}

// checks are those of init. Of a dry run with --fix, what that would mend is
// only a warning.
func (p *prepared) checks(s *session.Session, dryFix bool) session.Checked {
	in := p.input
	return session.Checked{List: "init", Checks: preflight.Init(in.Cluster, in.Node), Ignore: session.Ignoring(in, dryFix),
		Subject: preflight.Subject{Cluster: in.Cluster, Node: in.Node, Facts: in.HostFacts(), Ours: p.ours, Now: in.Facts.Now, Newest: s.Build.Kubernetes}}
}

// Checks gives a command init's flags and has it make init's checks alone.
func Checks(s *session.Session, cmd *cobra.Command) {
	o := &options{}
	o.flags(cmd)
	cmd.Args = session.Args(cobra.NoArgs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.complete(cmd).check(cmd.Context(), s) }
}

func (o *options) check(ctx context.Context, s *session.Session) error {
	loaded, err := o.load(ctx, s)
	if err != nil {
		return err
	}
	release, err := s.Lock("preflight", loaded.DryRun || !o.fix)
	if err != nil {
		return err
	}
	defer release()
	s.Warn(loaded.Warnings, loaded.Unused)
	p, fixed, err := o.fixed(ctx, s, loaded, phases.Init()[:1], nil)
	if err != nil {
		return err
	}
	return s.Report(p.checks(s, o.fix && loaded.DryRun), fixed)
}
