package manifests

import (
	"fmt"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// StandaloneKubeletConfig renders /var/lib/kubelet/config.yaml of a machine
// that runs etcd for other machines. Its kubelet belongs to no cluster and runs
// static pods alone: there is no API server that it could ask who somebody is,
// and nobody needs to ask it anything, so it serves nobody. Should something
// else make it serve, it is on loopback and takes no anonymous request.
func StandaloneKubeletConfig(shared []byte, n cluster.Node) ([]byte, error) {
	config, err := decodeObject(shared)
	if err != nil {
		return nil, fmt.Errorf("render kubelet configuration: %w", err)
	}
	// Of a cluster that this machine is not in.
	for _, name := range []string{"clusterDNS", "clusterDomain", "rotateCertificates", "serverTLSBootstrap", "readOnlyPort"} {
		delete(config, name)
	}
	off := map[string]any{"enabled": false}
	config["authentication"] = map[string]any{"anonymous": off, "webhook": off}
	config["authorization"] = map[string]any{"mode": "AlwaysAllow"} // the other mode asks an API server
	config["address"] = loopback(n)
	config["enableServer"] = false
	config["containerRuntimeEndpoint"] = n.CRISocket
	return encodeObject(config)
}

// KubeletDropIn renders the drop-in that takes the kubeconfigs away from the
// kubelet, without which it starts standalone. Where the kubelet is and what
// else it is told stays as its package and its administrator have it.
func KubeletDropIn() []byte {
	return []byte(`# Written by clusteradm etcd; clusteradm reset removes it. The kubelet of this
# machine runs etcd as a static pod and belongs to no cluster.
[Service]
Environment="KUBELET_KUBECONFIG_ARGS="
Restart=always
`)
}
