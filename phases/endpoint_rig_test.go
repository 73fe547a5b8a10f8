package phases_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
)

// followRig is a node whose load balancer knows one API server, in a cluster
// that has three.
func followRig(t *testing.T) *rig {
	r := newRig(t, "w1", func(*rig, *hosttest.Machine) {})
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
