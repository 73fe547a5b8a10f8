package manifests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// resolvedConf lists the real upstream servers where systemd-resolved runs.
// /etc/resolv.conf names its stub on loopback there, which no pod reaches and
// which makes CoreDNS forward to itself.
const resolvedConf = "/run/systemd/resolve/resolv.conf"

// KubeletConfig renders /var/lib/kubelet/config.yaml: the kubelet's
// configuration on this machine, with the node's runtime endpoint, which
// kubeadm keeps out of the shared ConfigMap and lays over everything else.
func KubeletConfig(shared []byte, n cluster.Node) ([]byte, error) {
	config, err := decodeObject(shared)
	if err != nil {
		return nil, fmt.Errorf("render kubelet configuration: %w", err)
	}
	config["containerRuntimeEndpoint"] = n.CRISocket
	return encodeObject(config)
}

// SharedKubeletConfig is the cluster's kubelet configuration with what follows
// from the machine. Patches are laid over this.
func SharedKubeletConfig(c *cluster.Cluster, o Options) ([]byte, error) {
	config, err := decodeObject(c.Kubelet.YAML)
	if err != nil {
		return nil, fmt.Errorf("render kubelet configuration: %w", err)
	}
	if o.SystemdResolved && config["resolvConf"] == nil {
		config["resolvConf"] = resolvedConf
	}
	return encodeObject(config)
}

func encodeObject(object map[string]any) ([]byte, error) {
	data, err := yaml.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("render kubelet configuration: %w", err)
	}
	return data, nil
}

// KubeletInstanceConfig renders /var/lib/kubelet/instance-config.yaml, what
// kubeadm lays over the shared configuration whenever it writes config.yaml
// anew.
func KubeletInstanceConfig(n cluster.Node) []byte {
	return fmt.Appendf(nil, "containerRuntimeEndpoint: %q\n", n.CRISocket)
}

// KubeletFlagsEnv renders /var/lib/kubelet/kubeadm-flags.env, which kubeadm's
// systemd drop-in reads.
func KubeletFlagsEnv(n cluster.Node, o Options) []byte {
	args := map[string]string{}
	// A control-plane node gets its taints through the API once it is marked:
	// the kubelet registers only itself, and the node may be there already.
	if !n.ControlPlane && len(n.Taints) > 0 {
		var taints []string
		for _, t := range n.Taints {
			taints = append(taints, taint(t))
		}
		args["register-with-taints"] = strings.Join(taints, ",")
	}
	if n.Name != strings.ToLower(strings.TrimSpace(o.Hostname)) {
		args["hostname-override"] = n.Name
	}
	return fmt.Appendf(nil, "KUBELET_KUBEADM_ARGS=%q\n", strings.Join(flags(args, n.KubeletArgs), " "))
}

// taint renders key[=value][:effect].
func taint(t cluster.Taint) string {
	s := t.Key
	if t.Value != "" {
		s += "=" + t.Value
	}
	if t.Effect != "" || t.Value != "" {
		s += ":" + t.Effect
	}
	return s
}

// decodeObject reads one YAML mapping and keeps its numbers as they are
// written.
func decodeObject(data []byte) (map[string]any, error) {
	asJSON, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(asJSON))
	dec.UseNumber()
	var object map[string]any
	if err := dec.Decode(&object); err != nil {
		return nil, err
	}
	if object == nil {
		return nil, fmt.Errorf("the document is empty")
	}
	return object, nil
}
