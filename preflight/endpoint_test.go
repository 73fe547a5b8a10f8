package preflight_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/preflight"
)

func TestEndpoint(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*preflight.Subject)
		join   bool
		want   string // the finding's check and how it is told; empty: none
	}{
		"all is well":       {func(*preflight.Subject) {}, false, ""},
		"the port is taken": {func(s *preflight.Subject) { s.Facts.Listeners = []cluster.Listener{{Port: 7443, Process: "nginx"}} }, false, "error Port-7443 port 7443 is taken by nginx"},
		"the port is our own": {func(s *preflight.Subject) {
			s.Facts.Listeners = []cluster.Listener{{Port: 7443, Process: "haproxy"}}
			s.Ours = true
		}, false, ""},
		"a stranger has the address":  {func(s *preflight.Subject) { s.Facts.Machine.VirtualIP = cluster.Yes }, false, "error VirtualIP the virtual IP 192.0.2.100 is in use"},
		"we have the address":         {func(s *preflight.Subject) { s.Facts.Machine.VirtualIP = cluster.Yes; s.Ours = true }, false, ""},
		"the cluster has the address": {func(s *preflight.Subject) { s.Facts.Machine.VirtualIP = cluster.Yes }, true, ""},
		"another network": {func(s *preflight.Subject) { s.Facts.AddressRoutes[1].Prefix = netip.MustParsePrefix("192.0.2.0/27") },
			false, "warning VirtualIP the virtual IP 192.0.2.100 is not in the network"},
		"the network is not known": {func(s *preflight.Subject) { s.Facts.AddressRoutes = nil }, false, ""},
	} {
		s := good()
		s.Node.ControlPlane = true
		s.Node.Address = netip.MustParseAddr("192.0.2.10")
		s.Cluster.LoadBalancer = &cluster.NodeLoadBalancer{Port: 7443}
		s.Cluster.VirtualIP = &cluster.VirtualIP{Address: netip.MustParseAddr("192.0.2.100")}
		s.Facts.AddressRoutes = []cluster.Route{{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: true}, {Prefix: netip.MustParsePrefix("192.0.2.0/24"), Link: "eth0"}}
		checks := initChecks(s)
		if c.join {
			s.APIServer = "192.0.2.100"
			checks = joinChecks(s)
		}
		c.change(&s)
		var found []string
		for _, check := range checks {
			if !strings.HasPrefix(check.Name, "Port-7443") && check.Name != "VirtualIP" {
				continue
			}
			for _, f := range check.Find(s) {
				found = append(found, string(f.Level)+" "+check.Name+" "+f.Message)
			}
		}
		if got := strings.Join(found, "\n"); c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
