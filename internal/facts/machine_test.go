package facts

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/cri/critest"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
)

// prober answers for a machine in memory.
type prober struct{ dir string }

func (p *prober) ClockSynchronised(context.Context) (bool, error) { return true, nil }

func (p *prober) SyncTimes(_ context.Context, dir string, _ int, _ time.Duration) ([]time.Duration, error) {
	p.dir = dir
	return []time.Duration{3 * time.Millisecond, 1500 * time.Microsecond}, nil
}

func TestMachineFacts(t *testing.T) {
	m := hosttest.New("cp1", hosttest.Options{Kubelet: "v1.36.3", Kernel: "6.12.0"})
	m.Healthy()
	m.AddUnit(hosttest.Unit{Name: "kubelet.service", Enabled: true})
	m.AddUnit(hosttest.Unit{Name: "firewalld.service", Active: true})
	m.Put("/sys/class/net/eth0/address", "52:54:00:12:34:56\n", 0o444)
	m.Put("/sys/class/net/eth0/device/x", "", 0o444)
	m.Put("/sys/class/net/cni0/address", "52:54:00:12:34:57\n", 0o444)
	m.Put("/proc/net/route", "Iface\tDestination\tGateway\ncni0\t0000F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\n", 0o444)
	m.Put("/etc/cni/net.d/10-flannel.conflist", "", 0o644)
	m.Put("/etc/cni/net.d/100-crio-bridge.conflist", "", 0o644) // of a package
	m.Put("/etc/cni/net.d/README", "", 0o644)
	m.Put("/var/lib/cni/networks/cbr0/10.244.0.2", "", 0o644)
	if err := m.Mkdir(t.Context(), "/var/lib/kubelet/pods", host.Attr{Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	m.Rules("iptables-nft", "*nat\n:KUBE-SERVICES - [0:0]\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n")
	m.AddTable("ip kube-proxy")
	runtime := critest.New()
	runtime.AddSandbox(cri.Sandbox{ID: "1", Namespace: "kube-system", Name: "etcd-cp1"})
	before := m.Snapshot()

	p := &prober{}
	f, err := Machine(t.Context(), host.AsReader(m), Asked{Cluster: wanted, Node: cluster.Node{Name: "cp1", ControlPlane: true}, Runtime: runtime, P: p})
	if err != nil {
		t.Fatal(err)
	}
	if f.KernelRelease != "6.12.0" || f.KernelConfig["CONFIG_MEMCG"] != "y" || f.Cgroups.Version != 2 || !slices.Contains(f.Cgroups.Controllers, "memory") {
		t.Errorf("kernel %q, %d options, %+v", f.KernelRelease, len(f.KernelConfig), f.Cgroups)
	}
	if !f.Programs["losetup"] || f.Programs["conntrack"] || !f.Units["kubelet.service"].Loaded || !f.Units["firewalld.service"].Active || f.Units["kubelet.service"].Active {
		t.Errorf("programs %v, units %v", f.Programs, f.Units)
	}
	if f.HostName != (cluster.Resolution{Known: true, Address: "127.0.1.1"}) || f.ClockSync != cluster.Yes || !slices.Equal(f.FsyncMs, []float64{1.5, 3}) || p.dir != "/var/lib" {
		t.Errorf("name %+v, clock %q, syncs of %s %v", f.HostName, f.ClockSync, p.dir, f.FsyncMs)
	}
	if want := []cluster.Link{{Name: "cni0"}, {Name: "eth0", MAC: "52:54:00:12:34:56", Physical: true}}; !slices.Equal(f.Links, want) {
		t.Errorf("links %+v", f.Links)
	}
	if len(f.Routes) != 1 || f.Routes[0].Prefix.String() != "10.244.0.0/24" || len(f.Disks) != 3 || f.Disks[2].Path != "/var/lib/etcd" || f.Disks[2].Free == 0 {
		t.Errorf("routes %v, disks %v", f.Routes, f.Disks)
	}
	var left []string
	for _, l := range f.Leftovers {
		left = append(left, l.What)
	}
	if want := []string{"kube-system/etcd-cp1", "network configuration /etc/cni/net.d/10-flannel.conflist", "network interface cni0", "nftables table ip kube-proxy",
		"pod network state in /var/lib/cni/networks"}; !slices.Equal(left, want) {
		t.Errorf("left %q", left)
	}
	if diff := hosttest.Diff(before, m.Snapshot()); diff != "" {
		t.Errorf("looking changed:\n%s", diff)
	}
}

// A machine that can be asked for nothing has no facts and is no error.
func TestMachineFactsOfNothing(t *testing.T) {
	m := hosttest.New("cp1", hosttest.Options{})
	for _, program := range []string{"systemctl", "stat", "getent"} {
		m.AddProgram(program, func(*hosttest.Machine, host.Cmd) (host.Result, error) { return host.Result{Exit: 1}, nil })
	}
	f, err := Machine(t.Context(), host.AsReader(m), Asked{Cluster: wanted, Node: cluster.Node{Name: "x"}, Runtime: cri.Unavailable{}})
	if err != nil || !f.Seen || f.KernelConfig != nil || f.Cgroups.Version != 0 || len(f.Units)+len(f.Disks)+len(f.Leftovers) > 0 || f.ClockSync != cluster.Unknown {
		t.Errorf("%+v, %v", f, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Machine(gone, host.AsReader(m), Asked{Cluster: wanted}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type dialer struct{}

func (dialer) DialHost(ctx context.Context, network, addr string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, addr)
}

func TestFixesAreRead(t *testing.T) {
	m := machine()
	record := cluster.Fixes{Modules: []string{"overlay"}, Masks: []string{"/etc/systemd/system/x.swap"}}
	data, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	m.Put(cluster.FixesFile, string(data), 0o600)
	m.Put(cluster.FstabFile, "x", 0o640)
	if err := m.Symlink("/dev/null", "/etc/systemd/system/x.swap"); err != nil {
		t.Fatal(err)
	}
	f, err := Gather(t.Context(), host.AsReader(m), wanted, nil, true)
	if err != nil || !slices.Equal(f.Fixes.Modules, record.Modules) || f.Files["/etc/systemd/system/x.swap"].Target != "/dev/null" ||
		f.Files[cluster.FstabFile].Mode != 0o640 || string(f.FixFiles[cluster.FstabFile].Reveal()) != "x" {
		t.Errorf("%+v, %v", f.Fixes, err)
	}
	m.Put(cluster.FixesFile, "{", 0o600)
	var broken *RecordError
	if _, err := Gather(t.Context(), host.AsReader(m), wanted, nil, true); !errors.As(err, &broken) || broken.Hint() == "" {
		t.Errorf("a broken record: %v", err)
	}
}

// answering is a network in which one address has an owner, and one refuses.
type answering struct{}

func (answering) DialHost(_ context.Context, _, addr string) (net.Conn, error) {
	switch addr {
	case "192.0.2.100:6443":
		one, two := net.Pipe()
		return one, two.Close()
	case "192.0.2.101:6443":
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	return nil, &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}
}

func TestVirtualIP(t *testing.T) {
	for addr, want := range map[string]cluster.Tristate{"192.0.2.100": cluster.Yes, "192.0.2.101": cluster.Yes, "192.0.2.102": cluster.No} {
		c := *wanted
		c.VirtualIP = &cluster.VirtualIP{Address: netip.MustParseAddr(addr)}
		f, err := Machine(t.Context(), host.AsReader(hosttest.New("cp1", hosttest.Options{})),
			Asked{Cluster: &c, Node: cluster.Node{Name: "cp1", ControlPlane: true, BindPort: 6443}, Runtime: critest.New(), D: answering{}})
		if err != nil || f.VirtualIP != want {
			t.Errorf("%s: %q, %v", addr, f.VirtualIP, err)
		}
	}
}

// The routes are read only where an interface has to be found.
func TestRoutesOfAVirtualIP(t *testing.T) {
	m := hosttest.New("cp1", hosttest.Options{})
	m.Put("/proc/net/route", "Iface\tDestination\tGateway\neth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n", 0o444)
	m.Put(cluster.HAProxyConfig, "config", 0o644)
	c := *wanted
	for _, v := range []*cluster.VirtualIP{nil, {}} {
		c.VirtualIP = v
		f, err := Gather(t.Context(), host.AsReader(m), &c, nil, false)
		if err != nil || string(f.Balancer) != "config" || len(f.AddressRoutes) > 0 != (v != nil) {
			t.Errorf("%v: %+v, %q, %v", v, f.AddressRoutes, f.Balancer, err)
		}
	}
}
