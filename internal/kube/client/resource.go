package client

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/kube"
)

// resource finds the resource of a kind. Kubernetes' own kinds follow the
// rule of English plurals and cost no request; of others the server is asked.
func (c *Client) resource(ctx context.Context, ref kube.Ref) (schema.GroupVersionResource, error) {
	gvk := ref.GroupVersionKind
	if gvk.Kind == "" || gvk.Version == "" {
		return schema.GroupVersionResource{}, apierrors.NewBadRequest("the object has no kind or apiVersion")
	}
	if isEviction(ref) {
		return schema.GroupVersionResource{Version: "v1", Resource: "pods"}, nil
	}
	if builtIn(gvk.Group) {
		plural, _ := meta.UnsafeGuessKindToResource(gvk)
		return plural, nil
	}
	name, err := c.discovered(ctx, gvk)
	if err != nil {
		return schema.GroupVersionResource{}, fmt.Errorf("find resource of %s: %w", gvk.Kind, err)
	}
	return gvk.GroupVersion().WithResource(name), nil
}

// discovered asks for the resources of a group version and remembers them. A
// kind that is missing is asked for again: its definition may just have been
// applied. The error is then a NotFound, as for an object that is not there.
func (c *Client) discovered(ctx context.Context, gvk schema.GroupVersionKind) (string, error) {
	groupVersion := gvk.GroupVersion().String()
	c.mu.Lock()
	name := c.kinds[groupVersion][gvk.Kind]
	c.mu.Unlock()
	if name != "" {
		return name, nil
	}

	body, err := c.rest.Get().AbsPath("/apis", gvk.Group, gvk.Version).Do(ctx).Raw()
	if err != nil {
		return "", err
	}
	var list metav1.APIResourceList
	if err := json.Unmarshal(body, &list); err != nil {
		return "", fmt.Errorf("read resources of %s: %w", groupVersion, err)
	}
	kinds := map[string]string{}
	for _, resource := range list.APIResources {
		if !strings.Contains(resource.Name, "/") { // a subresource
			kinds[resource.Kind] = resource.Name
		}
	}
	c.mu.Lock()
	c.kinds[groupVersion] = kinds
	c.mu.Unlock()
	if kinds[gvk.Kind] == "" {
		return "", apierrors.NewNotFound(schema.GroupResource{Group: gvk.Group, Resource: "resources"}, gvk.Kind)
	}
	return kinds[gvk.Kind], nil
}

func builtIn(group string) bool {
	switch group {
	case "", "apps", "batch", "autoscaling", "policy",
		"admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io",
		"authentication.k8s.io", "authorization.k8s.io", "certificates.k8s.io",
		"coordination.k8s.io", "discovery.k8s.io", "events.k8s.io",
		"flowcontrol.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io",
		"rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io":
		return true
	}
	return false
}

// isEviction tells the one kind that is created as a subresource of another.
func isEviction(ref kube.Ref) bool { return ref.Group == "policy" && ref.Kind == "Eviction" }
