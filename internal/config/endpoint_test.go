package config_test

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
)

const endpointDoc = "apiVersion: clusteradm.io/v1alpha1\nkind: Endpoint\n"

const virtualIP = "virtualIP: {address: 192.0.2.100, image: 'registry.example.com/keepalived:2.2.7'}\n"

func TestEndpoint(t *testing.T) {
	for name, c := range map[string]struct {
		docs     string
		endpoint string
		balancer *cluster.NodeLoadBalancer
		ip       *cluster.VirtualIP
		sans     []string
	}{
		"neither": {docs: endpointDoc},
		"balancer": {
			docs: clusterDoc + "controlPlaneEndpoint: api.example.com\n---\n" + endpointDoc + "nodeLoadBalancer: {}\n", endpoint: "api.example.com:6443",
			balancer: &cluster.NodeLoadBalancer{Port: 7443, Image: "docker.io/library/haproxy:3.2"}, sans: []string{"127.0.0.1"},
		},
		"from a mirror": {
			docs:     clusterDoc + "controlPlaneEndpoint: api.example.com:443\nimageRepository: registry.example.com/k8s\n---\n" + endpointDoc + "nodeLoadBalancer: {port: 8443}\n",
			endpoint: "api.example.com:443", balancer: &cluster.NodeLoadBalancer{Port: 8443, Image: "registry.example.com/k8s/haproxy:3.2"}, sans: []string{"127.0.0.1"},
		},
		"virtual ip": {
			docs: endpointDoc + virtualIP, endpoint: "192.0.2.100:6443", sans: []string{"192.0.2.100"},
			ip: &cluster.VirtualIP{Address: netip.MustParseAddr("192.0.2.100"), RouterID: 100, Image: "registry.example.com/keepalived:2.2.7"},
		},
		"both, and a name for it": {
			docs:     clusterDoc + "controlPlaneEndpoint: api.example.com\napiServer: {certSANs: [127.0.0.1, a.b]}\n---\n" + endpointDoc + "nodeLoadBalancer: {image: 'x/y:1'}\nvirtualIP: {address: 192.0.2.0, interface: bond0, routerID: 7, image: 'x@sha256:" + strings.Repeat("0a", 32) + "'}\n",
			endpoint: "api.example.com:6443", balancer: &cluster.NodeLoadBalancer{Port: 7443, Image: "x/y:1"}, sans: []string{"127.0.0.1", "a.b", "192.0.2.0"},
			ip: &cluster.VirtualIP{Address: netip.MustParseAddr("192.0.2.0"), Interface: "bond0", RouterID: 7, Image: "x@sha256:" + strings.Repeat("0a", 32)},
		},
		"an id for every address": {
			docs: endpointDoc + "virtualIP: {address: 192.0.2.0, image: 'x/y:1'}\n", endpoint: "192.0.2.0:6443", sans: []string{"192.0.2.0"},
			ip: &cluster.VirtualIP{Address: netip.MustParseAddr("192.0.2.0"), RouterID: 255, Image: "x/y:1"},
		},
	} {
		got := load(t, c.docs, nil).Cluster
		if got.ControlPlaneEndpoint != c.endpoint || !reflect.DeepEqual(got.LoadBalancer, c.balancer) || !reflect.DeepEqual(got.VirtualIP, c.ip) ||
			!slices.Equal(got.APIServer.CertSANs, c.sans) {
			t.Errorf("%s: %q, %+v, %+v, %q", name, got.ControlPlaneEndpoint, got.LoadBalancer, got.VirtualIP, got.APIServer.CertSANs)
		}
		// What the cluster keeps of it says the same.
		data, err := config.MarshalEndpoint(got)
		if err != nil {
			t.Fatal(err)
		}
		back := &cluster.Cluster{}
		if err := config.UnmarshalEndpoint(data, back); err != nil || !reflect.DeepEqual(back.LoadBalancer, c.balancer) || !reflect.DeepEqual(back.VirtualIP, c.ip) {
			t.Errorf("%s: read back as %+v, %+v, %v\n%s", name, back.LoadBalancer, back.VirtualIP, err, data)
		}
	}
}

func TestEndpointOfIPv6(t *testing.T) {
	docs := initDoc + "localAPIEndpoint: {advertiseAddress: '2001:db8::10'}\n---\n" + clusterDoc + "networking: {serviceSubnet: 'fd00::/108'}\n---\n" +
		endpointDoc + "nodeLoadBalancer: {}\nvirtualIP: {address: '2001:db8::100', image: 'x/y:1'}\n"
	got := load(t, docs, nil)
	if c := got.Cluster; c.ControlPlaneEndpoint != "[2001:db8::100]:6443" || c.NodeEndpoint(got.Node) != "https://[::1]:7443" || !slices.Equal(c.APIServer.CertSANs, []string{"2001:db8::100", "::1"}) {
		t.Errorf("%q, %q, %q", c.ControlPlaneEndpoint, c.NodeEndpoint(got.Node), c.APIServer.CertSANs)
	}
}

func TestBadEndpoints(t *testing.T) {
	for docs, want := range map[string]string{
		"nodeLoadBalancer: {port: 6443}\n":                              "0:0 controlPlaneEndpoint: is required\n3:26 nodeLoadBalancer.port: 6443 is the port of the API server",
		"nodeLoadBalancer: {port: 70000, image: nothing}\n" + virtualIP: "3:26 nodeLoadBalancer.port: 70000 is not a port\n3:40 nodeLoadBalancer.image: \"nothing\" is not an image",
		"virtualIP: {}\n": "3:12 virtualIP.address: is required\n3:12 virtualIP.image: is required",
		"virtualIP: {address: x, routerID: 256, image: a}\n":              "3:22 virtualIP.address: \"x\" is not an IP address\n3:35 virtualIP.routerID: 256 is not a VRRP\n3:47 virtualIP.image: \"a\" is not an image",
		"virtualIP: {address: 127.0.0.1, image: 'a:1'}\n":                 "3:22 virtualIP.address: 127.0.0.1 is not an address that machines can have",
		"virtualIP: {address: 192.0.2.10, image: 'a:1'}\n":                "3:22 virtualIP.address: 192.0.2.10 is the node's own",
		"virtualIP: {address: '2001:db8::1', image: 'a:1'}\n":             "3:22 virtualIP.address: 2001:db8::1 and the node's address 192.0.2.10 are of different families",
		"virtualIP: {address: 10.96.0.9, image: 'a:1'}\n":                 "3:22 virtualIP.address: 10.96.0.9 lies in the cluster's own range 10.96.0.0/12",
		"virtualIP: {address: 192.0.2.9, image: 'a:1', interface: a b}\n": "3:58 virtualIP.interface: \"a b\" is not the name of an interface",
		"loadBalancer: {}\n": "3:1 loadBalancer: unknown field",
		virtualIP + "---\n" + clusterDoc + "controlPlaneEndpoint: 192.0.2.10:6443\n":                         "7:23 controlPlaneEndpoint: 192.0.2.10:6443 is not the virtual IP",
		virtualIP + "---\n" + clusterDoc + "controlPlaneEndpoint: 192.0.2.100:443\n":                         "7:23 controlPlaneEndpoint: 192.0.2.100:443 is not the virtual IP",
		"nodeLoadBalancer: {}\n---\n" + clusterDoc + "controlPlaneEndpoint: localhost:7443\n":                "7:23 controlPlaneEndpoint: localhost:7443 is no address",
		"nodeLoadBalancer: {}\n---\n" + clusterDoc + "controlPlaneEndpoint: '[::1]:7443'\n":                  "7:23 controlPlaneEndpoint: [::1]:7443 is no address",
		"nodeLoadBalancer: {}\n---\n" + clusterDoc + "controlPlaneEndpoint: a.b\napiServer: {certSANs: 1}\n": "8:23 apiServer.certSANs: is a number",
	} {
		_, err := config.Load([]byte(endpointDoc+docs), inputs())
		if err == nil {
			t.Errorf("%s: no error", docs)
			continue
		}
		checkErrors(t, err, want)
	}
}

func TestUnreadableEndpoint(t *testing.T) {
	for docs, want := range map[string]string{
		"": "0:0 : no document of kind Endpoint",
		endpointDoc + "virtualIP: {address: 192.0.2.9, image: 'a:1', routerID: -1}\n": "3:57 virtualIP.routerID: -1",
		endpointDoc + "x: 1\n": "3:1 x: unknown field",
	} {
		checkErrors(t, config.UnmarshalEndpoint([]byte(docs), &cluster.Cluster{}), want)
	}
}
