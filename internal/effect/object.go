package effect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// Object is one object of the cluster, held by server-side apply under
// kube.FieldManager. It is observed by a GET and, when it is there, by asking
// the server what an apply would make of it.
type Object struct {
	Object *unstructured.Unstructured
}

type objectObserved struct {
	unreachable   bool
	live, applied *unstructured.Unstructured
}

// Key implements plan.Effect.
func (e Object) Key() string {
	ref := kube.RefOf(e.Object)
	return "object " + ref.GroupVersion().String() + " " + ref.String()
}

// Observe implements plan.Effect.
func (e Object) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	live, err := v.Kube().Get(ctx, kube.RefOf(e.Object))
	switch {
	case unreachable(err):
		return objectObserved{unreachable: true}, nil
	case apierrors.IsNotFound(err):
		return objectObserved{}, nil
	case err != nil:
		return nil, wrapObserve(e, err)
	}
	applied, err := v.Kube().DryRunApply(ctx, e.Object)
	if unreachable(err) { // it went down in between
		return objectObserved{unreachable: true}, nil
	}
	if err != nil {
		return nil, wrapObserve(e, err)
	}
	return objectObserved{live: live, applied: applied}, nil
}

// Diff implements plan.Effect.
func (e Object) Diff(observed plan.Observed) plan.Change {
	o := observed.(objectObserved)
	name := kube.RefOf(e.Object).String()
	switch {
	case o.unreachable:
		return plan.Change{Verb: plan.Unknown, Summary: name + ": the API server does not answer yet"}
	case o.live == nil:
		return plan.Change{Verb: plan.Create, Summary: name}
	case !equality.Semantic.DeepEqual(content(o.live), content(o.applied)):
		return plan.Change{Verb: plan.Update, Summary: name + ": content differs"}
	}
	return plan.Change{}
}

// Apply implements plan.Effect.
func (e Object) Apply(ctx context.Context, w plan.World, _ plan.Observed) error {
	if _, err := w.KubeWriter().Apply(ctx, e.Object); err != nil {
		return fmt.Errorf("apply %s: %w", kube.RefOf(e.Object), err)
	}
	return nil
}

// content is an object without what the server keeps for itself.
func content(u *unstructured.Unstructured) map[string]any {
	c := u.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"} {
		unstructured.RemoveNestedField(c.Object, "metadata", field)
	}
	delete(c.Object, "status")
	return c.Object
}

// unreachable reports that no API server answered, as against one that
// answered with an error.
func unreachable(err error) bool {
	var netErr *net.OpError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &netErr) && netErr.Op == "dial"
}
