package phases_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
)

const endpointDocs = initDocs + `---
apiVersion: clusteradm.io/v1alpha1
kind: Endpoint
nodeLoadBalancer: {}
virtualIP: {address: 192.0.2.100, interface: eth0, image: "registry.example.com/keepalived:2.2.7"}
`

var theEndpoint *config.Loaded

// withEndpoint is a cluster with a load balancer on every node and a virtual IP.
func withEndpoint(t *testing.T) *config.Loaded {
	if theEndpoint == nil {
		theEndpoint = loadDocs(t, endpointDocs)
	}
	return theEndpoint
}

// followRig is a node whose load balancer knows one API server, in a cluster
// that has three.
func followRig(t *testing.T) *rig {
	r := newRig(t, "w1", func(*rig, *hosttest.Machine) {})
	r.loaded = withEndpoint(t)
	m := r.world.Machine
	config, err := manifests.BalancerOf(r.loaded.Cluster, []byte("ca"), apiServers[:1]).Render()
	if err != nil {
		t.Fatal(err)
	}
	m.Put(cluster.ManifestsDir+"/"+manifests.HAProxyName+".yaml", "kind: Pod\n", 0o600)
	m.Put(cluster.HAProxyConfig, string(config), 0o644)
	if _, err := m.Run(t.Context(), host.Cmd{Args: []string{"systemctl", "restart", "kubelet.service"}}); err != nil {
		t.Fatal(err)
	}
	r.world.Loaded = config
	r.input = func(ctx context.Context) (plan.Input, error) {
		config, err := m.ReadFile(ctx, cluster.HAProxyConfig)
		return plan.Input{Node: cluster.Node{Host: "w1"}, Follow: plan.Follow{Config: config, Backends: apiServers}}, err
	}
	return r
}

var apiServers = []netip.AddrPort{
	netip.MustParseAddrPort("192.0.2.10:6443"), netip.MustParseAddrPort("192.0.2.11:6443"), netip.MustParseAddrPort("192.0.2.12:6443"),
}
