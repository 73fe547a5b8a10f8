package manifests

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Where the cluster keeps what kubeadm-config has no field for: a ConfigMap in
// kube-system and its key of the document Endpoint.
const (
	ConfigMapName = "clusteradm-config"
	EndpointKey   = "Endpoint"
)

// EndpointConfig is the ConfigMap with the document Endpoint, and who may read
// it and the addresses of the API servers: nodes, for their load balancers, and
// those that are to become nodes.
func EndpointConfig(document []byte) []*unstructured.Unstructured {
	cm := configMap(system, ConfigMapName, EndpointKey, document)
	list := append([]map[string]any{cm}, reading(system, "clusteradm:config", "configmaps", ConfigMapName, group(nodesGroup), group(JoinersGroup))...)
	slices := reading("default", "clusteradm:api-servers", "endpointslices", "kubernetes", group(nodesGroup), group(JoinersGroup))
	slices[0]["rules"].([]any)[0].(map[string]any)["apiGroups"] = []any{"discovery.k8s.io"}
	return objects(append(list, slices...)...)
}

// The systemd unit that keeps the node load balancer's backends.
const (
	FollowUnit     = "clusteradm-endpoint.service"
	FollowUnitFile = "/etc/systemd/system/" + FollowUnit
)

// Follower is the file FollowUnitFile, which runs a clusteradm at a path.
func Follower(binary string) []byte {
	// Systemd takes these for its own.
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(binary)
	return fmt.Appendf(nil, `[Unit]
Description=clusteradm: the node load balancer's servers follow the control planes
Documentation=man:clusteradm-endpoint-follow(1)
Wants=network-online.target
After=network-online.target

[Service]
ExecStart="%s" endpoint follow
Restart=always
RestartSec=5
Environment=GOMEMLIMIT=32MiB GOGC=50
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=full
ReadWritePaths=/etc/clusteradm

[Install]
WantedBy=multi-user.target
`, quoted)
}
