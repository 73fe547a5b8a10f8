package client

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/clusteradm/clusteradm/internal/kube"
)

// Get reads one object.
func (c *Client) Get(ctx context.Context, ref kube.Ref) (*unstructured.Unstructured, error) {
	to, err := c.target(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", ref, err)
	}
	obj, err := to.Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", ref, err)
	}
	return obj, nil
}

// List reads the objects of a kind that selector picks.
func (c *Client) List(ctx context.Context, ref kube.Ref, selector string) ([]unstructured.Unstructured, error) {
	to, err := c.target(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", ref.Kind, err)
	}
	list, err := to.List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", ref.Kind, err)
	}
	return list.Items, nil
}

// DryRunApply says what Apply would give.
func (c *Client) DryRunApply(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return c.apply(ctx, obj, []string{metav1.DryRunAll})
}

// Apply is server-side apply that takes fields over from other managers.
func (c *Client) Apply(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return c.apply(ctx, obj, nil)
}

func (c *Client) apply(ctx context.Context, obj *unstructured.Unstructured, dryRun []string) (*unstructured.Unstructured, error) {
	ref := kube.RefOf(obj)
	to, err := c.target(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("apply %s: %w", ref, err)
	}
	// An object that was read and changed carries these; apply refuses them.
	obj = obj.DeepCopy()
	unstructured.RemoveNestedField(obj.Object, "metadata", "managedFields")
	result, err := to.Apply(ctx, ref.Name, obj, metav1.ApplyOptions{FieldManager: kube.FieldManager, Force: true, DryRun: dryRun})
	if err != nil {
		return nil, fmt.Errorf("apply %s: %w", ref, err)
	}
	return result, nil
}

// Create creates; an Eviction is posted to its Pod.
func (c *Client) Create(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	ref := kube.RefOf(obj)
	var subresources []string
	if isEviction(ref) {
		subresources = []string{"eviction"}
	}
	to, err := c.target(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", ref, err)
	}
	result, err := to.Create(ctx, obj, metav1.CreateOptions{FieldManager: kube.FieldManager}, subresources...)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", ref, err)
	}
	return result, nil
}

// MergePatch applies a JSON merge patch.
func (c *Client) MergePatch(ctx context.Context, ref kube.Ref, patch []byte) (*unstructured.Unstructured, error) {
	to, err := c.target(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("patch %s: %w", ref, err)
	}
	result, err := to.Patch(ctx, ref.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: kube.FieldManager})
	if err != nil {
		return nil, fmt.Errorf("patch %s: %w", ref, err)
	}
	return result, nil
}

// Delete deletes an object and, in the background, what it owns.
func (c *Client) Delete(ctx context.Context, ref kube.Ref) error {
	to, err := c.target(ctx, ref)
	if err == nil {
		background := metav1.DeletePropagationBackground
		err = to.Delete(ctx, ref.Name, metav1.DeleteOptions{PropagationPolicy: &background})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s: %w", ref, err)
	}
	return nil
}

func (c *Client) target(ctx context.Context, ref kube.Ref) (dynamic.ResourceInterface, error) {
	resource, err := c.resource(ctx, ref)
	if err != nil {
		return nil, err
	}
	if ref.Namespace == "" {
		return c.dynamic.Resource(resource), nil
	}
	return c.dynamic.Resource(resource).Namespace(ref.Namespace), nil
}
