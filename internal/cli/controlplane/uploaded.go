package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/manifests"
)

// Uploaded is the configuration that init left in the cluster.
func Uploaded(ctx context.Context, r kube.Reader) (*cluster.Cluster, error) {
	text, err := UploadedText(ctx, r, "kubeadm-config", "ClusterConfiguration")
	if err != nil {
		return nil, err
	}
	c, err := config.UnmarshalClusterConfiguration(text)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's configuration: %w", err)
	}
	document, err := UploadedText(ctx, r, manifests.ConfigMapName, manifests.EndpointKey)
	switch {
	case apierrors.IsNotFound(err) || apierrors.IsForbidden(err): // where it is not, nobody was allowed to read it
		return c, nil
	case err != nil:
		return nil, err
	}
	if err := config.UnmarshalEndpoint(document, c); err != nil {
		return nil, fmt.Errorf("read the cluster's configuration: %w", err)
	}
	return c, nil
}

// APIServers are the addresses that the control planes have put down for the
// Service kubernetes. Never none without an error.
func APIServers(ctx context.Context, r kube.Reader) ([]netip.AddrPort, error) {
	slice, err := r.Get(ctx, kube.Ref{GroupVersionKind: schema.GroupVersionKind{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"},
		Namespace: "default", Name: "kubernetes"})
	if err != nil {
		return nil, fmt.Errorf("read the addresses of the API servers: %w", err)
	}
	return apiServers(slice.Object)
}

func apiServers(slice map[string]any) ([]netip.AddrPort, error) {
	var found []netip.AddrPort
	ports, _, _ := unstructured.NestedSlice(slice, "ports")
	endpoints, _, _ := unstructured.NestedSlice(slice, "endpoints")
	for _, e := range endpoints {
		endpoint, _ := e.(map[string]any)
		addresses, _, _ := unstructured.NestedStringSlice(endpoint, "addresses")
		for _, p := range ports {
			named, _ := p.(map[string]any)
			port, _, _ := unstructured.NestedInt64(named, "port")
			for _, a := range addresses {
				if addr, err := netip.ParseAddr(a); err == nil && port > 0 && port < 1<<16 {
					found = append(found, netip.AddrPortFrom(addr, uint16(port)))
				}
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("read the addresses of the API servers: the EndpointSlice default/kubernetes has none")
	}
	slices.SortFunc(found, netip.AddrPort.Compare)
	return found, nil
}

// UploadedText is a part of what init left in ConfigMaps.
func UploadedText(ctx context.Context, r kube.Reader, name, key string) ([]byte, error) {
	cm, err := r.Get(ctx, kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Namespace: "kube-system", Name: name})
	if err != nil {
		return nil, fmt.Errorf("read the cluster's configuration: %w", err)
	}
	text, ok, _ := unstructured.NestedString(cm.Object, "data", key)
	if !ok {
		return nil, fmt.Errorf("read the cluster's configuration: ConfigMap %s has no key %s", name, key)
	}
	return []byte(text), nil
}
