package controlplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/kube/client"
	"github.com/clusteradm/clusteradm/internal/world"
)

// Administrator talks to a control plane's own API server with the credentials
// that will be on the disk.
func Administrator(s *session.Session, n cluster.Node, timeout time.Duration) *world.Lazy {
	return &world.Lazy{Connect: func(ctx context.Context) (world.Client, error) {
		for _, path := range []string{cluster.SuperAdminConf, cluster.AdminConf} {
			data, err := s.Machine.ReadFile(ctx, path)
			if err != nil {
				continue
			}
			conf, err := client.FromKubeconfig(data)
			if err != nil {
				return nil, fmt.Errorf("connect with %s: %w", path, err)
			}
			conf.Server, conf.Dial, conf.Timeout = n.LocalEndpoint(), s.Machine.DialHost, timeout
			return client.New(conf)
		}
		return nil, errors.New("connect to the API server: there is no admin.conf; run: clusteradm init phase kubeconfig admin")
	}}
}
