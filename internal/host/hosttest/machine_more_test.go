package hosttest_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
)

func run(t *testing.T, m *hosttest.Machine, line string) (string, error) {
	t.Helper()
	res, err := m.Run(t.Context(), host.Cmd{Args: strings.Fields(line)})
	return string(res.Stdout), err
}

func exitCode(err error) int {
	var exit *host.ExitError
	if errors.As(err, &exit) {
		return exit.Exit
	}
	return -1
}

func stat(t *testing.T, m *hosttest.Machine, path string) host.Info {
	t.Helper()
	info, err := m.Stat(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// What a caller does to its slices afterwards changes nothing on the machine.
func TestContentIsCopied(t *testing.T) {
	m := hosttest.New("m", hosttest.Options{})
	content := []byte("abc")
	if err := m.WriteFiles(t.Context(), []host.File{{Path: "/tmp/x", Content: content}}); err != nil {
		t.Fatal(err)
	}
	content[0] = 'X'
	read, err := m.ReadFile(t.Context(), "/tmp/x")
	if err != nil {
		t.Fatal(err)
	}
	read[1] = 'X'
	if got, _ := m.Content("/tmp/x"); got != "abc" {
		t.Errorf("%q", got)
	}
}

// Effects compare times: a content changes both, attributes the second alone,
// and what is already so changes none.
func TestTimes(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	m := hosttest.New("m", hosttest.Options{Clock: func() time.Time { return now }})
	begin := now
	ctx := t.Context()
	mkdir := func(mode fs.FileMode) {
		t.Helper()
		if err := m.Mkdir(ctx, "/opt/d", host.Attr{Mode: mode}); err != nil {
			t.Fatal(err)
		}
	}
	later := func() { now = now.Add(time.Minute) }
	mkdir(0o700)
	later()
	mkdir(0o700)
	if d := stat(t, m, "/opt/d"); !d.Changed.Equal(begin) || !d.ModTime.Equal(begin) {
		t.Errorf("a directory that was right: %+v", d)
	}
	mkdir(0o750)
	if d := stat(t, m, "/opt/d"); !d.Changed.Equal(now) || !d.ModTime.Equal(begin) {
		t.Errorf("with another mode: %+v", d)
	}
	later()
	m.Put("/opt/d/x", "1", 0o644)
	made := now
	if d := stat(t, m, "/opt/d"); !d.ModTime.Equal(now) {
		t.Errorf("a directory with a new file: %+v", d)
	}
	later()
	if err := m.Rename(ctx, "/opt/d/x", "/opt/d/y", false); err != nil {
		t.Fatal(err)
	}
	if y := stat(t, m, "/opt/d/y"); !y.ModTime.Equal(made) || !y.Changed.Equal(now) || y.Name != "y" || y.Size != 1 {
		t.Errorf("a renamed file: %+v", y)
	}
	later()
	if err := m.Remove(ctx, "/opt/d/y"); err != nil {
		t.Fatal(err)
	}
	if d := stat(t, m, "/opt/d"); !d.ModTime.Equal(now) {
		t.Errorf("a directory without a file: %+v", d)
	}
}

func TestLinks(t *testing.T) {
	m := hosttest.New("m", hosttest.Options{})
	ctx := t.Context()
	m.Put("/opt/real/x", "x", 0o644)
	for link, target := range map[string]string{
		"/opt/abs": "/opt/real", "/opt/rel": "./real", "/opt/up": "../opt/rel", "/opt/loop": "loop", "/opt/none": "nothing",
	} {
		if err := m.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"abs", "rel", "up"} {
		if got, ok := m.Content("/opt/" + dir + "/x"); !ok || got != "x" {
			t.Errorf("through %s: %q", dir, got)
		}
	}
	if _, err := m.ReadFile(ctx, "/opt/loop"); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a loop: %v", err)
	}
	if _, err := m.ReadFile(ctx, "/opt/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link to nothing: %v", err)
	}
	if info := stat(t, m, "/opt/none"); info.Target != "nothing" || info.Mode&fs.ModeSymlink == 0 {
		t.Errorf("%+v", info)
	}
	if err := m.Symlink("x", "/opt/real"); err == nil {
		t.Error("a link took the place of a directory")
	}
	if err := m.Remove(ctx, "/opt/abs"); err != nil {
		t.Fatal(err)
	}
	if _, ok := m.Content("/opt/real/x"); !ok {
		t.Error("the target was removed with the link")
	}
}

func TestKernelAndKubelet(t *testing.T) {
	m := hosttest.New("m", hosttest.Options{Kernel: "6.1.2"})
	if out, err := run(t, m, "uname -r"); err != nil || out != "6.1.2\n" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := run(t, m, "kubelet --version"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no kubelet: %v", err)
	}
	m = hosttest.New("m", hosttest.Options{Kubelet: "v1.30.0"})
	m.Put("/usr/local/bin/kubelet", string(hosttest.KubeletBinary("v1.32.0")), 0o644)
	m.Put("/usr/bin/kubelet", string(hosttest.KubeletBinary("v1.31.0")), 0o755)
	if out, err := run(t, m, "kubelet --version"); err != nil || out != "Kubernetes v1.31.0\n" {
		t.Errorf("what is not executable is passed over: %q, %v", out, err)
	}
	if err := m.Remove(t.Context(), "/usr/bin/kubelet"); err != nil {
		t.Fatal(err)
	}
	if out, err := run(t, m, "kubelet --version"); err != nil || out != "Kubernetes v1.30.0\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestListeners(t *testing.T) {
	m := hosttest.New("m", hosttest.Options{})
	m.Listen(hosttest.Listener{Addr: "127.0.0.1", Port: 2379, Process: "etcd", PID: 7})
	m.Listen(hosttest.Listener{Addr: "*", Port: 6443, Process: "kube-apiserver", PID: 8})
	const etcd = "LISTEN 0      4096   127.0.0.1:2379 0.0.0.0:*"
	out, err := run(t, m, "ss -H -l -t -n -p")
	if err != nil || !strings.HasPrefix(out, etcd+` users:(("etcd",pid=7,fd=3))`+"\n") || !strings.Contains(out, "*:6443 *:*") {
		t.Errorf("%q, %v", out, err)
	}
	m.Unlisten("kube-apiserver")
	if out, err := run(t, m, "ss -Hltn"); err != nil || out != etcd+"\n" {
		t.Errorf("%q, %v", out, err)
	}
	for _, line := range []string{"ss", "ss -H", "ss -Hltnu", "ss -Hltn dst"} {
		if _, err := run(t, m, line); err == nil || !strings.Contains(err.Error(), "not understood") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestKernelSettings(t *testing.T) {
	m := hosttest.New("m", hosttest.Options{})
	if _, err := run(t, m, "sysctl -w net.bridge.bridge-nf-call-iptables=1"); exitCode(err) != 1 {
		t.Errorf("without its module: %v", err)
	}
	for range 2 {
		if _, err := run(t, m, "modprobe br_netfilter"); err != nil {
			t.Fatal(err)
		}
	}
	out, err := run(t, m, "sysctl -w net.bridge.bridge-nf-call-iptables=0 net.ipv4.ip_forward=1")
	if err != nil || out != "net.bridge.bridge-nf-call-iptables = 0\nnet.ipv4.ip_forward = 1\n" {
		t.Errorf("%q, %v", out, err)
	}
	if got, _ := m.Content("/proc/sys/net/ipv4/ip_forward"); got != "1\n" {
		t.Errorf("%q", got)
	}
	// A module that is there is left as it is.
	if _, err := run(t, m, "modprobe br-netfilter"); err != nil {
		t.Fatal(err)
	}
	if got, _ := m.Content("/proc/sys/net/bridge/bridge-nf-call-iptables"); got != "0\n" {
		t.Errorf("%q", got)
	}
	if _, err := run(t, m, "sysctl -w net.ipv4.ip_forward"); exitCode(err) != 1 {
		t.Errorf("without a value: %v", err)
	}
}

func TestSwap(t *testing.T) {
	m := hosttest.New("m", hosttest.Options{})
	swaps := func() int {
		content, _ := m.Content("/proc/swaps")
		return strings.Count(content, "\n") - 1
	}
	if _, err := run(t, m, "swapoff /other"); err != nil || swaps() != 1 {
		t.Errorf("another device: %d, %v", swaps(), err)
	}
	if _, err := run(t, m, "swapoff -a"); err != nil || swaps() != 0 {
		t.Errorf("all: %d, %v", swaps(), err)
	}
}

func TestUnitStates(t *testing.T) {
	m := hosttest.New("m", hosttest.Options{})
	m.AddUnit(hosttest.Unit{Name: "a.service", Active: true})
	failing := true
	m.AddUnit(hosttest.Unit{Name: "b.service", OnStart: func(*hosttest.Machine) error {
		if failing {
			return errors.New("bad flag")
		}
		return nil
	}})
	for _, test := range []struct {
		line string
		exit int // -1: it succeeds
		out  string
	}{
		{"systemctl is-active a.service", -1, "active\n"},
		{"systemctl is-active none.service", 3, "inactive\n"},
		{"systemctl is-enabled a.service", 1, "disabled\n"},
		{"systemctl is-enabled none.service", 1, ""},
		{"systemctl start b.service", 1, ""},
		{"systemctl is-active b.service", 3, "inactive\n"},
		{"systemctl stop a.service", -1, ""},
		{"systemctl is-active a.service", 3, "inactive\n"},
		{"systemctl enable a.service", -1, ""},
		{"systemctl is-enabled a.service", -1, "enabled\n"},
		{"systemctl show --property=LoadState none.service", -1, "LoadState=not-found\n"},
	} {
		out, err := run(t, m, test.line)
		if exitCode(err) != test.exit || out != test.out {
			t.Errorf("%s: %q, %v", test.line, out, err)
		}
	}
	failing = false
	if _, err := run(t, m, "systemctl start b.service"); err != nil {
		t.Error(err)
	}
	started := func() string {
		out, err := run(t, m, "systemctl show --timestamp=us+utc --property=ExecMainStartTimestamp b.service")
		if err != nil || !strings.HasSuffix(out, " UTC\n") {
			t.Errorf("%q, %v", out, err)
		}
		return out
	}
	first := started()
	if _, err := run(t, m, "systemctl start b.service"); err != nil || started() != first {
		t.Errorf("a start of what runs is none: %v", err)
	}
	if _, err := run(t, m, "systemctl restart b.service"); err != nil || started() == first {
		t.Errorf("a restart is one: %v", err)
	}
}

func TestPrograms(t *testing.T) {
	m := hosttest.New("m", hosttest.Options{})
	m.AddProgram("uname", func(m *hosttest.Machine, cmd host.Cmd) (host.Result, error) {
		m.Put("/tmp/ran", cmd.String(), 0o600) // it runs without the lock
		return host.Result{Exit: 2, Stderr: []byte("one\ntwo\n")}, nil
	})
	_, err := run(t, m, "uname -r")
	if exitCode(err) != 2 || err.Error() != "run uname -r: exit code 2: two" {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Remove(t.Context(), "/tmp/ran"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Run(ctx, host.Cmd{Args: []string{"uname", "-r"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, ran := m.Content("/tmp/ran"); ran {
		t.Error("a command ran although the context had ended")
	}
}

// A list is written up to what cannot be, and a rename takes a tree along.
func TestTrees(t *testing.T) {
	m := hosttest.New("m", hosttest.Options{})
	ctx := t.Context()
	m.Put("/opt/a/b/c", "c", 0o600)
	m.Put("/opt/ab", "ab", 0o600) // begins like a
	if err := m.Rename(ctx, "/opt/a", "/var/a", false); err != nil {
		t.Fatal(err)
	}
	if got, _ := m.Content("/var/a/b/c"); got != "c" {
		t.Errorf("%q", got)
	}
	if _, ok := m.Content("/opt/ab"); !ok {
		t.Error("a neighbour was taken along")
	}
	if err := m.Rename(ctx, "/var/a", "/var/a/b/d", false); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("into itself: %v", err)
	}
	if err := m.Remove(ctx, "/"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("all of it: %v", err)
	}
}

// Every method and program at once; the race detector is the judge.
func TestMachineIsSafeForConcurrentUse(t *testing.T) {
	m := hosttest.New("m", hosttest.Options{})
	m.AddUnit(hosttest.Unit{Name: "a.service"})
	ctx := t.Context()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			p := fmt.Sprintf("/tmp/%d", i)
			for range 20 {
				_ = m.WriteFiles(ctx, []host.File{{Path: p}})
				_ = m.Rename(ctx, p, "/tmp/shared", false)
				_ = m.Link(ctx, p, "shared")
				_, _ = m.Digest(ctx, []string{p, "/tmp/shared"})
				_, _ = m.ReadDir(ctx, "/tmp")
				_ = m.Remove(ctx, p)
				for _, line := range []string{"systemctl restart a.service", "systemctl is-active a.service", "systemctl enable a.service",
					"systemctl is-enabled a.service", "systemctl show --property=ActiveState a.service", "systemctl stop a.service",
					"systemctl daemon-reload", "modprobe br_netfilter", "swapoff -a", "ss -Hltn"} {
					_, _ = m.Run(ctx, host.Cmd{Args: strings.Fields(line)})
				}
				m.Listen(hosttest.Listener{Process: p})
				m.Unlisten(p)
				_ = m.Snapshot()
			}
		})
	}
	wg.Wait()
}
