//go:build e2e

package scenarios

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/pki"
)

// ailment is one thing wrong with a machine, and the check that finds it.
type ailment struct {
	ail, heal string // for a shell on the node
	check     string
	level     string
	says      string
	args      []string // of preflight, besides the configuration
	env       string
}

// foreignConf is a kubelet.conf of another cluster.
const foreignConf = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://192.0.2.1:6443"}}]
users: [{name: u, user: {tokenFile: /nowhere}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`

const initFile = "/root/init.yaml"

// overProc puts content over a file of the kernel's; the other takes it away.
func overProc(path, content string) (string, string) {
	over := "/run/over" + strings.ReplaceAll(path, "/", "-")
	return fmt.Sprintf("printf '%%b' '%s' > %s && mount --bind %s %s", strings.ReplaceAll(content, "\n", `\n`), over, over, path), "umount " + path
}

func over(check, level, says, path, content string) ailment {
	ail, heal := overProc(path, content)
	return ailment{ail: ail, heal: heal, check: check, level: level, says: says}
}

func ailments(address string) map[string]ailment {
	const e, w = "error", "warning"
	file := func(path string) (string, string) {
		return "mkdir -p $(dirname " + path + ") && touch " + path, "rm -rf " + path
	}
	left := func(says, ail, heal string) ailment {
		return ailment{ail: ail, heal: heal, check: "Leftovers", level: w, says: says}
	}
	leftFile := func(path, says string) ailment { ail, heal := file(path); return left(says, ail, heal) }
	taken := func(port string) ailment {
		return ailment{ail: "systemd-run -q --unit=taker socat TCP-LISTEN:" + port + ",fork,reuseaddr SYSTEM:true && until ss -Hltn 'sport = :" + port + "' | grep -q .; do :; done",
			heal: "systemctl stop taker; systemctl reset-failed taker || true", check: "Port-" + port, level: e, says: "taken by socat (pid "}
	}
	available := func(path string) ailment {
		ail, heal := file(path)
		return ailment{ail: ail, heal: heal, check: "FileAvailable-" + strings.ReplaceAll(path, "/", "-"), level: e, says: path}
	}
	external := `kind: ClusterConfiguration\netcd:\n  external:\n    endpoints: ["https://127.0.0.1:12379"]\n    caFile: /nowhere/ca.crt\n    certFile: /nowhere/c.crt\n    keyFile: /nowhere/c.key\n`
	etcd := ailment{ail: `printf 'apiVersion: kubeadm.k8s.io/v1beta4\n` + external + `' > /root/external.yaml`, heal: "rm /root/external.yaml", args: []string{"--config", "/root/external.yaml", "--cri-socket", "unix:///run/containerd/containerd.sock"}}
	etcdVersion, etcdFiles := etcd, etcd
	etcdVersion.check, etcdVersion.level, etcdVersion.says = "ExternalEtcdVersion", e, "external etcd"
	etcdFiles.check, etcdFiles.level, etcdFiles.says = "ExternalEtcdClientCertificates", e, "/nowhere/c.key"
	foreign := available(cluster.KubeletConf)
	foreign.ail = "mkdir -p /etc/kubernetes && printf '" + strings.ReplaceAll(foreignConf, "\n", `\n`) + "' > " + cluster.KubeletConf
	return map[string]ailment{
		"port of the API server":    taken("6443"),
		"port of the scheduler":     taken("10259"),
		"port of the kubelet":       taken("10250"),
		"port of etcd":              taken("2380"),
		"swap":                      over("Swap", w, "/swap.img", "/proc/swaps", "Filename Type Size Used Priority\n/swap.img file 4194300 0 -2\n"),
		"one cpu":                   over("NumCPU", e, "1 CPUs", "/proc/cpuinfo", "processor : 0\n"),
		"little memory":             over("Mem", e, "1024 MB", "/proc/meminfo", "MemTotal: 1048576 kB\n"),
		"no overlay":                over("Module-overlay", w, "overlay", "/proc/filesystems", "nodev\tproc\n"),
		"an old kernel":             over("SystemVerification", w, "kernel 3.10.0", "/proc/sys/kernel/osrelease", "3.10.0\n"),
		"no control group":          over("SystemVerification", w, "lacks control group controllers that Kubernetes needs: memory", "/proc/cgroups", "cpuset 3 1 1\ncpu 1 1 1\ncpuacct 2 1 1\nblkio 7 1 1\ndevices 5 1 1\nfreezer 6 1 1\npids 8 1 1\n"), // ignored in the lab
		"an uninitialized id":       over("MachineID", w, "uninitialized", "/etc/machine-id", "uninitialized\n"),
		"a vendor's uuid":           over("ProductUUID", w, "vendor", "/sys/class/dmi/id/product_uuid", "03000200-0400-0500-0006-000700080009\n"),
		"forwarding off":            {ail: "sysctl -w net.ipv4.ip_forward=0", heal: "sysctl -w net.ipv4.ip_forward=1", check: "FileContent--proc-sys-net-ipv4-ip_forward", level: e, says: "want 1"},
		"bridge filter off":         {ail: "sysctl -w net.bridge.bridge-nf-call-iptables=0", heal: "sysctl -w net.bridge.bridge-nf-call-iptables=1", check: "FileContent--proc-sys-net-bridge-bridge-nf-call-iptables", level: w, says: "is 0"},
		"no bridge filter":          {ail: "mkdir -p /run/empty && mount --bind /run/empty /proc/sys/net/bridge", heal: "umount /proc/sys/net/bridge", check: "BridgeNetfilter", level: w, says: "not loaded"},
		"a firewall":                {ail: "systemd-run -q --unit=firewalld sleep infinity", heal: "systemctl stop firewalld; systemctl reset-failed firewalld || true", check: "Firewalld", level: w, says: "6443/tcp"},
		"a full disk":               {ail: "mkdir -p /var/lib/etcd && mount -t tmpfs -o size=1m none /var/lib/etcd", heal: "umount /var/lib/etcd && rmdir /var/lib/etcd", check: "DiskSpace", level: e, says: "/var/lib/etcd is full"},
		"no inodes":                 {ail: "mkdir -p /var/lib/etcd && mount -t tmpfs -o size=3g,nr_inodes=100 none /var/lib/etcd", heal: "umount /var/lib/etcd && rmdir /var/lib/etcd", check: "DiskSpace", level: e, says: "no inodes"},
		"the wrong driver":          {ail: "sed 's/cgroupDriver: cgroupfs/cgroupDriver: systemd/' " + initFile + " > /root/driver.yaml", heal: "rm /root/driver.yaml", args: []string{"--config", "/root/driver.yaml"}, check: "CgroupDriver", level: w, says: "is cgroupfs and the kubelet's configuration says systemd"},
		"cgroups of version 1":      {ail: "sed 's/failCgroupV1: false/failCgroupV1: true/; s/  - SystemVerification/  - Swap/' " + initFile + " > /root/v1.yaml", heal: "rm /root/v1.yaml", args: []string{"--config", "/root/v1.yaml"}, check: "SystemVerification", level: e, says: "failCgroupV1"},
		"no runtime":                {ail: "systemctl stop containerd", heal: "systemctl start containerd", check: "CRI", level: e, says: "containerd.sock"},
		"no program":                {ail: "mv $(command -v losetup) /root/losetup", heal: "mv /root/losetup /usr/sbin/losetup", check: "FileExisting-losetup", level: e, says: "losetup"},
		"no unit":                   {ail: "cp -a $(systemctl show -P FragmentPath kubelet) /root/kubelet.service && rm $(systemctl show -P FragmentPath kubelet) && systemctl daemon-reload", heal: "cp -a /root/kubelet.service /etc/systemd/system/ && systemctl daemon-reload", check: "Service-kubelet", level: e, says: "no unit kubelet.service"},
		"an older version":          {args: []string{"--kubernetes-version", "v1.35.0"}, check: "KubeletVersion", level: e, says: "newer than the control plane v1.35.0"},
		"a name without address":    {args: []string{"--node-name", "nobody.invalid"}, check: "Hostname", level: w, says: "nobody.invalid has no address"},
		"a proxy":                   {env: "HTTPS_PROXY=http://proxy.invalid:3128 NO_PROXY=10.96.0.0/12,10.244.0.0/16", check: "HTTPProxy", level: w, says: address},
		"a proxy for services":      {env: "HTTPS_PROXY=http://proxy.invalid:3128 NO_PROXY=10.210.0.0/16,10.244.0.0/16", check: "HTTPProxyCIDR", level: w, says: "10.96.0.0/12"},
		"a route into services":     {ail: "ip route add 10.100.0.0/16 dev lo", heal: "ip route del 10.100.0.0/16 dev lo", check: "NetworkOverlap", level: w, says: "10.100.0.0/16 on lo"},
		"two of one MAC address":    {ail: "mkdir -p /run/net/a/device /run/net/b/device && echo 52:54:00:12:34:56 | tee /run/net/a/address > /run/net/b/address && mount --bind /run/net /sys/class/net", heal: "umount /sys/class/net", check: "MACAddress", level: w, says: "a and b"},
		"etcd's data":               {ail: "mkdir -p /var/lib/etcd/member", heal: "rm -r /var/lib/etcd", check: "DirAvailable--var-lib-etcd", level: e, says: "not empty"},
		"a manifest":                available("/etc/kubernetes/manifests/etcd.yaml"),
		"a kubelet.conf":            foreign,
		"a left network":            leftFile("/etc/cni/net.d/10-flannel.conflist", "/etc/cni/net.d/10-flannel.conflist"),
		"left addresses":            left("pod network state in /var/lib/cni/networks", "mkdir -p /var/lib/cni/networks/cbr0", "rm -r /var/lib/cni/networks"),
		"a kubelet's pods":          leftFile("/var/lib/kubelet/pods/uid", "/var/lib/kubelet/pods"),
		"a left interface":          left("cni0", "ip link add cni0 type bridge", "ip link del cni0"),
		"left iptables chains":      left("KUBE-", "iptables -t nat -N KUBE-SERVICES", "iptables -t nat -X KUBE-SERVICES"),
		"left nftables":             left("table ip kube-proxy", "nft add table ip kube-proxy", "nft delete table ip kube-proxy"),
		"an external etcd":          etcdVersion,
		"an external etcd's files":  etcdFiles,
		"another user":              {ail: "install -m 644 " + initFile + " /tmp/init.yaml", heal: "rm /tmp/init.yaml", args: []string{"--config", "/tmp/init.yaml"}, check: "IsPrivilegedUser", level: e, says: "65534", env: "setpriv --reuid=65534 --clear-groups"},
		"an unknown name to ignore": {args: []string{"--ignore-preflight-errors", "SystemVerification,Swaps"}, check: "IgnorePreflightErrors", level: w, says: "Swap"},
	}
}

// result is what `clusteradm preflight -o json` prints first.
type result struct {
	Findings []struct{ Check, Level, Message, Hint string }
	Passed   []string
	Fixed    []string
}

func check(t *testing.T, n *nodes.Node, env string, args ...string) (result, int) {
	t.Helper()
	if !slices.Contains(args, "--config") {
		args = append(args, "--config", initFile)
	}
	if !strings.HasPrefix(env, "setpriv") {
		env = "env " + env
	}
	argv := append(append(strings.Fields(env), clusters.Binary, "preflight", "init", "-o", "json"), args...)
	r, err := n.Run(t.Context(), nil, argv...)
	must(t, err)
	var found result
	for line := range strings.Lines(r.Stdout) {
		var kind struct{ Kind string }
		must(t, json.Unmarshal([]byte(line), &kind))
		if kind.Kind == "preflight" {
			must(t, json.Unmarshal([]byte(line), &found))
			return found, r.Exit
		}
	}
	t.Fatalf("preflight %v: exit %d\n%s%s", args, r.Exit, r.Stdout, r.Stderr)
	return found, 0
}

func (r result) with(check string) (list []string) {
	for _, f := range r.Findings {
		if f.Check == check {
			list = append(list, f.Level+" "+f.Message)
		}
	}
	return list
}

// Each check made to fail on a real machine and found under its name; then
// --fix and what takes it back.
func TestPreflight(t *testing.T) {
	budget(t, 5*time.Minute)
	ctx, p := t.Context(), newProof(t, "preflight")
	if p == nil {
		return
	}
	c := up(t, "preflight", "cp1")
	cp := c.ControlPlane()
	must(t, c.WriteInitConfig(ctx, cp, initFile, false, ""))
	do(t)(clusters.Must(ctx, cp, "sh", "-c", "sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1"))

	started := time.Now()
	healthy, exit := check(t, cp, "")
	p.add("clusteradm preflight of a healthy machine: exit %d, %d checks passed, in %s", exit, len(healthy.Passed), time.Since(started).Round(time.Millisecond))
	for _, f := range healthy.Findings {
		// What a machine of the lab is, and a disk and a clock that are this
		// machine's: docs of the lab.
		if !slices.Contains([]string{"SystemVerification", "TimeSync", "FsyncLatency", "DiskSpace"}, f.Check) || f.Level != "warning" {
			t.Errorf("a healthy machine: %+v", f)
		}
	}
	if exit != 0 {
		t.Fatalf("a healthy machine fails: %+v", healthy)
	}

	for name, a := range ailments(cp.Address()) {
		t.Run(name, func(t *testing.T) {
			do(t)(clusters.Must(ctx, cp, "sh", "-c", a.ail))
			t.Cleanup(func() {
				if _, err := clusters.Must(ctx, cp, "sh", "-c", a.heal); err != nil {
					t.Error(err)
				}
			})
			found, exit := check(t, cp, a.env, a.args...)
			told := slices.ContainsFunc(found.with(a.check), func(s string) bool { return strings.HasPrefix(s, a.level+" ") && strings.Contains(s, a.says) })
			if !told || (a.level == "error") != (exit == 4) {
				t.Errorf("exit %d, %s found %q of %+v", exit, a.check, found.with(a.check), found.Findings)
			}
			for _, f := range found.Findings {
				if f.Hint == "" || f.Check != a.check && f.Level == "error" && !strings.HasPrefix(a.check, "ExternalEtcd") {
					t.Errorf("besides: %+v", f)
				}
			}
			p.add("%s: %s, %s", name, a.check, a.level)
		})
	}
	future(t, cp)
	p.add("a certificate from the future: Clock, error")
	left, _ := check(t, cp, "")
	if len(left.Findings) > len(healthy.Findings) {
		t.Errorf("healed, it still has %+v", left.Findings)
	}
	fixAndBack(t, cp)
	p.add("--fix set sysctls and switched swap off, now and over a boot, and all of it was taken back")
}

// future mints a CA that is valid from tomorrow on; no clock is set.
func future(t *testing.T, n *nodes.Node) {
	ctx := t.Context()
	c := &cluster.Cluster{CertificatesDir: "/etc/kubernetes/pki", KeyAlgorithm: cluster.ECDSAP256, CAValidity: 48 * time.Hour, LeafValidity: time.Hour}
	pair, err := pki.Issue(pki.Tree(c, cluster.Node{Name: "cp1"})[0], pki.Pair{}, time.Now().Add(24*time.Hour))
	must(t, err)
	do(t)(clusters.Must(ctx, n, "mkdir", "-p", "/etc/kubernetes/pki"))
	must(t, n.WriteFile(ctx, "/etc/kubernetes/pki/ca.crt", pair.Cert, 0o644))
	found, exit := check(t, n, "")
	if told := found.with("Clock"); exit != 4 || len(told) != 1 || !strings.Contains(told[0], "/etc/kubernetes/pki/ca.crt") {
		t.Errorf("a CA from the future: exit %d, %+v", exit, found.Findings)
	}
	do(t)(clusters.Must(ctx, n, "rm", "-r", "/etc/kubernetes/pki"))
}
