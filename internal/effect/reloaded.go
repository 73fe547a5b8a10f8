package effect

import (
	"context"
	"fmt"

	"github.com/clusteradm/clusteradm/internal/plan"
)

// Reloaded is a program that runs with the configuration that is on the disk:
// it answers at a URL that names just that one. One that does not run is waited
// for, since it reads its configuration when it starts.
type Reloaded struct {
	Host, Name      string
	Alive, Running  string // URLs: it runs; it runs with this configuration
	Socket, Command string // where it is told to reload, and how
}

type reloadedObserved struct{ alive, running bool }

// Key implements plan.Effect.
func (r Reloaded) Key() string { return "configuration of " + r.Name }

// Observe implements plan.Effect.
func (r Reloaded) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	answers := func(url string) bool { return v.Probe(ctx, r.Host, plan.Probe{URL: url}) == nil }
	o := reloadedObserved{running: answers(r.Running)}
	o.alive = o.running || answers(r.Alive)
	return o, ctx.Err()
}

// Diff implements plan.Effect.
func (r Reloaded) Diff(observed plan.Observed) plan.Change {
	o := observed.(reloadedObserved)
	switch {
	case o.running:
		return plan.Change{}
	case !o.alive:
		return plan.Change{Verb: plan.Unknown, Summary: r.Name + " does not answer yet"}
	}
	return plan.Change{Verb: plan.Update, Summary: r.Name + " runs with another configuration"}
}

// Apply implements plan.Effect.
func (r Reloaded) Apply(ctx context.Context, w plan.World, _ plan.Observed) error {
	if err := w.Tell(ctx, r.Host, r.Socket, r.Command); err != nil {
		return fmt.Errorf("reload %s: %w", r.Name, err)
	}
	return nil
}
