package effect

import (
	"context"

	"github.com/clusteradm/clusteradm/internal/plan"
)

// Await changes nothing: its step is there for the conditions it waits for.
type Await struct {
	What string
}

// Key implements plan.Effect.
func (a Await) Key() string { return "await " + a.What }

// Observe implements plan.Effect.
func (a Await) Observe(context.Context, plan.View) (plan.Observed, error) { return nil, nil }

// Diff implements plan.Effect.
func (a Await) Diff(plan.Observed) plan.Change { return plan.Change{} }

// Apply implements plan.Effect.
func (a Await) Apply(context.Context, plan.World, plan.Observed) error { return nil }
