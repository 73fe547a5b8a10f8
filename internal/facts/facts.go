// Package facts reads what a machine looks like before anything is planned:
// one composite, parallel read per host that ends in a plain value. It changes
// nothing and decides nothing.
package facts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/procfs"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// managed are the paths whose presence matters to planning and preflight.
var managed = []string{
	cluster.KubernetesDir,
	cluster.AdminConf, cluster.SuperAdminConf, cluster.KubeletConf, cluster.BootstrapKubeletConf,
	cluster.ControllerConf, cluster.SchedulerConf, "/etc/kubernetes/pki/ca.crt", cluster.KubeletConfig, cluster.KubeletFlagsEnv, cluster.KubeletInstance,
	cluster.EtcdKubeletDropIn,
}

var manifestFiles = []string{
	cluster.ManifestsDir + "/kube-apiserver.yaml", cluster.ManifestsDir + "/kube-controller-manager.yaml",
	cluster.ManifestsDir + "/kube-scheduler.yaml", cluster.ManifestsDir + "/etcd.yaml",
	cluster.ManifestsDir + "/clusteradm-haproxy.yaml", cluster.ManifestsDir + "/clusteradm-keepalived.yaml",
}

// trust are the CA directories that kubeadm mounts into static pods when they
// exist (cmd/kubeadm/app/phases/controlplane/volumes.go).
var trust = []string{"/etc/pki/ca-trust", "/etc/pki/tls/certs", "/etc/ca-certificates", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"}

var sysctls = []string{cluster.ForwardIPv4, cluster.ForwardIPv6, cluster.BridgeIPv4, cluster.BridgeIPv6}

// Gather reads one machine. What cannot be read and is not needed by everyone
// (a kubelet that is not installed) is left empty for preflight to judge.
//
// Without programs, only files are read: enough for phases that write
// certificates and kubeconfigs.
func Gather(ctx context.Context, h host.Reader, c *cluster.Cluster, pkiFiles []string, programs bool) (cluster.HostFacts, error) {
	f := cluster.HostFacts{Sysctl: map[string]string{}, Files: map[string]cluster.FileFact{}, Manifests: map[string][]byte{}, PKI: map[string]secret.Bytes{}}
	var mu sync.Mutex
	set := func(assign func()) { mu.Lock(); defer mu.Unlock(); assign() }

	g, ctx := errgroup.WithContext(ctx)
	read := func(path string, assign func(string), passOver ...error) {
		g.Go(func() error {
			data, err := h.ReadFile(ctx, path)
			if slices.ContainsFunc(passOver, func(e error) bool { return errors.Is(err, e) }) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("gather facts of %s: %w", h.Name(), err)
			}
			set(func() { assign(string(data)) })
			return nil
		})
	}
	// What only root may read is left empty, for preflight says that it takes root.
	text := func(path string, assign func(string)) { read(path, assign, fs.ErrNotExist, fs.ErrPermission) }
	text("/proc/sys/kernel/hostname", func(s string) { f.Hostname = strings.TrimSpace(s) })
	text("/sys/class/dmi/id/product_uuid", func(s string) { f.ProductUUID = strings.ToLower(strings.TrimSpace(s)) })
	text("/etc/machine-id", func(s string) { f.MachineID = strings.TrimSpace(s) })
	text("/proc/cpuinfo", func(s string) { f.CPUs = countCPUs(s) })
	text("/proc/meminfo", func(s string) { f.MemoryBytes = parseMemory(s) })
	text("/proc/self/status", func(s string) { f.EffectiveUID = parseUID(s) })
	for _, name := range sysctls {
		text("/proc/sys/"+strings.ReplaceAll(name, ".", "/"), func(s string) { f.Sysctl[name] = strings.TrimSpace(s) })
	}
	for _, p := range append(append([]string{}, pkiFiles...), cluster.AdminConf, cluster.SuperAdminConf, cluster.KubeletConf,
		cluster.BootstrapKubeletConf, cluster.ControllerConf, cluster.SchedulerConf, cluster.KubeletClientPEM) {
		// A key that is there and cannot be read must not pass for a missing one.
		read(p, func(s string) { f.PKI[p] = secret.NewBytes([]byte(s)) }, fs.ErrNotExist)
	}
	for _, p := range manifestFiles {
		text(p, func(s string) { f.Manifests[p] = []byte(s) })
	}
	text(cluster.HAProxyConfig, func(s string) { f.Balancer = []byte(s) })
	if c.VirtualIP != nil {
		routes := func(parsed []procfs.Route) {
			for _, r := range parsed {
				f.AddressRoutes = append(f.AddressRoutes, cluster.Route(r))
			}
		}
		text("/proc/net/route", func(s string) { routes(procfs.Routes4(s)) })
		text("/proc/net/ipv6_route", func(s string) { routes(procfs.Routes6(s)) })
	}
	g.Go(func() error { return gatherFiles(ctx, h, c, &f, set) })
	g.Go(func() error { return gatherSwaps(ctx, h, &f, set, programs) })
	g.Go(func() error { return gatherModules(ctx, h, &f, set) })
	g.Go(func() error { return gatherFixes(ctx, h, &f, set) })
	if programs {
		gatherPrograms(ctx, g, h, &f, set)
	}
	err := g.Wait()
	return f, err
}

// gatherPrograms asks what only programs know, which takes them tens of
// milliseconds each.
func gatherPrograms(ctx context.Context, g *errgroup.Group, h host.Reader, f *cluster.HostFacts, set func(func())) {
	g.Go(func() error {
		res, err := h.Query(ctx, host.Cmd{Args: []string{"ss", "-H", "-l", "-t", "-n", "-p"}})
		if errors.Is(err, fs.ErrNotExist) {
			return &NoSSError{Host: h.Name(), Err: err}
		}
		if err != nil {
			return fmt.Errorf("gather facts of %s: list listening ports: %w", h.Name(), err)
		}
		set(func() { f.Listeners = parseListeners(string(res.Stdout)) })
		return nil
	})
	query := func(assign func(string), args ...string) {
		g.Go(func() error {
			// A program that is missing or a unit that is not active is a fact.
			if res, err := h.Query(ctx, host.Cmd{Args: args}); err == nil {
				set(func() { assign(strings.TrimSpace(string(res.Stdout))) })
			}
			return ctx.Err()
		})
	}
	query(func(s string) { f.KubeletVersion = strings.TrimPrefix(s, "Kubernetes ") }, "kubelet", "--version")
	query(func(s string) { f.SystemdResolved = s == "active" }, "systemctl", "is-active", "systemd-resolved.service")
}

func gatherFiles(ctx context.Context, h host.Reader, c *cluster.Cluster, f *cluster.HostFacts, set func(func())) error {
	paths := slices.Concat(managed, manifestFiles, trust)
	if c.Etcd.DataDir != "" {
		paths = append(paths, c.Etcd.DataDir)
	}
	found := map[string]cluster.FileFact{}
	for _, p := range paths {
		info, err := h.Stat(ctx, p)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue
		}
		if err != nil {
			return fmt.Errorf("gather facts of %s: %w", h.Name(), err)
		}
		fact := fileFact(info)
		// A data directory may be a link to another disk.
		link := info.Mode&fs.ModeSymlink != 0
		if fact.Dir || link {
			entries, err := h.ReadDir(ctx, p)
			if err != nil && !link && !errors.Is(err, fs.ErrPermission) {
				return fmt.Errorf("gather facts of %s: %w", h.Name(), err)
			}
			fact.Dir, fact.Empty = fact.Dir || err == nil, err == nil && len(entries) == 0
		}
		found[p] = fact
	}
	set(func() {
		for p, fact := range found {
			f.Files[p] = fact
		}
		for _, p := range trust {
			if found[p].Dir {
				f.TrustDirs = append(f.TrustDirs, path.Clean(p))
			}
		}
	})
	return nil
}

func countCPUs(s string) int {
	n := 0
	for line := range strings.Lines(s) {
		if strings.HasPrefix(line, "processor") {
			n++
		}
	}
	return n
}

func parseMemory(s string) int64 {
	for line := range strings.Lines(s) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemTotal:" {
			kb, err := strconv.ParseInt(fields[1], 10, 64)
			if err == nil {
				return kb << 10
			}
		}
	}
	return 0
}

// parseUID reads the effective user id; -1 when it cannot be told.
func parseUID(s string) int {
	for line := range strings.Lines(s) {
		if fields := strings.Fields(line); len(fields) == 5 && fields[0] == "Uid:" {
			if uid, err := strconv.Atoi(fields[2]); err == nil {
				return uid
			}
		}
	}
	return -1
}

// users begins what ss -p says of the processes that hold a socket. It comes
// last on its line and may hold spaces.
const users = `users:(("`

// parseListeners reads lines of `ss -H -l -t -n -p`:
//
//	LISTEN 0 4096 *:6443 *:* users:(("kube-apiserver",pid=71,fd=3))
func parseListeners(s string) []cluster.Listener {
	var listeners []cluster.Listener
	for line := range strings.Lines(s) {
		socket, user, _ := strings.Cut(strings.TrimSpace(line), users)
		fields := strings.Fields(socket)
		if len(fields) < 5 || fields[0] != "LISTEN" {
			continue
		}
		colon := strings.LastIndexByte(fields[3], ':')
		if colon < 0 {
			continue
		}
		port, err := strconv.ParseUint(fields[3][colon+1:], 10, 16)
		if err != nil {
			continue
		}
		l := cluster.Listener{Port: int(port), Address: fields[3][:colon]}
		l.Process, l.PID = parseUser(user)
		listeners = append(listeners, l)
	}
	return listeners
}

// parseUser reads the first process of `kube-apiserver",pid=71,fd=3),("…`. A
// process may have any name, quotes too.
func parseUser(s string) (process string, pid int) {
	name, rest, ok := strings.Cut(s, `",pid=`)
	if !ok {
		return "", 0
	}
	number, _, _ := strings.Cut(rest, ",")
	pid, err := strconv.Atoi(number)
	if err != nil || pid < 0 {
		return name, 0
	}
	return name, pid
}

// NoSSError reports a machine without ss, which tells what holds the ports.
type NoSSError struct {
	Host string
	Err  error
}

func (e *NoSSError) Error() string {
	return fmt.Sprintf("gather facts of %s: list listening ports: %v", e.Host, e.Err)
}

func (e *NoSSError) Unwrap() error { return e.Err }

// Hint is where ss comes from.
func (e *NoSSError) Hint() string { return "install iproute2 (iproute on Fedora and its kin)" }
