package facts

import (
	"context"

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
