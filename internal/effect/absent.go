package effect

import (
	"context"
	"fmt"

	"github.com/clusteradm/clusteradm/internal/plan"
)

// Absent is a file that must not be there any more, such as one that an
// earlier step of the same list needed. Undoing puts it back.
type Absent struct {
	Host string
	Path string
}

// Key implements plan.Effect.
func (a Absent) Key() string { return "absent " + a.Path }

// Observe implements plan.Effect.
func (a Absent) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	return File{Host: a.Host, Path: a.Path}.Observe(ctx, v)
}

// Diff implements plan.Effect.
func (a Absent) Diff(observed plan.Observed) plan.Change {
	if observed.(fileObserved).exists {
		return plan.Change{Verb: plan.Delete, Summary: a.Path}
	}
	return plan.Change{}
}

// Apply implements plan.Effect.
func (a Absent) Apply(ctx context.Context, w plan.World, _ plan.Observed) error {
	return w.Mutate(a.Host).Remove(ctx, a.Path)
}

// Undo implements plan.Undoer.
func (a Absent) Undo(observed plan.Observed) (plan.Undo, error) {
	return File{Host: a.Host, Path: a.Path}.Undo(observed)
}

func wrapObserve(e plan.Effect, err error) error { return fmt.Errorf("observe %s: %w", e.Key(), err) }
