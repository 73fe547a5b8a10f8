package preflight

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// proxied is the proxy through which an address would be reached, by the
// environment that this command and the control plane's pods have.
func proxied(s Subject, host string) string {
	var c httpproxy.Config
	for _, e := range s.Facts.ProxyEnv {
		switch strings.ToLower(e.Name) {
		case "https_proxy":
			c.HTTPSProxy = or(c.HTTPSProxy, e.Value)
		case "no_proxy":
			c.NoProxy = or(c.NoProxy, e.Value)
		}
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	proxy, err := c.ProxyFunc()(&url.URL{Scheme: "https", Host: host + ":1234"})
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.Scheme + "://" + proxy.Host // without the user, which may be a token
}

func httpProxy() Check {
	return Check{"HTTPProxy", func(s Subject) []Finding {
		host := or(s.APIServer, s.Node.Address.String())
		proxy := proxied(s, host)
		if proxy == "" {
			return nil
		}
		return finding(Warning, "export no_proxy=$no_proxy,"+host, "the API server at %s would be reached through the proxy %s", host, proxy)
	}}
}

func httpProxyCIDR() Check {
	return Check{"HTTPProxyCIDR", func(s Subject) []Finding {
		var findings []Finding
		for _, subnet := range slices.Concat(s.Cluster.Networking.ServiceSubnets, s.Cluster.Networking.PodSubnets) {
			if proxy := proxied(s, subnet.Masked().Addr().Next().String()); proxy != "" {
				findings = append(findings, finding(Warning, "export no_proxy=$no_proxy,"+subnet.String(), "addresses of %s would be reached through the proxy %s", subnet, proxy)...)
			}
		}
		return findings
	}}
}

// networkOverlap finds the machine's networks in those of pods and services.
// That they overlap with one another is found in the configuration.
func networkOverlap() Check {
	return Check{"NetworkOverlap", func(s Subject) []Finding {
		var findings []Finding
		for name, subnets := range map[string][]netip.Prefix{"pods": s.Cluster.Networking.PodSubnets, "services": s.Cluster.Networking.ServiceSubnets} {
			for _, subnet := range subnets {
				findings = append(findings, overlaps(s, name, subnet)...)
			}
		}
		slices.SortFunc(findings, func(a, b Finding) int { return strings.Compare(a.Message, b.Message) })
		return findings
	}}
}

func overlaps(s Subject, what string, subnet netip.Prefix) []Finding {
	flag := map[string]string{"pods": "--pod-network-cidr", "services": "--service-cidr"}[what]
	hint := "clusteradm init " + flag + "=…   # a network that nothing else uses; ip route shows those in use"
	if subnet.Contains(s.Node.Address) {
		level := Error
		if k := s.Cluster.PodNetwork.Kind; what == "pods" && k != cluster.PodNetworkFlannel {
			level = Warning // networks of clouds give pods and nodes addresses of the same range
		}
		return finding(level, hint, "the node's own address %s is in the network of %s, %s", s.Node.Address, what, subnet)
	}
	if s.Ours {
		return nil // routes there are the cluster's own
	}
	var findings []Finding
	for _, r := range s.Facts.Machine.Routes {
		if r.Prefix.Bits() == 0 || !r.Prefix.Overlaps(subnet) || podLink(r.Link) {
			continue
		}
		findings = append(findings, finding(Warning, hint, "this machine has a route to %s on %s, which overlaps with the network of %s, %s", r.Prefix, r.Link, what, subnet)...)
	}
	return findings
}

// podLink reports an interface of an earlier cluster, which Leftovers tells.
func podLink(name string) bool {
	return slices.ContainsFunc(cluster.PodLinks(), func(p string) bool { return strings.HasPrefix(name, p) })
}

func firewalld() Check {
	return Check{"Firewalld", func(s Subject) []Finding {
		if !s.Facts.Machine.Units["firewalld.service"].Active {
			return nil
		}
		ports := []string{"10250/tcp"}
		if s.Node.ControlPlane {
			ports = append(ports, fmt.Sprintf("%d/tcp", s.Node.BindPort))
		}
		return finding(Warning, "firewall-cmd --permanent --add-port="+strings.Join(ports, " --add-port=")+" && firewall-cmd --reload",
			"firewalld is active: it must let through %s and the pod network", strings.Join(ports, ", "))
	}}
}
