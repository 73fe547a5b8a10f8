package world

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/kube"
)

// Lazy is a Client that connects when it is first asked something and can: a
// joining node has no credentials before the kubelet got its certificate.
type Lazy struct {
	Connect func(ctx context.Context) (Client, error)
	mu      sync.Mutex
	client  Client
}

func (l *Lazy) get(ctx context.Context) (Client, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == nil {
		client, err := l.Connect(ctx)
		if err != nil {
			return nil, err
		}
		l.client = client
	}
	return l.client, nil
}

// Forget has it connect anew: with other credentials, perhaps.
func (l *Lazy) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := l.client.(interface{ Close() }); ok {
		c.Close()
	}
	l.client = nil
}

// Get implements kube.Reader.
func (l *Lazy) Get(ctx context.Context, ref kube.Ref) (*unstructured.Unstructured, error) {
	c, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	return c.Get(ctx, ref)
}

// List implements kube.Reader.
func (l *Lazy) List(ctx context.Context, ref kube.Ref, selector string) ([]unstructured.Unstructured, error) {
	c, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	return c.List(ctx, ref, selector)
}

// DryRunApply implements kube.Reader.
func (l *Lazy) DryRunApply(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	c, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	return c.DryRunApply(ctx, obj)
}

// Apply implements kube.Writer.
func (l *Lazy) Apply(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	c, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	return c.Apply(ctx, obj)
}

// Create implements kube.Writer.
func (l *Lazy) Create(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	c, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	return c.Create(ctx, obj)
}

// MergePatch implements kube.Writer.
func (l *Lazy) MergePatch(ctx context.Context, ref kube.Ref, patch []byte) (*unstructured.Unstructured, error) {
	c, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	return c.MergePatch(ctx, ref, patch)
}

// Delete implements kube.Writer.
func (l *Lazy) Delete(ctx context.Context, ref kube.Ref) error {
	c, err := l.get(ctx)
	if err != nil {
		return err
	}
	return c.Delete(ctx, ref)
}
