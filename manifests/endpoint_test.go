package manifests

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

func withEndpoint() *cluster.Cluster {
	c := defaultCluster()
	c.LoadBalancer = &cluster.NodeLoadBalancer{Port: 7443, Image: "docker.io/library/haproxy:3.2"}
	c.VirtualIP = &cluster.VirtualIP{Address: netip.MustParseAddr("192.0.2.100"), RouterID: 100, Image: "registry.example.com/keepalived:2.2.7"}
	return c
}

func balancer(backends ...string) Balancer {
	b := Balancer{Listen: netip.MustParseAddrPort("127.0.0.1:7443"), Endpoint: "api.example.com:6443", CASum: CASum([]byte("ca"))}
	for _, s := range backends {
		b.Backends = append(b.Backends, netip.MustParseAddrPort(s))
	}
	return b
}

func TestHAProxy(t *testing.T) {
	b := balancer("192.0.2.12:6443", "192.0.2.10:6443", "192.0.2.11:6443", "192.0.2.10:6443")
	config := must[[]byte](t)(b.Render())
	golden(t, "haproxy.cfg", config)
	golden(t, "haproxy.yaml", must[[]byte](t)(HAProxy(withEndpoint())))

	back := must[Balancer](t)(ParseBalancer(config))
	b = balancer("192.0.2.10:6443", "192.0.2.11:6443", "192.0.2.12:6443")
	if !reflect.DeepEqual(back, b) {
		t.Errorf("read back: %+v, want %+v", back, b)
	}
	if again := must[[]byte](t)(back.Render()); !bytes.Equal(again, config) {
		t.Errorf("rendered again:\n%s", again)
	}
}

func TestHAProxyOfIPv6(t *testing.T) {
	b := balancer("[2001:db8::10]:6443")
	b.Listen, b.Endpoint = netip.MustParseAddrPort("[::1]:7443"), "[2001:db8::10]:6443"
	config := must[[]byte](t)(b.Render())
	for _, want := range []string{"  bind [::1]:7443\n", "  server 2001:db8::10:6443 [2001:db8::10]:6443\n"} {
		if !bytes.Contains(config, []byte(want)) {
			t.Errorf("without %q:\n%s", want, config)
		}
	}
	if strings.Contains(string(config), "server endpoint") {
		t.Error("the endpoint is a backend, and there once more")
	}
}

// An empty list would cut the node off for good.
func TestNeverWithoutBackends(t *testing.T) {
	if config, err := balancer().Render(); err == nil {
		t.Errorf("rendered:\n%s", config)
	}
	for _, config := range []string{"", "frontend x\n  bind 127.0.0.1:7443\n", "  bind x\n", "  bind 127.0.0.1:1\n  server a b\n", "  server 192.0.2.1:1 192.0.2.1:1\n"} {
		if b, err := ParseBalancer([]byte(config)); err == nil {
			t.Errorf("%q is read as %+v", config, b)
		}
	}
}

// Whether haproxy runs with a configuration is asked by the configuration's own
// digest: any difference must change it.
func TestRunningURL(t *testing.T) {
	seen := map[string]string{}
	for name, change := range map[string]func(*Balancer){
		"as it is":         func(*Balancer) {},
		"another backend":  func(b *Balancer) { b.Backends = append(b.Backends, netip.MustParseAddrPort("192.0.2.11:6443")) },
		"another endpoint": func(b *Balancer) { b.Endpoint = "" },
		"another ca":       func(b *Balancer) { b.CASum = CASum([]byte("new")) },
	} {
		b := balancer("192.0.2.10:6443")
		change(&b)
		config := must[[]byte](t)(b.Render())
		url := b.RunningURL(config)
		if !strings.HasPrefix(url, "http://127.0.0.1:7443/config/") || len(url) != len("http://127.0.0.1:7443/config/")+64 {
			t.Errorf("%s: %s", name, url)
		}
		if other := seen[url]; other != "" {
			t.Errorf("%s and %s have one digest", name, other)
		}
		seen[url] = name
	}
}

func TestKeepalived(t *testing.T) {
	c, n := withEndpoint(), defaultNode()
	golden(t, "keepalived.conf", must[[]byte](t)(Keepalived(c, n, "eth0", CASum([]byte("ca")))))
	golden(t, "keepalived.yaml", must[[]byte](t)(KeepalivedPod(c)))

	c.VirtualIP.Interface = "bond0"
	if config := must[[]byte](t)(Keepalived(c, n, "eth0", "")); !bytes.Contains(config, []byte("  interface bond0\n")) {
		t.Errorf("not on the interface that was asked for:\n%s", config)
	}
	c.VirtualIP.Interface = ""
	var missing *NoInterfaceError
	if _, err := Keepalived(c, n, "", ""); !errors.As(err, &missing) || missing.Hint() == "" {
		t.Errorf("without an interface: %v", err)
	}
}

// The programs have no more of root's powers than they need.
func TestEndpointPodsArePoor(t *testing.T) {
	for name, want := range map[string][]corev1.Capability{HAProxyName: nil, KeepalivedName: {"NET_ADMIN", "NET_BROADCAST", "NET_RAW", "SETGID"}} {
		render := HAProxy
		if name == KeepalivedName {
			render = KeepalivedPod
		}
		pod := parsePod(t, must[[]byte](t)(render(withEndpoint())))
		s := pod.Spec.Containers[0].SecurityContext
		if pod.Name != name || !reflect.DeepEqual(s.Capabilities, &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: want}) ||
			*s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestFollower(t *testing.T) {
	golden(t, "clusteradm-endpoint.service", Follower("/usr/local/bin/clusteradm"))
	if unit := string(Follower(`/opt/50% "x"/clusteradm`)); !strings.Contains(unit, `ExecStart="/opt/50%% \"x\"/clusteradm" endpoint follow`+"\n") {
		t.Error(unit)
	}
}

func TestEndpointConfig(t *testing.T) {
	var out []byte
	for _, o := range EndpointConfig([]byte("kind: Endpoint\n")) {
		out = append(append(out, "---\n"...), must[[]byte](t)(yaml.Marshal(o.Object))...)
	}
	golden(t, "endpoint-config.yaml", out)
}

// A cluster of kubeadm's may have its endpoint without a port.
func TestTheWayOutHasAPort(t *testing.T) {
	b := Balancer{Listen: netip.MustParseAddrPort("127.0.0.1:7443"), Backends: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.10:8443")}}
	for endpoint, want := range map[string]string{
		"api.lab": "api.lab:8443", "api.lab:6443": "api.lab:6443", "2001:db8::1": "[2001:db8::1]:8443", "[2001:db8::1]": "[2001:db8::1]:8443", "192.0.2.10": "",
	} {
		b.Endpoint = endpoint
		config, err := b.Render()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseBalancer(config); err != nil || got.Endpoint != want {
			t.Errorf("%s: the way out is %q, %v; want %q", endpoint, got.Endpoint, err, want)
		}
	}
}
