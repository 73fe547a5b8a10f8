package phases

import (
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
)

// EndpointFollow gives the node's load balancer its backends anew. It is carried
// out again and again by a service, and leaves no journal.
func EndpointFollow() []plan.Phase {
	return []plan.Phase{{
		Name:    "backends",
		Short:   "Give the node's load balancer the API servers that there are",
		Example: "clusteradm endpoint follow",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			balancer, err := manifests.ParseBalancer(in.Follow.Config)
			if err != nil {
				return nil, err
			}
			balancer.Backends = in.Follow.Backends
			config, err := balancer.Render()
			if err != nil {
				return nil, err
			}
			return serial(file(in, "haproxy.cfg", cluster.HAProxyConfig, config, 0o644), balancerRuns(in, config)), nil
		},
	}}
}
