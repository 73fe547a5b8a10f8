package preflight

import (
	"net/netip"
	"slices"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/manifests"
)

// endpoint is what the load balancer and the virtual IP of a node need.
func endpoint(c *cluster.Cluster, n cluster.Node) []Check {
	var checks []Check
	if c.LoadBalancer != nil {
		checks = append(checks, port(c.LoadBalancer.Port, "haproxy"), fileAvailable(cluster.ManifestsDir+"/"+manifests.HAProxyName+".yaml"))
	}
	if c.VirtualIP != nil && n.ControlPlane {
		checks = append(checks, fileAvailable(cluster.ManifestsDir+"/"+manifests.KeepalivedName+".yaml"), virtualIP(c.VirtualIP.Address))
	}
	return checks
}

// virtualIP finds an address that another machine has already, or that this one
// could not answer at. Of a node that joins it is to have an owner.
func virtualIP(addr netip.Addr) Check {
	return Check{"VirtualIP", func(s Subject) []Finding {
		if s.Facts.Machine.VirtualIP == cluster.Yes && s.APIServer == "" && !s.Ours {
			return finding(Error, "ping -c 1 "+addr.String()+"; ip neigh show "+addr.String()+"   # who has it", "the virtual IP %s is in use: something answers there", addr)
		}
		link := func(r cluster.Route) bool {
			return !r.Gateway && r.Prefix.Bits() > 0 && r.Prefix.Contains(addr) && r.Prefix.Contains(s.Node.Address)
		}
		if len(s.Facts.AddressRoutes) > 0 && !slices.ContainsFunc(s.Facts.AddressRoutes, link) {
			return finding(Warning, "ip route get "+addr.String(), "the virtual IP %s is not in the network of the node's address %s: others may not find it here", addr, s.Node.Address)
		}
		return nil
	}}
}
