package phases

import (
	"encoding/json"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kubelet "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/patch"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// Patches are laid over what is rendered while planning, so that one that does
// not fit stops a run before anything is changed.

// CheckPatches renders what patches are laid over, of those phases of a list
// that are not skipped, so that a command can refuse before it pulls images.
func CheckPatches(in plan.Input, list []plan.Phase, skip []string) error {
	if len(in.Node.Patches) == 0 {
		return nil
	}
	var check func(parent string, list []plan.Phase) error
	check = func(parent string, list []plan.Phase) error {
		for _, phase := range list {
			name := parent + phase.Name
			patched := slices.Contains([]string{"etcd/local", "control-plane", "control-plane/apiserver", "control-plane/controller-manager", "control-plane/scheduler", "kubelet-start", "addon/coredns"}, name)
			if slices.Contains(skip, name) {
				continue
			}
			if patched && phase.Plan != nil {
				if _, err := phase.Plan(in); err != nil {
					return err
				}
			}
			if err := check(name+"/", phase.Sub); err != nil {
				return err
			}
		}
		return nil
	}
	return check("", list)
}

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
