// Package rollbackcmd is `clusteradm rollback`: the last run's journal, backwards.
package rollbackcmd

import (
	"context"
	"encoding/json"
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
	release, err := s.Lock("rollback", false)
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
	e, done := s.Engine(noCluster())
	result, err := e.Rollback(ctx, journal)
	done()
	if err != nil {
		var end *engine.NoWayBackError
		if result.Changed > 0 || errors.As(err, &end) {
			return errors.Join(err, print(s, result))
		}
		return err
	}
	return print(s, result)
}

// noCluster is for what came before the kubelet's first start: to take it back
// no API server is asked.
func noCluster() *world.Lazy {
	return &world.Lazy{Connect: func(context.Context) (world.Client, error) {
		return nil, errors.New("connect to the API server: rollback changes this machine only")
	}}
}

func print(s *session.Session, result engine.Result) error {
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind    string `json:"kind"`
			Run     string `json:"run"`
			Changed int    `json:"changed"`
		}{"result", result.Run, result.Changed})
	}
	_, err := fmt.Fprintf(s.Streams.Out, "took back %d changes of run %s\n", result.Changed, result.Run)
	return err
}
