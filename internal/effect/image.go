package effect

import (
	"context"

	"github.com/clusteradm/clusteradm/internal/plan"
)

// Image is a container image that is on the host, by the reference that a pod
// names. One that is there is never asked for at a registry, so that a machine
// without one needs none.
//
// It is not taken back: an image is a cache that pods of others may have come
// to use, and the kubelet removes those that nobody does.
type Image struct {
	Host string
	Ref  string
}

type imageObserved bool // it is there

// Key implements plan.Effect.
func (i Image) Key() string { return "image " + i.Ref }

// Observe implements plan.Effect.
func (i Image) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	has, err := v.Runtime(i.Host).HasImage(ctx, i.Ref)
	if err != nil {
		return nil, err // names the image itself
	}
	return imageObserved(has), nil
}

// Diff implements plan.Effect.
func (i Image) Diff(observed plan.Observed) plan.Change {
	if observed.(imageObserved) {
		return plan.Change{}
	}
	return plan.Change{Verb: plan.Pull, Summary: i.Ref}
}

// Apply implements plan.Effect.
func (i Image) Apply(ctx context.Context, w plan.World, _ plan.Observed) error {
	return w.RuntimeWriter(i.Host).PullImage(ctx, i.Ref)
}
