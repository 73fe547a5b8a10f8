package phases

import (
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/plan"
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

// registersItself reports a kubelet that puts things on its Node which it only
// does when it creates it: such a Node is left to the kubelet.
func registersItself(in plan.Input) bool {
	if kubeletArg(in.Node, "cloud-provider") == "external" || kubeletArg(in.Node, "provider-id") != "" {
		return true
	}
	// A configuration that cannot be rendered stops the plan elsewhere.
	data, _ := kubeletConfig(in)
	config := string(data)
	for _, field := range []string{"registerWithTaints:", "providerID:", "registerNode: false"} {
		if strings.Contains(config, "\n"+field) || strings.HasPrefix(config, field) {
			return true
		}
	}
	return false
}
