package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
)

// Bounds of kubeadm and, for the first and the last, of the API server and the
// controller manager.
const (
	maxServiceBits = 20 // of host part
	minServiceBits = 4  // the DNS service has the tenth address
	minPodBits     = 4
	maxNodeSubnets = 16 // bits of nodes in a pod subnet
)

func (f field) networking(conf *v1beta4.ClusterConfiguration) {
	n := conf.Networking
	f.child("dnsDomain").dnsName(n.DNSDomain)
	serviceField, podField := f.child("serviceSubnet"), f.child("podSubnet")
	services := serviceField.subnets(n.ServiceSubnet, minServiceBits)
	for _, s := range services {
		if bits := s.Addr().BitLen() - s.Bits(); bits > maxServiceBits {
			serviceField.bad(s.String()+" is too large", fmt.Sprintf("its prefix is at least /%d", s.Addr().BitLen()-maxServiceBits))
		}
	}
	if n.PodSubnet == "" {
		return
	}
	if f.c.existing {
		podField.subnets(n.PodSubnet, 0)
		return
	}
	pods := podField.subnets(n.PodSubnet, minPodBits)
	if argValue(conf.ControllerManager.ExtraArgs, "allocate-node-cidrs") != "false" {
		for _, p := range pods {
			podField.nodeMask(p, conf.ControllerManager.ExtraArgs)
		}
	}
	if len(pods) > 0 && len(services) > 0 && !slices.ContainsFunc(pods, func(p netip.Prefix) bool { return p.Addr().Is4() == services[0].Addr().Is4() }) {
		podField.warn(fmt.Sprintf("has no range of the family of the service subnet %s", services[0]), "pods reach the API server at its first address")
	}
	for _, p := range pods {
		for _, s := range services {
			if p.Overlaps(s) {
				podField.bad(fmt.Sprintf("%s overlaps the service subnet %s", p, s), "pods and services need ranges of their own")
			}
		}
	}
}

// subnets reads one range, or two of different families.
func (f field) subnets(value string, minBits int) []netip.Prefix {
	prefixes, err := parsePrefixes(value)
	if err != nil {
		f.bad(err.Error(), "write it as 10.96.0.0/12, or for dual-stack as 10.96.0.0/16,fd00::/108")
		return nil
	}
	if len(prefixes) > 2 || len(prefixes) == 2 && prefixes[0].Addr().Is4() == prefixes[1].Addr().Is4() {
		f.bad("has more than one range of a family", "dual-stack is one IPv4 and one IPv6 range")
	}
	for _, p := range prefixes {
		if p.Addr().BitLen()-p.Bits() < minBits {
			f.bad(p.String()+" is too small", fmt.Sprintf("its prefix is at most /%d", p.Addr().BitLen()-minBits))
		}
		if p.Overlaps(netip.MustParsePrefix("fec0::/10")) {
			f.warn(p.String()+" has site-local addresses, which are deprecated by RFC 3879", "")
		}
		if p != p.Masked() && !f.c.existing {
			f.bad(p.String()+" has bits set behind its prefix", "write "+p.Masked().String())
		}
	}
	return prefixes
}

// parsePrefixes reads the comma-separated form. IPv4 in IPv6 is refused: some
// components take it for the one, some for the other.
func parsePrefixes(value string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for part := range strings.SplitSeq(value, ",") {
		p, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil || p.Addr().Is4In6() {
			return nil, errors.New(strconv.Quote(part) + " is not an address range")
		}
		out = append(out, p)
	}
	return out, nil
}

// nodeMask checks that every node can get a range out of the pod subnet.
func (f field) nodeMask(p netip.Prefix, args []v1beta4.Arg) {
	name, mask := "node-cidr-mask-size-ipv4", 24
	if p.Addr().Is6() {
		name, mask = "node-cidr-mask-size-ipv6", 64
	}
	if value := argValue(args, name); value != "" {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > p.Addr().BitLen() {
			f.c.at(f.kind, "controllerManager.extraArgs").bad(name+" is not the length of a prefix", "")
			return
		}
		mask = n
	}
	hint := "set the flag " + name + " of the controller manager"
	if p.Bits() > mask {
		f.bad(fmt.Sprintf("%s is smaller than the /%d of a single node", p, mask), hint)
	} else if mask-p.Bits() > maxNodeSubnets {
		f.bad(fmt.Sprintf("%s is more than %d bits larger than the /%d of a node", p, maxNodeSubnets, mask), hint)
	}
}

// placement checks the node's address against the cluster's ranges.
func (c *checker) placement(init *v1beta4.InitConfiguration, conf *v1beta4.ClusterConfiguration) {
	addr, err := netip.ParseAddr(init.LocalAPIEndpoint.AdvertiseAddress)
	if err != nil {
		return
	}
	f := c.at(v1beta4.InitKind, "localAPIEndpoint.advertiseAddress")
	services, _ := parsePrefixes(conf.Networking.ServiceSubnet)
	pods, _ := parsePrefixes(conf.Networking.PodSubnet)
	for _, p := range append(services, pods...) {
		if p.Contains(addr) {
			f.bad(fmt.Sprintf("%s lies in the cluster's own range %s", addr, p), "machines, pods and services need ranges of their own")
		}
	}
	if len(services) > 0 && services[0].Addr().Is4() != addr.Is4() {
		f.bad(fmt.Sprintf("%s and the service subnet %s are of different families", addr, services[0]), "the first service subnet has the family of the address")
	}
}

// argValue is the last value given for a flag, which is the one that counts.
func argValue(args []v1beta4.Arg, name string) string {
	value := ""
	for _, arg := range args {
		if arg.Name == name {
			value = arg.Value
		}
	}
	return value
}
