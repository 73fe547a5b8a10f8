package joincmd

import (
	"context"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// bootstrapServer is where the kubelet asks for its certificate: through the
// load balancer where there is one, else a control plane's at its own API
// server. The kubelet runs static pods before it has the certificate, and writes
// its kubelet.conf from what it asked with: so nothing has to be rewritten
// afterwards, and no kubelet be started twice.
func bootstrapServer(c *cluster.Cluster, n cluster.Node, found string) string {
	switch {
	case c.LoadBalancer != nil:
		return c.NodeEndpoint(n)
	case n.ControlPlane:
		return n.LocalEndpoint()
	}
	return found
}

// withEndpoint adds what a load balancer on this node needs.
func withEndpoint(ctx context.Context, s *session.Session, r kube.Reader, in *plan.Input) (err error) {
	in.Binary = s.Binary
	if in.Cluster.LoadBalancer != nil {
		in.Join.APIServers, err = controlplane.APIServers(ctx, r)
	}
	return err
}
