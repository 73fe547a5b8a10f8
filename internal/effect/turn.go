package effect

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/clusteradm/clusteradm/internal/lease"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// Turn is the turn to join etcd, held by a node; or, with Released, held by it
// no more. Nobody takes it from another before it has expired: to lose that
// race is ErrNotYet.
type Turn struct {
	Holder   string // name of the node
	Released bool
	Now      func() time.Time
	// Watch tells a turn of another's that is over; nil goes by the clock.
	Watch *lease.Watch
}

type turnObserved struct {
	unreachable, there bool
	turn               lease.Turn
	at                 time.Time
}

// Key implements plan.Effect.
func (t Turn) Key() string {
	if t.Released {
		return "turn to join etcd, given back"
	}
	return "turn to join etcd"
}

// Observe implements plan.Effect.
func (t Turn) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	obj, err := v.Kube().Get(ctx, lease.EtcdJoin)
	switch {
	case unreachable(err):
		return turnObserved{unreachable: true}, nil
	case apierrors.IsNotFound(err):
		return turnObserved{}, nil
	case err != nil:
		return nil, wrapObserve(t, err)
	}
	return turnObserved{there: true, turn: lease.Of(obj), at: t.Now()}, nil
}

// Diff implements plan.Effect.
func (t Turn) Diff(observed plan.Observed) plan.Change {
	o := observed.(turnObserved)
	name := lease.EtcdJoin.String()
	switch {
	case o.unreachable:
		return plan.Change{Verb: plan.Unknown, Summary: name + ": the API server does not answer yet"}
	case t.Released && o.turn.Holder != t.Holder, !t.Released && o.turn.Held(t.Holder, o.at):
		return plan.Change{}
	case t.Released:
		return plan.Change{Verb: plan.Update, Summary: name + ": the turn of " + t.Holder + " is over"}
	case !o.there:
		return plan.Change{Verb: plan.Create, Summary: name + ": the turn of " + t.Holder}
	}
	return plan.Change{Verb: plan.Update, Summary: name + ": the turn of " + t.Holder}
}

func (t Turn) over(o turnObserved) bool {
	if t.Watch == nil {
		return o.turn.Free(o.at)
	}
	return t.Watch.Over(o.turn)
}

// Apply implements plan.Effect.
func (t Turn) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	o, err := observed.(turnObserved), error(nil)
	holder := t.Holder
	if t.Released {
		holder = ""
	}
	switch {
	case o.there && !t.Released && o.turn.Holder != t.Holder && !t.over(o):
		return fmt.Errorf("apply %s: %w: it is that of %s", t.Key(), plan.ErrNotYet, o.turn.Holder)
	case o.there:
		var patch []byte
		if patch, err = lease.Patch(o.turn.Version, holder, t.Now()); err == nil {
			_, err = w.KubeWriter().MergePatch(ctx, lease.EtcdJoin, patch)
		}
	default:
		_, err = w.KubeWriter().Create(ctx, lease.Object(lease.EtcdJoin, holder, t.Now()))
	}
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("apply %s: %w: %w", t.Key(), plan.ErrNotYet, err)
	}
	return wrapApply(t, err)
}
