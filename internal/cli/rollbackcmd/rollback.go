// Package rollbackcmd is `clusteradm rollback`: the last run's journal, backwards.
package rollbackcmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/world"
)

// New returns the command.
func New(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "rollback",
		Short: "Take back what the last run changed on this machine",
		Long: `Take back what the last run changed on this machine, last change first.

The way back of init and join ends where the kubelet first started: from there
it is a reset. Content from before is kept on this machine for the last three
runs, below /var/lib/clusteradm/runs.`,
		Example: "  clusteradm rollback",
		Args:    session.Args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), s) },
	}
}

func run(ctx context.Context, s *session.Session) error {
	release, err := s.Lock("rollback")
	if err != nil {
		return err
	}
	defer release()
	journal, err := s.Runs.Reopen()
	if err != nil {
		return err
	}
	if journal == nil {
		return errors.New("roll back: there is no run on this machine")
	}
	defer journal.Close()
	e, done := s.Engine(&world.Lazy{})
	defer done()
	result, err := e.Rollback(ctx, journal)
	var end *engine.NoWayBackError
	if errors.As(err, &end) {
		fmt.Fprintf(s.Streams.Out, "took back %d changes of run %s; it ends at %s: %s\n", result.Changed, result.Run, end.Step, end.Reason)
		return err
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Streams.Out, "took back %d changes of run %s\n", result.Changed, result.Run)
	return err
}
