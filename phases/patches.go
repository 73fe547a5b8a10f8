package phases

import (
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kubelet "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/patch"
)

// Patches are laid over what is rendered while planning, so that one that does
// not fit stops a run before anything is changed.

// patchedPod goes through the type of a Pod again, as in kubeadm, so that the
// file has the same form with and without patches.
func patchedPod(n cluster.Node, name string, rendered []byte) ([]byte, error) {
	if len(patch.For(n.Patches, name)) == 0 {
		return rendered, nil
	}
	data, err := patch.Apply(n.Patches, name, rendered, corev1.Pod{})
	if err != nil {
		return nil, err
	}
	var pod corev1.Pod
	if err := json.Unmarshal(data, &pod); err != nil {
		return nil, fmt.Errorf("read patched pod %s: %w", name, err)
	}
	return yaml.Marshal(pod)
}

func patchedKubelet(n cluster.Node, rendered []byte) ([]byte, error) {
	if len(patch.For(n.Patches, patch.Kubelet)) == 0 {
		return rendered, nil
	}
	data, err := patch.Apply(n.Patches, patch.Kubelet, rendered, kubelet.KubeletConfiguration{})
	if err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(data)
}

// patchedCoreDNS patches the Deployment among CoreDNS's objects.
func patchedCoreDNS(n cluster.Node, list []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	for _, o := range list {
		if o.GetKind() != "Deployment" || len(patch.For(n.Patches, patch.CoreDNS)) == 0 {
			continue
		}
		rendered, err := o.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("marshal CoreDNS: %w", err)
		}
		data, err := patch.Apply(n.Patches, patch.CoreDNS, rendered, appsv1.Deployment{})
		if err != nil {
			return nil, err
		}
		if err := o.UnmarshalJSON(data); err != nil {
			return nil, fmt.Errorf("read patched CoreDNS: %w", err)
		}
	}
	return list, nil
}
