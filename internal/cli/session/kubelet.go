package session

import (
	"context"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/kube/client"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/internal/world"
)

// AsKubelet talks to the API server as this node, once it has its certificate.
func (s *Session) AsKubelet(timeout time.Duration) *world.Lazy {
	return &world.Lazy{Connect: func(ctx context.Context) (world.Client, error) {
		data, err := s.Machine.ReadFile(ctx, cluster.KubeletConf)
		if err != nil {
			return nil, err
		}
		config, err := client.FromKubeconfig(data)
		if err != nil {
			return nil, err
		}
		if config.Files.Cert != "" {
			pair, err := s.Machine.ReadFile(ctx, config.Files.Cert)
			if err != nil {
				return nil, err
			}
			config.Cert, config.Key, config.Files = pair, secret.NewBytes(pair), client.Files{}
		}
		config.Dial, config.Timeout = s.Machine.DialHost, timeout
		return client.New(config)
	}}
}
