package phases_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/phases"
)

// fileOf is the content that a list would give a path.
func fileOf(t *testing.T, list []plan.Phase, in plan.Input, path string) string {
	t.Helper()
	p, err := plan.Build("x", list, in, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range p.Groups {
		for _, s := range g.Steps {
			if f, ok := s.Effect.(effect.File); ok && f.Path == path {
				return string(f.Content.Reveal())
			}
		}
	}
	return ""
}

// A worker has a load balancer with all API servers before its kubelet starts,
// and nothing of the virtual IP.
func TestAJoiningWorkerHasTheBalancerFirst(t *testing.T) {
	r := joinRig(t)
	in, err := r.input(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	config, err := manifests.ParseBalancer([]byte(fileOf(t, phases.Join(), in, cluster.HAProxyConfig)))
	if err != nil || !slices.Equal(config.Backends, apiServers) || config.Endpoint != "192.0.2.100:6443" {
		t.Errorf("%+v, %v", config, err)
	}
	p, err := plan.Build("join", phases.Join(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, g := range p.Groups {
		for _, s := range g.Steps {
			switch name, _, _ := strings.Cut(s.ID, "@"); name {
			case "preflight/image-haproxy", "kubelet-start/clusteradm-haproxy", "kubelet-start/kubelet", "endpoint/haproxy", "endpoint/unit", "kubelet-wait-bootstrap/certificate":
				order = append(order, s.Step.Name)
			}
			if strings.Contains(s.ID, "keepalived") || strings.Contains(s.ID, "virtual-ip") {
				t.Errorf("of a worker: %s", s.ID)
			}
		}
	}
	if got := strings.Join(order, " "); got != "clusteradm-haproxy kubelet haproxy unit certificate" {
		t.Errorf("the order is %s", got)
	}
}

// What the follower has found since is not taken from the balancer by a
// repeated init.
func TestARepeatedInitKeepsBackends(t *testing.T) {
	r := initRig(t)
	if _, err := r.apply(t.Context(), "init", phases.Init()); err != nil {
		t.Fatal(err)
	}
	config, err := manifests.BalancerOf(r.loaded.Cluster, entropy.Pairs["ca"].Cert, apiServers).Render()
	if err != nil {
		t.Fatal(err)
	}
	r.world.Machine.Put(cluster.HAProxyConfig, string(config), 0o644)
	r.world.Loaded = config
	if result, err := r.apply(t.Context(), "init", phases.Init()); err != nil || result.Changed != 0 {
		t.Errorf("%d changes, %v", result.Changed, err)
	}
}

func TestTheVirtualIPIsWhereTheNodesAddressIs(t *testing.T) {
	r := initRig(t)
	in, err := r.input(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := *in.Cluster
	v := *c.VirtualIP
	v.Interface, c.VirtualIP, in.Cluster = "", &v, &c
	if _, err := plan.Build("init", phases.Init(), in, nil); err == nil || !strings.Contains(err.Error(), "no interface") {
		t.Errorf("without routes: %v", err)
	}
	f := in.Facts.Hosts["cp1"]
	f.AddressRoutes = []cluster.Route{
		{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Link: "wan0", Gateway: true},
		{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Link: "lan0"},
		{Prefix: netip.MustParsePrefix("198.51.100.0/24"), Link: "lan1"},
	}
	in.Facts.Hosts["cp1"] = f
	if config := fileOf(t, phases.Init(), in, manifests.KeepalivedConfig); !strings.Contains(config, "interface lan0\n") || !strings.Contains(config, "192.0.2.100/32 dev lan0\n") {
		t.Error(config)
	}
}

// Of a list that is empty the follower makes no configuration.
func TestFollowNeverEmptiesTheBalancer(t *testing.T) {
	r := followRig(t)
	in, err := r.input(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in.Follow.Backends = nil
	if _, err := plan.Build("endpoint-follow", phases.EndpointFollow(), in, nil); err == nil {
		t.Error("a plan without backends")
	}
}
