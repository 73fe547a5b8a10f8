package facts

import (
	"context"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/host"
)

// RuntimeEndpoint is where the kubelet of this machine was told that its
// container runtime is; empty if it cannot be told.
func RuntimeEndpoint(ctx context.Context, h host.Reader) string {
	read := func(path string) []byte {
		data, err := h.ReadFile(ctx, path)
		if err != nil {
			return nil // one of three places, of which most machines have one
		}
		return data
	}
	return runtimeEndpoint(read(cluster.KubeletInstance), read(cluster.KubeletConfig), read(cluster.KubeletFlagsEnv))
}

// runtimeEndpoint is what the first of its files says that says anything.
func runtimeEndpoint(instance, config, env []byte) string {
	for _, data := range [][]byte{instance, config} {
		var kubelet struct {
			Endpoint string `json:"containerRuntimeEndpoint"`
		}
		if yaml.Unmarshal(data, &kubelet) == nil && kubelet.Endpoint != "" {
			return kubelet.Endpoint
		}
	}
	_, flag, _ := strings.Cut(string(env), "--container-runtime-endpoint=")
	flag, _, _ = strings.Cut(flag, " ")
	return strings.Trim(strings.TrimSpace(flag), `"`)
}
