package pki

import (
	"net"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation"
	netutils "k8s.io/utils/net"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

type sans struct {
	dns []string
	ips []netip.Addr
}

func apiServerSANs(c *cluster.Cluster, n cluster.Node) sans {
	var s sans
	s.addName(n.Name, "kubernetes", "kubernetes.default", "kubernetes.default.svc")
	if c.Networking.DNSDomain != "" {
		s.addName("kubernetes.default.svc." + c.Networking.DNSDomain)
	}
	s.addIP(c.Networking.APIServiceIP(), n.Address)
	if c.ControlPlaneEndpoint != "" {
		host, _, err := net.SplitHostPort(c.ControlPlaneEndpoint)
		if err != nil {
			host = c.ControlPlaneEndpoint // without a port
		}
		s.add(host)
	}
	s.add(c.APIServer.CertSANs...)
	return s.sorted()
}

func etcdSANs(n cluster.Node, extra []string) sans {
	var s sans
	s.addName(n.Name, "localhost")
	s.addIP(n.Address, netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback())
	s.add(extra...)
	return s.sorted()
}

// add takes addresses as addresses, names and wildcards as DNS names, and like
// kubeadm leaves out what is neither: to complain is up to the configuration.
func (s *sans) add(values ...string) {
	for _, v := range values {
		// ParseIPSloppy because kubeadm takes "010.0.0.1" for an address.
		if ip := netutils.ParseIPSloppy(v); ip != nil {
			addr, _ := netip.AddrFromSlice(ip)
			s.addIP(addr)
		} else if len(validation.IsDNS1123Subdomain(v)) == 0 || len(validation.IsWildcardDNS1123Subdomain(v)) == 0 {
			s.addName(v)
		}
	}
}

func (s *sans) addName(names ...string) {
	for _, n := range names {
		if n != "" {
			s.dns = append(s.dns, n)
		}
	}
}

func (s *sans) addIP(addrs ...netip.Addr) {
	for _, a := range addrs {
		if a = a.Unmap().WithZone(""); a.IsValid() && !slices.Contains(s.ips, a) {
			s.ips = append(s.ips, a)
		}
	}
}

// sorted puts names in order and leaves addresses in theirs, as kubeadm does.
func (s sans) sorted() sans {
	slices.Sort(s.dns)
	s.dns = slices.Compact(s.dns)
	return s
}
