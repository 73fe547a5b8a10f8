package addons

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// hashAnnotation marks a generated component configuration, as in package
// manifests, which this package may not import.
const hashAnnotation = "kubeadm.kubernetes.io/component-config.hash"

const configKey = "config.conf"

// KubeProxy is kube-proxy as kubeadm v1.36.3 installs it. Where the cluster
// has no endpoint of its own, kube-proxy everywhere talks to the API server
// on n.
func KubeProxy(c *cluster.Cluster, n cluster.Node, image string) ([]*unstructured.Unstructured, error) {
	objects, err := render("kube-proxy.yaml", map[string]string{"Image": image, "Server": c.NodeEndpoint(n)})
	if err != nil {
		return nil, err
	}
	cm := find(objects, "ConfigMap", "kube-proxy")
	// Set here and not by the template: no quoting can go wrong. kubeadm's
	// block scalar has no newline at its end.
	config := strings.TrimRight(string(c.KubeProxy.YAML), "\n")
	if err := unstructured.SetNestedField(cm.Object, config, "data", configKey); err != nil {
		return nil, fmt.Errorf("render kube-proxy: %w", err)
	}
	if c.KubeProxy.Generated {
		kubeconfig, _, _ := unstructured.NestedString(cm.Object, "data", "kubeconfig.conf")
		// Over the values in the order of their keys: the hash covers the
		// kubeconfig too.
		sum := sha256.Sum256([]byte(config + kubeconfig))
		cm.SetAnnotations(map[string]string{hashAnnotation: fmt.Sprintf("sha256:%x", sum)})
	}
	return objects, nil
}
