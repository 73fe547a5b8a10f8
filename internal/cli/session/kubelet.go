package session

import (
	"context"
	"fmt"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/kube/client"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/internal/world"
)

// AsKubelet talks to the API server as this node, once it has its certificate.
func (s *Session) AsKubelet(timeout time.Duration) *world.Lazy {
	return &world.Lazy{Connect: func(ctx context.Context) (world.Client, error) {
		config, err := s.KubeletConfig(ctx)
		if err != nil {
			return nil, err
		}
		config.Timeout = timeout
		return client.New(config)
	}}
}

// KubeletConfig is how this machine's kubelet asks, with what its kubeconfig
// only refers to.
func (s *Session) KubeletConfig(ctx context.Context) (client.Config, error) {
	read := func(path string) ([]byte, error) { return s.Machine.ReadFile(ctx, path) }
	data, err := read(cluster.KubeletConf)
	if err != nil {
		return client.Config{}, err
	}
	config, err := client.FromKubeconfig(data)
	if err == nil && config.Files.CA != "" {
		config.CA, err = read(config.Files.CA)
	}
	if err == nil && config.Files.Cert != "" {
		config.Cert, err = read(config.Files.Cert)
	}
	var key []byte
	if err == nil && config.Files.Key != "" {
		key, err = read(config.Files.Key)
		config.Key = secret.NewBytes(key)
	}
	if err != nil {
		return client.Config{}, fmt.Errorf("use %s: %w", cluster.KubeletConf, err)
	}
	config.Files, config.Dial = client.Files{}, s.Machine.DialHost
	return config, nil
}
