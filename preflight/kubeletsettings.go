package preflight

import (
	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// KubeletSettings is what checks need of a KubeletConfiguration, with the
// kubelet's own defaults.
type KubeletSettings struct {
	CgroupDriver string `json:"cgroupDriver"`
	FailSwapOn   bool   `json:"failSwapOn"`
	FailCgroupV1 *bool  `json:"failCgroupV1"` // nil: by its version
}

// KubeletSettingsOf reads the cluster's kubelet configuration. One that is not
// understood is the kubelet's to refuse, and has the defaults here.
func KubeletSettingsOf(c *cluster.Cluster) KubeletSettings {
	s := KubeletSettings{CgroupDriver: "systemd", FailSwapOn: true}
	if c == nil || yaml.Unmarshal(c.Kubelet.YAML, &s) != nil {
		return KubeletSettings{CgroupDriver: "systemd", FailSwapOn: true}
	}
	return s
}
