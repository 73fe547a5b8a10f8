package effect

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/token"
)

// Token is a bootstrap token. With Any, one of the
// cluster's own that is still alive and has both usages does as well, so a
// repeated init makes no second one. Without Any it is the very token, with the
// usages that were asked for, which may be fewer than joining takes: another
// secret under the same ID does not do.
type Token struct {
	ID     string
	Secret *unstructured.Unstructured // the Secret to create
	Any    bool
	Now    time.Time
}

type tokenObserved struct {
	unreachable bool
	there       bool // one with the ID, whether or not it serves
	serves      bool // it, or with Any another one
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
	var o tokenObserved
	for _, found := range tokens {
		o.there = o.there || found.ID == t.ID
		o.serves = o.serves || t.is(found) || t.Any && found.Joins(t.Now)
	}
	return o, nil
}

func (t Token) is(found token.Token) bool {
	wanted, ok := token.FromSecret(t.Secret)
	missing := slices.ContainsFunc(wanted.Usages, func(u string) bool { return !slices.Contains(found.Usages, u) })
	return ok && found.Alive(t.Now) && found.ID == wanted.ID && found.Secret.Reveal() == wanted.Secret.Reveal() && !missing
}

// Diff implements plan.Effect.
func (t Token) Diff(observed plan.Observed) plan.Change {
	o := observed.(tokenObserved)
	switch {
	case o.unreachable:
		return plan.Change{Verb: plan.Unknown, Summary: "bootstrap token " + t.ID + ": the API server does not answer yet"}
	case o.serves:
		return plan.Change{}
	case o.there:
		return plan.Change{Verb: plan.Update, Summary: "bootstrap token " + t.ID + ": expired, without a usage, or with another secret"}
	}
	return plan.Change{Verb: plan.Create, Summary: "bootstrap token " + t.ID}
}

// Apply implements plan.Effect.
func (t Token) Apply(ctx context.Context, w plan.World, _ plan.Observed) error {
	if _, err := w.KubeWriter().Apply(ctx, t.Secret); err != nil {
		return fmt.Errorf("create bootstrap token %s: %w", t.ID, err)
	}
	return nil
}
