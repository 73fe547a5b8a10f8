// Package kube is what clusteradm asks of an API server and does to it, in
// apimachinery's types. internal/kube/client is the real one and the only
// importer of client-go; kubetest is the fake.
package kube

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// FieldManager is the name under which clusteradm applies objects.
const FieldManager = "clusteradm"

// Ref names one object. Resource is the plural of the kind; Namespace is
// empty for cluster-scoped objects.
type Ref struct {
	schema.GroupVersionKind
	Namespace, Name string
}

func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// RefOf names obj.
func RefOf(obj *unstructured.Unstructured) Ref {
	return Ref{obj.GroupVersionKind(), obj.GetNamespace(), obj.GetName()}
}

// Reader asks. Errors are apimachinery's API errors where the server answered
// (apierrors.IsNotFound holds for a missing object).
type Reader interface {
	Get(ctx context.Context, ref Ref) (*unstructured.Unstructured, error)
	// List lists by kind and label selector; an empty Namespace lists all.
	List(ctx context.Context, ref Ref, selector string) ([]unstructured.Unstructured, error)
	// DryRunApply says what server-side apply of obj would give, and changes nothing.
	DryRunApply(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error)
}

// Writer does.
type Writer interface {
	// Apply is server-side apply with FieldManager, taking fields over from
	// other managers.
	Apply(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error)
	Create(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error)
	// MergePatch applies a JSON merge patch.
	MergePatch(ctx context.Context, ref Ref, patch []byte) (*unstructured.Unstructured, error)
	// Delete deletes; that nothing is there is no error.
	Delete(ctx context.Context, ref Ref) error
}
