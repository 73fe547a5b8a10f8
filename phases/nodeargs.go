package phases

import (
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

func kubeletArg(n cluster.Node, name string) string {
	value := ""
	for _, a := range n.KubeletArgs {
		if a.Name == name {
			value = a.Value
		}
	}
	return value
}

// kubeletLabels are those of the kubelet's --node-labels.
func kubeletLabels(n cluster.Node) map[string]string {
	labels := map[string]string{}
	for pair := range strings.SplitSeq(kubeletArg(n, "node-labels"), ",") {
		if name, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok {
			labels[name] = value
		}
	}
	return labels
}

// kubeletTaints are those of the kubelet's --register-with-taints.
func kubeletTaints(n cluster.Node) []cluster.Taint {
	var taints []cluster.Taint
	for text := range strings.SplitSeq(kubeletArg(n, "register-with-taints"), ",") {
		keyValue, effect, ok := strings.Cut(strings.TrimSpace(text), ":")
		if !ok {
			continue
		}
		key, value, _ := strings.Cut(keyValue, "=")
		taints = append(taints, cluster.Taint{Key: key, Value: value, Effect: effect})
	}
	return taints
}

// externalCloud reports a kubelet that marks its Node for a cloud controller
// when it registers; such a Node must be registered by the kubelet itself.
func externalCloud(n cluster.Node) bool { return kubeletArg(n, "cloud-provider") == "external" }
