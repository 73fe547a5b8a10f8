package facts

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
)

func TestParseListeners(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []cluster.Listener
	}{
		"nothing":    {"", nil},
		"one":        {`LISTEN 0 4096 *:6443 *:* users:(("kube-apiserver",pid=71,fd=3))`, []cluster.Listener{{Port: 6443, Address: "*", Process: "kube-apiserver", PID: 71}}},
		"padded":     {"LISTEN 0      4096       127.0.0.1:2379       0.0.0.0:*    users:((\"etcd\",pid=5,fd=9))           \n", []cluster.Listener{{Port: 2379, Address: "127.0.0.1", Process: "etcd", PID: 5}}},
		"ipv6":       {`LISTEN 0 128 [::1]:10250 [::]:* users:(("kubelet",pid=9,fd=1))`, []cluster.Listener{{Port: 10250, Address: "[::1]", Process: "kubelet", PID: 9}}},
		"a zone":     {`LISTEN 0 4096 127.0.0.53%lo:53 0.0.0.0:*`, []cluster.Listener{{Port: 53, Address: "127.0.0.53%lo"}}},
		"several":    {`LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=12,fd=6),("nginx",pid=11,fd=6))`, []cluster.Listener{{Port: 80, Address: "0.0.0.0", Process: "nginx", PID: 12}}},
		"a space":    {`LISTEN 0 1 *:7000 *:* users:(("tmux: server",pid=3,fd=4))`, []cluster.Listener{{Port: 7000, Address: "*", Process: "tmux: server", PID: 3}}},
		"a quote":    {`LISTEN 0 1 *:7000 *:* users:(("a"b",pid=3,fd=4))`, []cluster.Listener{{Port: 7000, Address: "*", Process: `a"b`, PID: 3}}},
		"no user":    {`LISTEN 0 1 *:7000 *:*`, []cluster.Listener{{Port: 7000, Address: "*"}}},
		"no pid":     {`LISTEN 0 1 *:7000 *:* users:(("x",fd=4))`, []cluster.Listener{{Port: 7000, Address: "*"}}},
		"a bad pid":  {`LISTEN 0 1 *:7000 *:* users:(("x",pid=-3,fd=4))`, []cluster.Listener{{Port: 7000, Address: "*", Process: "x"}}},
		"no port":    {`LISTEN 0 1 *:* *:*`, nil},
		"no number":  {`LISTEN 0 1 *:https *:*`, nil},
		"too large":  {`LISTEN 0 1 *:65536 *:*`, nil},
		"not listen": {`ESTAB 0 1 10.0.0.1:22 10.0.0.2:50000`, nil},
		"cut off":    {`LISTEN 0 1 *:7000`, nil},
		"two lines":  {"LISTEN 0 1 *:1 *:*\nLISTEN 0 1 *:2 *:*\n", []cluster.Listener{{Port: 1, Address: "*"}, {Port: 2, Address: "*"}}},
	} {
		if got := parseListeners(c.in); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestParseProc(t *testing.T) {
	for in, want := range map[string]int64{"": 0, "MemFree: 3 kB\nMemTotal:       16303428 kB\n": 16303428 << 10, "MemTotal: much kB": 0, "MemTotal: 12": 0} {
		if got := parseMemory(in); got != want {
			t.Errorf("memory of %q is %d, want %d", in, got, want)
		}
	}
	for in, want := range map[string]int{"": 0, "processor\t: 0\nmodel name: a processor\nprocessor\t: 1\n": 2, "# processors    : 4\nprocessor 0: version = FF\n": 1} {
		if got := countCPUs(in); got != want {
			t.Errorf("cpus of %q are %d, want %d", in, got, want)
		}
	}
	for in, want := range map[string]int{"Name:\tx\nUid:\t1000\t0\t1000\t1000\n": 0, "Uid:\t0\t1000\t0\t0": 1000, "": -1, "Uid: a b c d": -1, "Uid: 1": -1} {
		if got := parseUID(in); got != want {
			t.Errorf("effective uid of %q is %d, want %d", in, got, want)
		}
	}
}

func FuzzParseListeners(f *testing.F) {
	f.Add(`LISTEN 0 4096 *:6443 *:* users:(("kube-apiserver",pid=71,fd=3))`)
	f.Add("LISTEN 0 1 [::]:1 [::]:* users:((\"\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, l := range parseListeners(s) {
			if l.Port < 0 || l.Port > 65535 || l.PID < 0 {
				t.Errorf("%+v", l)
			}
		}
	})
}

func FuzzParseUser(f *testing.F) {
	f.Add(`kube-apiserver",pid=71,fd=3),("x",pid=1,fd=3))`)
	f.Add(`",pid=`)
	f.Fuzz(func(t *testing.T, s string) {
		if _, pid := parseUser(s); pid < 0 {
			t.Errorf("pid %d", pid)
		}
	})
}

func machine() *hosttest.Machine {
	m := hosttest.New("cp1", hosttest.Options{Kubelet: "v1.36.3"})
	m.Put("/proc/sys/kernel/hostname", "cp1\n", 0o644)
	m.Put("/sys/class/dmi/id/product_uuid", "4C4C4544-0042-3510-8053-B3C04F4D3132\n", 0o400)
	m.Put("/etc/machine-id", "0123\n", 0o444)
	m.Put("/proc/cpuinfo", "processor : 0\nprocessor : 1\n", 0o444)
	m.Put("/proc/meminfo", "MemTotal: 2048 kB\n", 0o444)
	m.Put("/proc/self/status", "Uid:\t0\t0\t0\t0\n", 0o444)
	m.Put(cluster.KubeletConf, "a kubeconfig", 0o600)
	m.Put(cluster.ManifestsDir+"/etcd.yaml", "a manifest", 0o600)
	m.Put("/etc/kubernetes/pki/ca.key", "a key", 0o600)
	m.Put("/etc/ca-certificates/x", "", 0o644)
	m.Put("/var/lib/etcd/member", "", 0o600)
	m.Listen(hosttest.Listener{Addr: "*", Port: 6443, Process: "kube-apiserver", PID: 71})
	m.AddUnit(hosttest.Unit{Name: "systemd-resolved.service", Active: true})
	return m
}

var wanted = &cluster.Cluster{Etcd: cluster.Etcd{DataDir: "/var/lib/etcd"}}

func TestGather(t *testing.T) {
	m := machine()
	before := m.Snapshot()
	f, err := Gather(t.Context(), host.AsReader(m), wanted, []string{"/etc/kubernetes/pki/ca.key", "/etc/kubernetes/pki/ca.crt"}, true)
	if err != nil {
		t.Fatal(err)
	}
	if f.Hostname != "cp1" || f.ProductUUID != "4c4c4544-0042-3510-8053-b3c04f4d3132" || f.MachineID != "0123" || f.CPUs != 2 ||
		f.MemoryBytes != 2<<20 || f.EffectiveUID != 0 || f.KubeletVersion != "v1.36.3" || !f.SystemdResolved {
		t.Errorf("the machine is %+v", f)
	}
	if !slices.Equal(f.Swaps, []cluster.Swap{{Device: "/swap.img", Priority: -2}}) || f.Sysctl["net.ipv4.ip_forward"] != "0" {
		t.Errorf("swaps %v, sysctls %v", f.Swaps, f.Sysctl)
	}
	if _, ok := f.Sysctl["net.bridge.bridge-nf-call-iptables"]; ok {
		t.Error("a sysctl that is not there has a value")
	}
	if want := []cluster.Listener{{Port: 6443, Address: "*", Process: "kube-apiserver", PID: 71}}; !slices.Equal(f.Listeners, want) {
		t.Errorf("listeners are %+v", f.Listeners)
	}
	if string(f.PKI["/etc/kubernetes/pki/ca.key"].Reveal()) != "a key" || !f.PKI["/etc/kubernetes/pki/ca.crt"].Empty() || f.PKI[cluster.KubeletConf].Empty() {
		t.Errorf("content was read of %d files", len(f.PKI))
	}
	if string(f.Manifests[cluster.ManifestsDir+"/etcd.yaml"]) != "a manifest" || !f.Exists(cluster.KubeletConf) || f.Exists(cluster.AdminConf) {
		t.Errorf("manifests %v, files %v", f.Manifests, f.Files)
	}
	if data := f.Files["/var/lib/etcd"]; !data.Dir || data.Empty {
		t.Errorf("etcd's data is %+v", data)
	}
	if !slices.Equal(f.TrustDirs, []string{"/etc/ca-certificates"}) {
		t.Errorf("directories of trust are %v", f.TrustDirs)
	}
	if diff := hosttest.Diff(before, m.Snapshot()); diff != "" {
		t.Errorf("gathering changed the machine:\n%s", diff)
	}
}

func TestGatherOnABareMachine(t *testing.T) {
	f, err := Gather(t.Context(), host.AsReader(hosttest.New("bare", hosttest.Options{})), wanted, nil, true)
	if err != nil || f.KubeletVersion != "" || f.CPUs != 0 || len(f.Listeners) != 0 || len(f.Files) != 0 {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestGatherFilesOnlyRunsNothing(t *testing.T) {
	var log host.Log
	if _, err := Gather(t.Context(), host.Record(machine(), &log), wanted, nil, false); err != nil || len(log.Entries()) > 0 {
		t.Errorf("%v, ran %s", err, log.String())
	}
}

// denied is a machine on which some paths may not be read.
type denied struct {
	host.Reader
	paths []string
}

func (d denied) ReadFile(ctx context.Context, path string) ([]byte, error) {
	if slices.Contains(d.paths, path) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	}
	return d.Reader.ReadFile(ctx, path)
}

// Without root, preflight has to come to say so.
func TestGatherWithoutRoot(t *testing.T) {
	f, err := Gather(t.Context(), denied{machine(), []string{"/sys/class/dmi/id/product_uuid"}}, wanted, nil, true)
	if err != nil || f.ProductUUID != "" || f.Hostname != "cp1" {
		t.Errorf("%+v, %v", f, err)
	}
	// A key that cannot be read would else be taken for one that is to be made.
	_, err = Gather(t.Context(), denied{machine(), []string{"/etc/kubernetes/pki/ca.key"}}, wanted, []string{"/etc/kubernetes/pki/ca.key"}, true)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "gather facts of cp1") || !strings.Contains(err.Error(), "ca.key") {
		t.Errorf("error is %v", err)
	}
}

func TestGatherWithoutSS(t *testing.T) {
	m := machine()
	m.AddProgram("ss", func(*hosttest.Machine, host.Cmd) (host.Result, error) { return host.Result{}, fs.ErrNotExist })
	_, err := Gather(t.Context(), m, wanted, nil, true)
	var missing *NoSSError
	if !errors.As(err, &missing) || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(missing.Hint(), "iproute2") {
		t.Errorf("error is %v", err)
	}
}

func TestGatherInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Gather(ctx, machine(), wanted, nil, true); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}
