package facts

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/procfs"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// resolveTimeout bounds the look-up of the node's own name: the answer of a
// name server that is that slow would be of no use to components either.
const resolveTimeout = time.Second

// Measuring writes takes 100 of them where that is quick, as it should be, and
// fewer where it is not.
const (
	syncCount  = 100
	syncWithin = 100 * time.Millisecond
)

// looker is one read of a machine for the checks. All of it is asked at once,
// and what does not answer is a fact.
type looker struct {
	host.Reader
	ctx   context.Context
	group *errgroup.Group
	mu    sync.Mutex
	facts cluster.MachineFacts
}

// Asked is what checks are for; P is nil where it cannot be asked.
type Asked struct {
	Cluster *cluster.Cluster
	Node    cluster.Node
	Runtime cri.Reader
	P       host.Prober
	D       host.Dialer
	// Given are files that will be here, by path, and are taken for those that are.
	Given map[string]secret.Bytes
	// Etcd connects to one endpoint of an external etcd with the API server's
	// credentials; nil where it cannot be asked.
	Etcd func(endpoint string, ca, cert []byte, key secret.Bytes) (EtcdReader, error)
}

// Machine reads what only the checks look at.
func Machine(ctx context.Context, h host.Reader, a Asked) (cluster.MachineFacts, error) {
	m := &looker{Reader: h}
	m.facts.Seen = true
	m.group, m.ctx = errgroup.WithContext(ctx)
	m.ask(m.kernel, m.cgroups, m.programs, m.units, m.links, m.routes, m.leftoverFiles, m.leftoverRules,
		func() { m.hostName(a.Node.Name) },
		func() { m.disks(diskPaths(a)) },
		func() { m.sandboxes(m.ctx, a.Runtime) })
	if a.P != nil {
		m.ask(func() { m.clock(a.P) })
		if a.Node.ControlPlane && a.Cluster.Etcd.External == nil {
			m.ask(func() { m.syncTimes(a.P, a.Cluster.Etcd.DataDir) })
		}
	}
	if a.Cluster.VirtualIP != nil && a.Node.ControlPlane {
		m.ask(func() { m.virtualIP(m.ctx, a) })
	}
	if a.Cluster.Etcd.External != nil && a.Node.ControlPlane {
		m.ask(func() {
			etcd := m.externalEtcd(a)
			m.set(func(f *cluster.MachineFacts) { f.Etcd = etcd })
		})
	}
	err := m.group.Wait()
	slices.SortFunc(m.facts.Leftovers, func(a, b cluster.Leftover) int { return strings.Compare(a.What, b.What) })
	return m.facts, err
}

func (m *looker) ask(questions ...func()) {
	for _, q := range questions {
		m.group.Go(func() error { q(); return m.ctx.Err() })
	}
}

func (m *looker) set(assign func(*cluster.MachineFacts)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	assign(&m.facts)
}

// text is a file, empty where it cannot be read.
func (m *looker) text(p string) string {
	data, err := m.ReadFile(m.ctx, p)
	if err != nil {
		return ""
	}
	return string(data)
}

func (m *looker) there(p string) bool {
	_, err := m.Stat(m.ctx, p)
	return err == nil
}

// query is what a program prints; that it is missing or fails is a fact.
func (m *looker) query(timeout time.Duration, args ...string) (string, error) {
	res, err := m.Query(m.ctx, host.Cmd{Args: args, Timeout: timeout})
	return string(res.Stdout), err
}

func (m *looker) kernel() {
	release := strings.TrimSpace(m.text("/proc/sys/kernel/osrelease"))
	var config map[string]string
	for _, p := range []string{"/proc/config.gz", "/boot/config-" + release, "/usr/lib/modules/" + release + "/config",
		"/usr/lib/ostree-boot/config-" + release, "/usr/lib/kernel/config-" + release, "/lib/modules/" + release + "/build/.config"} {
		data, err := m.ReadFile(m.ctx, p)
		if err != nil {
			continue
		}
		if config = procfs.KernelConfig(data); config != nil {
			break
		}
	}
	m.set(func(f *cluster.MachineFacts) { f.KernelRelease, f.KernelConfig = release, config })
}

func (m *looker) cgroups() {
	mount := procfs.Cgroups(m.text("/proc/mounts"))
	if mount.Mixed {
		info, err := m.Stat(m.ctx, mount.Path+"/memory")
		mount.V2 = err != nil || !info.Mode.IsDir()
	}
	var c cluster.Cgroups
	switch {
	case mount.V2:
		c = cluster.Cgroups{Version: 2, Controllers: strings.Fields(m.text(mount.Path + "/cgroup.controllers"))}
	case mount.Exists:
		c = cluster.Cgroups{Version: 1, Controllers: procfs.CgroupControllers(m.text("/proc/cgroups"))}
	}
	m.set(func(f *cluster.MachineFacts) { f.Cgroups = c })
}

func (m *looker) programs() {
	found := map[string]bool{}
	for _, name := range cluster.Programs() {
		found[name] = slices.ContainsFunc([]string{"/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/local/bin/", "/usr/local/sbin/"},
			func(dir string) bool { return m.there(dir + name) })
	}
	m.set(func(f *cluster.MachineFacts) { f.Programs = found })
}

func (m *looker) units() {
	out, err := m.query(0, append([]string{"systemctl", "show", "--property=Id,LoadState,UnitFileState,ActiveState"}, cluster.Units()...)...)
	if err != nil {
		return
	}
	units := map[string]cluster.Unit{}
	for block := range strings.SplitSeq(out, "\n\n") {
		if p := procfs.Properties(block); p["Id"] != "" {
			units[p["Id"]] = cluster.Unit{Loaded: p["LoadState"] == "loaded", Masked: p["LoadState"] == "masked",
				Enabled: p["UnitFileState"] == "enabled", Active: p["ActiveState"] == "active"}
		}
	}
	m.set(func(f *cluster.MachineFacts) { f.Units = units })
}

func (m *looker) links() {
	entries, err := m.ReadDir(m.ctx, "/sys/class/net")
	if err != nil {
		return
	}
	var links []cluster.Link
	for _, e := range entries {
		at := "/sys/class/net/" + e.Name
		l := cluster.Link{Name: e.Name, Physical: m.there(at + "/device"), Enslaved: m.there(at + "/master")}
		if l.Physical {
			l.MAC = strings.TrimSpace(m.text(at + "/address"))
		}
		links = append(links, l)
	}
	m.set(func(f *cluster.MachineFacts) { f.Links = links })
}

func (m *looker) routes() {
	var routes []cluster.Route
	for _, r := range append(procfs.Routes4(m.text("/proc/net/route")), procfs.Routes6(m.text("/proc/net/ipv6_route"))...) {
		routes = append(routes, cluster.Route(r))
	}
	m.set(func(f *cluster.MachineFacts) { f.Routes = routes })
}

// hostName asks the file first: a name server that does not answer costs a
// second.
func (m *looker) hostName(name string) {
	addr, found := procfs.HasHost(m.text("/etc/hosts"), name)
	if !found {
		out, err := m.query(resolveTimeout, "getent", "ahosts", name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, host.ErrNotReadOnly) {
			return
		}
		if fields := strings.Fields(out); err == nil && len(fields) > 0 {
			addr = fields[0]
		}
	}
	m.set(func(f *cluster.MachineFacts) { f.HostName = cluster.Resolution{Known: true, Address: addr} })
}

// diskPaths are the directories that fill up.
func diskPaths(a Asked) []string {
	paths := []string{cluster.KubeletDir, "/var/lib/containerd"}
	if strings.Contains(a.Node.CRISocket, "crio") {
		paths[1] = "/var/lib/containers"
	} else if strings.Contains(a.Node.CRISocket, "docker") {
		paths[1] = "/var/lib/docker"
	}
	if a.Node.ControlPlane && a.Cluster.Etcd.External == nil {
		paths = append(paths, a.Cluster.Etcd.DataDir)
	}
	return paths
}

// disks asks for each directory and its parents: the nearest that exists is
// where it would be made.
func (m *looker) disks(wanted []string) {
	args := []string{"stat", "-f", "-c", procfs.DiskFormat, "--"}
	for _, p := range wanted {
		for ; p != "/" && p != "."; p = path.Dir(p) {
			if !slices.Contains(args, p) {
				args = append(args, p)
			}
		}
	}
	out, _ := m.query(0, append(args, "/")...) // says what exists, and fails for what does not
	by := map[string]procfs.Disk{}
	for _, d := range procfs.Disks(out) {
		by[d.Path] = d
	}
	var disks []cluster.Disk
	for _, p := range wanted {
		for at := p; at != "."; at = path.Dir(at) {
			if d, ok := by[at]; ok {
				disks = append(disks, cluster.Disk{Path: p, Size: d.Size, Free: d.Free, Inodes: d.Inodes, InodesFree: d.InodesFree})
				break
			}
			if at == "/" {
				break
			}
		}
	}
	m.set(func(f *cluster.MachineFacts) { f.Disks = disks })
}

func (m *looker) clock(p host.Prober) {
	if synced, err := p.ClockSynchronised(m.ctx); err == nil {
		m.set(func(f *cluster.MachineFacts) {
			if f.ClockSync = cluster.No; synced {
				f.ClockSync = cluster.Yes
			}
		})
	}
}

// syncTimes measures where etcd's data will be. Where an etcd is at home
// already it tells better itself, and is not disturbed.
func (m *looker) syncTimes(p host.Prober, dir string) {
	if m.there(cluster.ManifestsDir + "/etcd.yaml") {
		return
	}
	for !m.there(dir) && dir != "/" && dir != "." {
		dir = path.Dir(dir)
	}
	times, err := p.SyncTimes(m.ctx, dir, syncCount, syncWithin)
	if err != nil {
		return
	}
	slices.Sort(times)
	var ms []float64
	for _, t := range times {
		ms = append(ms, float64(t)/float64(time.Millisecond))
	}
	m.set(func(f *cluster.MachineFacts) { f.FsyncMs = ms })
}
