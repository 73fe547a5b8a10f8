package initcmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/preflight"
)

// Input is what plans are made of.
func (p *prepared) Input() plan.Input { return p.input }

// Checks are those of init. Of a dry run with --fix, what that would mend is
// only a warning.
func (p *prepared) Checks(s *session.Session, dryFix bool) session.Checked {
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
	some := phases.Init()[:1]
	return session.CheckAlone(ctx, s, session.Asked{Fix: o.fix, DryRun: loaded.DryRun, Warnings: loaded.Warnings, Unused: loaded.Unused},
		func() (*prepared, error) { return prepare(ctx, s, loaded, some, nil) })
}
