package effect

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/token"
)

// Token is a bootstrap token that can be used to join. With Any, one of the
// cluster's own that is still alive and has both usages does as well, so a
// repeated init makes no second one.
type Token struct {
	ID     string
	Secret *unstructured.Unstructured // the Secret to create
	Any    bool
	Now    time.Time
}

type tokenObserved struct {
	unreachable bool
	alive       string // ID of a token that serves
}

// Key implements plan.Effect.
func (t Token) Key() string { return "token " + t.ID }

// Observe implements plan.Effect.
func (t Token) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	tokens, err := token.List(ctx, v.Kube())
	if unreachable(err) {
		return tokenObserved{unreachable: true}, nil
	}
	if err != nil {
		return nil, wrapObserve(t, err)
	}
	for _, found := range tokens {
		if (t.Any || found.ID == t.ID) && found.Joins(t.Now) {
			return tokenObserved{alive: found.ID}, nil
		}
	}
	return tokenObserved{}, nil
}

// Diff implements plan.Effect.
func (t Token) Diff(observed plan.Observed) plan.Change {
	o := observed.(tokenObserved)
	switch {
	case o.unreachable:
		return plan.Change{Verb: plan.Unknown, Summary: "bootstrap token " + t.ID + ": the API server does not answer yet"}
	case o.alive == "":
		return plan.Change{Verb: plan.Create, Summary: "bootstrap token " + t.ID}
	}
	return plan.Change{}
}

// Apply implements plan.Effect.
func (t Token) Apply(ctx context.Context, w plan.World, _ plan.Observed) error {
	if _, err := w.KubeWriter().Apply(ctx, t.Secret); err != nil {
		return fmt.Errorf("create bootstrap token %s: %w", t.ID, err)
	}
	return nil
}
