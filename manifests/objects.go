package manifests

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// HashAnnotation marks the ConfigMap of a component configuration that was
// generated; kubeadm's upgrade regenerates it while the hash fits, and keeps
// its hands off otherwise.
const HashAnnotation = "kubeadm.kubernetes.io/component-config.hash"

// KubeadmConfig is the ConfigMap with the ClusterConfiguration that joining
// and upgrading start from, and who may read it.
func KubeadmConfig(clusterConfiguration []byte) []*unstructured.Unstructured {
	const name = "kubeadm-config"
	cm := configMap(system, name, "ClusterConfiguration", clusterConfiguration)
	return objects(append([]map[string]any{cm},
		reading(system, "kubeadm:nodes-kubeadm-config", "configmaps", name, group(JoinersGroup), group(nodesGroup))...)...)
}

// KubeletConfigMap is the ConfigMap with the cluster's kubelet configuration,
// and who may read it.
func KubeletConfigMap(c *cluster.Cluster) []*unstructured.Unstructured {
	const name = "kubelet-config"
	cm := configMap(system, name, "kubelet", c.Kubelet.YAML)
	if c.Kubelet.Generated {
		cm["metadata"].(map[string]any)["annotations"] = map[string]any{
			// The hash is over the values of data in the order of their keys.
			HashAnnotation: fmt.Sprintf("sha256:%x", sha256.Sum256(c.Kubelet.YAML)),
		}
	}
	return objects(append([]map[string]any{cm},
		reading(system, "kubeadm:kubelet-config", "configmaps", name, group(nodesGroup), group(JoinersGroup))...)...)
}

// ClusterInfo is the ConfigMap that holders of a token find the cluster
// through, and its being readable by everyone. kubeconfig must hold no user:
// it is public. The controller manager adds a signature for each token to the
// ConfigMap; server-side apply leaves those alone.
func ClusterInfo(kubeconfig []byte) []*unstructured.Unstructured {
	const name = "cluster-info"
	cm := configMap(public, name, "kubeconfig", kubeconfig)
	return objects(append([]map[string]any{cm},
		reading(public, "kubeadm:bootstrap-signer-clusterinfo", "configmaps", name, user("system:anonymous"))...)...)
}

// TokenSecret is the Secret of a bootstrap token, which lives from now for
// its TTL. It holds the token in the clear, like any Secret: it goes to the
// API server and nowhere else.
func TokenSecret(t cluster.Token, now time.Time) *unstructured.Unstructured {
	values := map[string]string{"token-id": t.ID, "token-secret": t.Secret.Reveal()}
	if t.Description != "" {
		values["description"] = t.Description
	}
	if t.TTL > 0 {
		values["expiration"] = now.Add(t.TTL).UTC().Format(time.RFC3339)
	}
	for _, usage := range t.Usages {
		values["usage-bootstrap-"+usage] = "true"
	}
	if len(t.Groups) > 0 {
		values["auth-extra-groups"] = strings.Join(t.Groups, ",")
	}
	data := map[string]any{}
	for key, value := range values {
		data[key] = base64.StdEncoding.EncodeToString([]byte(value))
	}
	s := object("v1", "Secret", system, "bootstrap-token-"+t.ID)
	s["type"] = "bootstrap.kubernetes.io/token"
	s["data"] = data
	return &unstructured.Unstructured{Object: s}
}

// SharedCerts is the Secret from which joining control planes take what all
// have in common. Its entries are encrypted (pki.Seal); who may read it is
// UploadCertsRBAC.
func SharedCerts(sealed map[string][]byte) *unstructured.Unstructured {
	data := map[string]any{}
	for name, content := range sealed {
		data[name] = base64.StdEncoding.EncodeToString(content)
	}
	s := object("v1", "Secret", system, "kubeadm-certs")
	s["data"] = data
	return &unstructured.Unstructured{Object: s}
}

func configMap(namespace, name, key string, value []byte) map[string]any {
	cm := object("v1", "ConfigMap", namespace, name)
	cm["data"] = map[string]any{key: string(value)}
	return cm
}
