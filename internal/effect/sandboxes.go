package effect

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// Sandboxes is that the container runtime has no pods. What a runtime has of
// others, outside of its CRI, it does not show and keeps.
type Sandboxes struct {
	Host string
}

// sandboxesAtOnce keeps a loaded runtime answering; stopping one is mostly waiting.
const sandboxesAtOnce = 8

// Key implements plan.Effect.
func (s Sandboxes) Key() string { return "sandboxes" }

// Observe implements plan.Effect.
func (s Sandboxes) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	list, err := v.Runtime(s.Host).Sandboxes(ctx)
	if err != nil {
		return nil, wrapObserve(s, err)
	}
	return list, nil
}

// Diff implements plan.Effect.
func (s Sandboxes) Diff(observed plan.Observed) plan.Change {
	list := observed.([]cri.Sandbox)
	if len(list) == 0 {
		return plan.Change{}
	}
	names := make([]string, 0, len(list))
	for _, p := range list {
		names = append(names, p.Namespace+"/"+p.Name)
	}
	return plan.Change{Verb: plan.Delete, Summary: fmt.Sprintf("%d pods with their containers", len(list)), Lines: removed("pod ", names)}
}

// Apply implements plan.Effect.
func (s Sandboxes) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(sandboxesAtOnce)
	for _, p := range observed.([]cri.Sandbox) {
		g.Go(func() error {
			if err := w.RuntimeWriter(s.Host).RemoveSandbox(ctx, p.ID); err != nil {
				return fmt.Errorf("remove pod %s/%s: %w", p.Namespace, p.Name, err)
			}
			return nil
		})
	}
	return g.Wait()
}
