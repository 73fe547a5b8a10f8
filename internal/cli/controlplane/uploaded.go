package controlplane

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/kube"
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
	return c, nil
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
