package joincmd

import (
	"context"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/preflight"
)

// Input is what plans are made of.
func (p *prepared) Input() plan.Input { return p.input }

// Checks are those of join. Of a dry run with --fix, what that would mend is
// only a warning.
func (p *prepared) Checks(s *session.Session, dryFix bool) session.Checked {
	in, host := p.input, ""
	if u, err := url.Parse(p.server); err == nil {
		host = u.Hostname()
	}
	return session.Checked{List: "join", Checks: preflight.Join(in.Cluster, in.Node, in.Join.CACertPath), Ignore: session.Ignoring(in, dryFix),
		Subject: preflight.Subject{Cluster: in.Cluster, Node: in.Node, Facts: in.HostFacts(), Ours: p.ours, Now: in.Facts.Now,
			APIServer: host, Newest: s.Build.Kubernetes}}
}

// Checks gives a command join's flags and has it make join's checks alone.
func Checks(s *session.Session, cmd *cobra.Command) {
	o := &options{}
	o.flags(cmd)
	cmd.Use += argument
	cmd.Args = session.Args(cobra.MaximumNArgs(1))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.take(s, args); err != nil {
			return err
		}
		return o.check(cmd.Context(), s)
	}
}

func (o *options) check(ctx context.Context, s *session.Session) error {
	join, err := o.load(ctx, s)
	if err != nil {
		return err
	}
	return session.CheckAlone(ctx, s, session.Asked{Fix: o.fix, DryRun: join.DryRun, Warnings: join.Warnings, Unused: join.Unused},
		func() (*prepared, error) { return prepare(ctx, s, join, true) })
}
