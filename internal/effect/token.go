package effect

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/token"
)

// Token is a bootstrap token that can be used to join. With Any, one of the
// cluster's own that is still alive and has both usages does as well, so a
// repeated init makes no second one. Without Any it is the very token: another
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
		o.serves = o.serves || found.Joins(t.Now) && (t.Any || t.is(found))
	}
	return o, nil
}

func (t Token) is(found token.Token) bool {
	wanted, _, _ := unstructured.NestedString(t.Secret.Object, "data", "token-secret")
	return found.ID == t.ID && base64.StdEncoding.EncodeToString([]byte(found.Secret.Reveal())) == wanted
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
		return plan.Change{Verb: plan.Update, Summary: "bootstrap token " + t.ID + ": expired, not for joining, or with another secret"}
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
