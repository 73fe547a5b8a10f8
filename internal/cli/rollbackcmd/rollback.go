// Package rollbackcmd is `clusteradm rollback`: the last run's journal, backwards.
package rollbackcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/state"
	"github.com/clusteradm/clusteradm/internal/world"
)

// New returns the command.
func New(s *session.Session) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Take back what the last run changed on this machine",
		Long: `Take back what the last run changed on this machine, last change first.

The way back of init and join ends at the kubelet's configuration, with which
the kubelet starts: from there it is a reset. That of endpoint set ends where
something starts with the new endpoint; until then what it changed in the
cluster is taken back, too. A run that completed has to be named. A file that
others have changed since stays. Content from before is kept on this machine
for the last three runs, below /var/lib/clusteradm/runs; only the last one can
be taken back.`,
		Example: `  clusteradm rollback --dry-run
  clusteradm rollback`,
		Args: session.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), s, o) },
	}
	cmd.Flags().StringVar(&o.run, "run", "", "name of the run, which one that completed needs")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be taken back and change nothing")
	return cmd
}

type options struct {
	run    string
	dryRun bool
}

func run(ctx context.Context, s *session.Session, o *options) error {
	release, err := s.Lock("rollback", o.dryRun)
	if err != nil {
		return err
	}
	defer release()
	latest, err := s.Runs.Latest()
	switch {
	case err != nil:
		return err
	case latest == nil:
		return errors.New("roll back: there is no run on this machine")
	case latest.TakenBack():
		return fmt.Errorf("roll back %s: it was taken back already", latest.ID)
	case o.run != "" && o.run != latest.ID:
		return &exit.UsageError{Err: fmt.Errorf("roll back %s: only the last run can be taken back, %s", o.run, latest.ID)}
	case o.dryRun:
		return show(s, latest)
	case o.run == "" && !latest.Unfinished():
		return &exit.UsageError{Err: fmt.Errorf("roll back %s: it completed, so it has to be named", latest.ID),
			Help: "clusteradm rollback --dry-run; clusteradm rollback --run " + latest.ID}
	}
	journal, err := s.Runs.Reopen()
	if err != nil {
		return err
	}
	defer journal.Close()
	e, done := s.Engine(world.Parts{Kube: ownCluster(s)})
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

// show says what a rollback of the run would take back.
func show(s *session.Session, r *state.Run) error {
	for _, entry := range slices.Backward(r.Entries) {
		if entry.Kind != state.Intent {
			continue
		}
		if entry.NoUndo != "" || entry.Undo == nil {
			fmt.Fprintf(s.Streams.Out, "ends at  %s: %s\n", entry.Step, entry.NoUndo)
			break
		}
		fmt.Fprintf(s.Streams.Out, "%-8s %s (%s %s)\n", "revert", entry.Step, entry.Verb, entry.Undo.Key)
	}
	_, err := fmt.Fprintf(s.Streams.Out, "run %s (%s); nothing was changed\n", r.ID, r.List())
	return err
}

// ownCluster is this machine's own API server, for what a run changed in the
// cluster; what came before the kubelet's first start asks none.
func ownCluster(s *session.Session) *world.Lazy {
	return &world.Lazy{Connect: func(ctx context.Context) (world.Client, error) {
		k, err := controlplane.Load(ctx, s, controlplane.Flags{})
		if err != nil {
			return nil, err
		}
		return controlplane.Administrator(s, k.Node, k.Cluster.Timeouts.APICall), nil
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
