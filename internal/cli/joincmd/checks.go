package joincmd

import (
	"context"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/preflight"
)

// fixed prepares, and where --fix changed something, again: facts are of
// before.
func (o *options) fixed(ctx context.Context, s *session.Session, join *config.Join, checks bool) (*prepared, []string, error) {
	p, err := prepare(ctx, s, join, checks)
	if err != nil || !o.fix || !checks {
		return p, nil, err
	}
	fixed, err := s.Fix(ctx, p.input, join.DryRun)
	if err != nil || len(fixed) == 0 {
		return p, nil, err
	}
	p, err = prepare(ctx, s, join, checks)
	return p, fixed, err
}

// checks are those of join. Of a dry run with --fix, what that would mend is
// only a warning.
func (p *prepared) checks(s *session.Session, dryFix bool) session.Checked {
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
	release, err := s.Lock("preflight", join.DryRun || !o.fix)
	if err != nil {
		return err
	}
	defer release()
	s.Warn(join.Warnings, join.Unused)
	p, fixed, err := o.fixed(ctx, s, join, true)
	if err != nil {
		return err
	}
	return s.Report(p.checks(s, o.fix && join.DryRun), fixed)
}
