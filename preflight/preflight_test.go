package preflight_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/preflight"
)

// good is a machine that passes every check, a fresh copy each time.
func good() preflight.Subject {
	return preflight.Subject{
		Cluster: &cluster.Cluster{Version: "v1.36.3", Etcd: cluster.Etcd{DataDir: "/var/lib/etcd"}},
		Node:    cluster.Node{Name: "cp1", Address: netip.MustParseAddr("192.0.2.10"), BindPort: 6443},
		Now:     now,
		Newest:  "v1.36.3",
		Facts: cluster.HostFacts{
			ProductUUID: "4c4c4544-0042-3510-8053-b3c04f4d3132", MachineID: "0123456789abcdef0123456789abcdef", CPUs: 2, MemoryBytes: 1700 << 20, KubeletVersion: "v1.36.3",
			Sysctl: map[string]string{"net.ipv4.ip_forward": "1", "net.ipv6.conf.default.forwarding": "1",
				"net.bridge.bridge-nf-call-iptables": "1", "net.bridge.bridge-nf-call-ip6tables": "1"},
			Files:   map[string]cluster.FileFact{"/var/lib/etcd": {Dir: true, Empty: true}},
			Modules: map[string]bool{"overlay": true, "br_netfilter": true},
			Runtime: cluster.RuntimeFacts{Answers: true, Ready: true, Name: "containerd", Version: "2.4.2", CgroupDriver: "systemd"},
			Machine: goodMachine(),
		},
	}
}

var now = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)

func goodMachine() cluster.MachineFacts {
	config := map[string]string{}
	for _, o := range strings.Fields("NAMESPACES NET_NS PID_NS IPC_NS UTS_NS CPUSETS MEMCG INET EXT4_FS PROC_FS IP_NF_TARGET_REDIRECT NETFILTER_XT_MATCH_COMMENT " +
		"FAIR_GROUP_SCHED CGROUPS CGROUP_PIDS CGROUP_SCHED CGROUP_BPF CGROUP_CPUACCT CGROUP_DEVICE CGROUP_FREEZER OVERLAY_FS CFS_BANDWIDTH SECCOMP SECCOMP_FILTER CGROUP_HUGETLB") {
		config["CONFIG_"+o] = "y"
	}
	return cluster.MachineFacts{
		Seen: true, KernelRelease: "6.12.48+deb13-amd64", KernelConfig: config,
		Cgroups:  cluster.Cgroups{Version: 2, Controllers: []string{"cpu", "cpuset", "memory", "pids", "hugetlb", "io"}},
		Programs: map[string]bool{"conntrack": false, "losetup": true, "mount": true, "cp": true},
		Units:    map[string]cluster.Unit{"kubelet.service": {Loaded: true}, "firewalld.service": {}},
		HostName: cluster.Resolution{Known: true, Address: "127.0.1.1"},
		Links:    []cluster.Link{{Name: "lo"}, {Name: "eth0", MAC: "52:54:00:12:34:56", Physical: true}, {Name: "docker0"}},
		Routes:   []cluster.Route{route("0.0.0.0/0", "eth0"), route("192.0.2.0/24", "eth0"), route("172.17.0.0/16", "docker0")},
		Disks: []cluster.Disk{{Path: "/var/lib/kubelet", Size: 100 << 30, Free: 50 << 30, Inodes: 1e6, InodesFree: 9e5},
			{Path: "/var/lib/etcd", Size: 100 << 30, Free: 50 << 30}},
		ClockSync: cluster.Yes,
		FsyncMs:   []float64{0.1, 0.2, 9.9},
	}
}

func route(prefix, link string) cluster.Route {
	return cluster.Route{Prefix: netip.MustParsePrefix(prefix), Link: link}
}

const caPath = "/etc/kubernetes/pki/ca.crt"

func initChecks(s preflight.Subject) []preflight.Check { return preflight.Init(s.Cluster, s.Node) }
func joinChecks(s preflight.Subject) []preflight.Check {
	return preflight.Join(s.Cluster, s.Node, caPath)
}

func TestAGoodMachinePasses(t *testing.T) {
	s := good()
	for _, checks := range [][]preflight.Check{initChecks(s), joinChecks(s)} {
		if findings, err := preflight.Run(checks, s, nil); err != nil || len(findings) > 0 {
			t.Errorf("%v, %v", findings, err)
		}
	}
}

func TestChecks(t *testing.T) {
	listen := func(port int, process string) func(*preflight.Subject) {
		return func(s *preflight.Subject) {
			s.Facts.Listeners = []cluster.Listener{{Port: port, Process: process, PID: 7}}
		}
	}
	file := func(path string) func(*preflight.Subject) {
		return func(s *preflight.Subject) { s.Facts.Files[path] = cluster.FileFact{Size: 1} }
	}
	sysctl := func(name, value string) func(*preflight.Subject) {
		return func(s *preflight.Subject) { s.Facts.Sysctl[name] = value }
	}
	kubelet := func(version string) func(*preflight.Subject) {
		return func(s *preflight.Subject) { s.Facts.KubeletVersion = version }
	}
	const warning, failure = preflight.Warning, preflight.Error
	for name, c := range map[string]struct {
		spoil  func(*preflight.Subject)
		checks func(preflight.Subject) []preflight.Check
		check  string // empty: none
		level  preflight.Level
		says   string
	}{
		"no root":              {func(s *preflight.Subject) { s.Facts.EffectiveUID = 1000 }, initChecks, "IsPrivilegedUser", failure, "1000"},
		"no root to join":      {func(s *preflight.Subject) { s.Facts.EffectiveUID = 1000 }, joinChecks, "IsPrivilegedUser", failure, "root"},
		"unknown user":         {func(s *preflight.Subject) { s.Facts.EffectiveUID = -1 }, initChecks, "IsPrivilegedUser", failure, "-1"},
		"one cpu":              {func(s *preflight.Subject) { s.Facts.CPUs = 1 }, initChecks, "NumCPU", failure, "1 CPUs"},
		"one cpu for a worker": {func(s *preflight.Subject) { s.Facts.CPUs = 1 }, joinChecks, "", "", ""},
		"little memory":        {func(s *preflight.Subject) { s.Facts.MemoryBytes = 1700<<20 - 1 }, initChecks, "Mem", failure, "1699 MB"},
		"little for a worker":  {func(s *preflight.Subject) { s.Facts.MemoryBytes = 1 }, joinChecks, "", "", ""},
		"swap": {func(s *preflight.Subject) {
			s.Facts.Swaps = []cluster.Swap{{Device: "/swap.img"}, {Device: "/dev/zram0"}}
		}, initChecks, "Swap", warning, "/swap.img, /dev/zram0"},
		"no uuid":                  {func(s *preflight.Subject) { s.Facts.ProductUUID = "" }, joinChecks, "ProductUUID", warning, "no product_uuid"},
		"a vendor's uuid":          {func(s *preflight.Subject) { s.Facts.ProductUUID = "03000200-0400-0500-0006-000700080009" }, initChecks, "ProductUUID", warning, "vendor"},
		"no kubelet":               {kubelet(""), joinChecks, "KubeletVersion", failure, "no kubelet"},
		"a newer kubelet":          {kubelet("v1.37.0"), initChecks, "KubeletVersion", failure, "newer"},
		"an old kubelet":           {kubelet("v1.33.9"), initChecks, "", "", ""},
		"a kubelet too old":        {kubelet("v1.32.0"), initChecks, "KubeletVersion", failure, "more than 3"},
		"a kubelet of another day": {kubelet("nightly"), initChecks, "KubeletVersion", failure, `"nightly" is not understood`},
		"another major":            {kubelet("v2.36.0"), initChecks, "KubeletVersion", failure, "newer"},
		"no forwarding":            {sysctl("net.ipv4.ip_forward", "0"), initChecks, "FileContent--proc-sys-net-ipv4-ip_forward", failure, `"0", want 1`},
		"unknown forwarding":       {sysctl("net.ipv4.ip_forward", ""), joinChecks, "FileContent--proc-sys-net-ipv4-ip_forward", failure, `""`},
		"no ipv6 for ipv4":         {sysctl("net.ipv6.conf.default.forwarding", "0"), initChecks, "", "", ""},
		"no ipv6 for ipv6": {func(s *preflight.Subject) {
			s.Node.Address = netip.MustParseAddr("2001:db8::1")
			s.Facts.Sysctl = map[string]string{"net.ipv4.ip_forward": "0", "net.ipv6.conf.default.forwarding": "0"}
		}, initChecks, "FileContent--proc-sys-net-ipv6-conf-default-forwarding", failure, "want 1"},
		"dual stack": {func(s *preflight.Subject) {
			s.Cluster.Networking.PodSubnets = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("fd00::/48")}
			s.Facts.Sysctl["net.ipv6.conf.default.forwarding"] = "0"
		}, initChecks, "FileContent--proc-sys-net-ipv6-conf-default-forwarding", failure, "want 1"},
		"no netfilter": {func(s *preflight.Subject) {
			s.Facts.Modules["br_netfilter"] = false
			delete(s.Facts.Sysctl, cluster.BridgeIPv4)
		}, initChecks, "BridgeNetfilter", warning, "not loaded"},
		"netfilter off":            {sysctl("net.bridge.bridge-nf-call-iptables", "0"), joinChecks, "FileContent--proc-sys-net-bridge-bridge-nf-call-iptables", warning, "is 0"},
		"port of the api":          {listen(6443, "nginx"), initChecks, "Port-6443", failure, "port 6443 is taken by nginx (pid 7)"},
		"port of the kubelet":      {listen(10250, ""), joinChecks, "Port-10250", failure, "an unknown process"},
		"port of etcd":             {listen(2380, "etcd"), initChecks, "Port-2380", failure, "etcd (pid 7)"},
		"port of nobody":           {listen(80, "nginx"), initChecks, "", "", ""},
		"the api's for a worker":   {listen(6443, "haproxy"), joinChecks, "", "", ""},
		"another bind port":        {func(s *preflight.Subject) { s.Node.BindPort = 8443; listen(8443, "nginx")(s) }, initChecks, "Port-8443", failure, "8443"},
		"6443, bound elsewhere":    {func(s *preflight.Subject) { s.Node.BindPort = 8443; listen(6443, "nginx")(s) }, initChecks, "", "", ""},
		"external etcd":            {func(s *preflight.Subject) { s.Cluster.Etcd.External = &cluster.ExternalEtcd{}; listen(2379, "etcd")(s) }, initChecks, "", "", ""},
		"a manifest":               {file("/etc/kubernetes/manifests/etcd.yaml"), initChecks, "FileAvailable--etc-kubernetes-manifests-etcd.yaml", failure, "another cluster or node"},
		"an etcd":                  {file("/var/lib/etcd"), initChecks, "DirAvailable--var-lib-etcd", failure, "not empty"},
		"a kubelet.conf":           {file(cluster.KubeletConf), initChecks, "FileAvailable--etc-kubernetes-kubelet.conf", failure, "another cluster, node name or address"},
		"a kubelet.conf to join":   {file(cluster.KubeletConf), joinChecks, "FileAvailable--etc-kubernetes-kubelet.conf", failure, "another cluster or node"},
		"a bootstrap kubeconfig":   {file(cluster.BootstrapKubeletConf), joinChecks, "FileAvailable--etc-kubernetes-bootstrap-kubelet.conf", failure, ""},
		"a ca":                     {file(caPath), joinChecks, "FileAvailable--etc-kubernetes-pki-ca.crt", failure, ""},
		"a ca of init's":           {file(caPath), initChecks, "", "", ""},
		"our own api server":       {func(s *preflight.Subject) { s.Ours = true; listen(6443, "kube-apiserver")(s) }, initChecks, "", "", ""},
		"our own, its name cut":    {func(s *preflight.Subject) { s.Ours = true; listen(10257, "kube-controller")(s) }, initChecks, "", "", ""},
		"our port, a foreign name": {func(s *preflight.Subject) { s.Ours = true; listen(6443, "nginx")(s) }, initChecks, "Port-6443", failure, "nginx"},
		"our port, no name":        {func(s *preflight.Subject) { s.Ours = true; listen(6443, "")(s) }, initChecks, "Port-6443", failure, "unknown"},
		"our manifest":             {func(s *preflight.Subject) { s.Ours = true; file("/etc/kubernetes/manifests/etcd.yaml")(s) }, initChecks, "", "", ""},
		"our etcd":                 {func(s *preflight.Subject) { s.Ours = true; file("/var/lib/etcd")(s) }, initChecks, "", "", ""},
		"our kubelet.conf":         {func(s *preflight.Subject) { s.Ours = true; file(cluster.KubeletConf)(s) }, initChecks, "", "", ""},
		"a control plane to join":  {func(s *preflight.Subject) { s.Ours = true; file("/etc/kubernetes/manifests/kube-apiserver.yaml")(s) }, joinChecks, "FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml", failure, "is a control plane"},
		"our earlier join":         {func(s *preflight.Subject) { s.Ours = true; file(caPath)(s); file(cluster.BootstrapKubeletConf)(s) }, joinChecks, "", "", ""},
	} {
		s := good()
		c.spoil(&s)
		findings, err := preflight.Run(c.checks(s), s, nil)
		if c.check == "" {
			if len(findings) > 0 || err != nil {
				t.Errorf("%s: found %v, %v", name, findings, err)
			}
			continue
		}
		if len(findings) != 1 || findings[0].Check != c.check || findings[0].Level != c.level ||
			!strings.Contains(findings[0].Message, c.says) || findings[0].Hint == "" {
			t.Errorf("%s: found %+v, want one %s of %s that says %q, with a hint", name, findings, c.level, c.check, c.says)
			continue
		}
		if stops := errors.As(err, new(*preflight.FailedError)); stops != (c.level == failure) {
			t.Errorf("%s: error is %v", name, err)
		}
		// Ignored under any spelling it is a warning, and stops nothing.
		for _, ignore := range []string{c.check, strings.ToLower(c.check), strings.ToUpper(c.check), "all", "ALL"} {
			findings, err := preflight.Run(c.checks(s), s, []string{"Another", ignore})
			if err != nil || len(findings) != 1 || findings[0].Level != warning {
				t.Errorf("%s, ignoring %s: %v, %v", name, ignore, findings, err)
			}
		}
	}
}

func TestEverythingIsToldAtOnce(t *testing.T) {
	s := good()
	s.Facts = cluster.HostFacts{Swaps: []cluster.Swap{{Device: "/swap.img"}}}
	findings, err := preflight.Run(initChecks(s), s, []string{"mem"})
	var failed *preflight.FailedError
	if !errors.As(err, &failed) {
		t.Fatalf("error is %v", err)
	}
	var names []string
	for _, f := range failed.Findings {
		names = append(names, f.Check)
		if !strings.Contains(err.Error(), "[ERROR "+f.Check+"] "+f.Message) {
			t.Errorf("%s is not in the error: %v", f.Check, err)
		}
	}
	want := []string{"NumCPU", "KubeletVersion", "FileContent--proc-sys-net-ipv4-ip_forward"}
	if !slices.Equal(names, want) || len(findings) != len(want)+4 { // and Mem, Swap, ProductUUID, MachineID as warnings
		t.Errorf("errors of %v, %d findings: %v", names, len(findings), findings)
	}
	if hints := failed.Hints(); len(hints) != len(want)+1 || hints[len(want)] != "--ignore-preflight-errors="+strings.Join(want, ",")+"   # to go on all the same" {
		t.Errorf("hints are %q", hints)
	}
}

// No ignoring makes up for a missing right.
func TestPrivilegeIsNotIgnored(t *testing.T) {
	err := &preflight.FailedError{Findings: []preflight.Finding{{Check: "IsPrivilegedUser", Hint: "sudo clusteradm init"}}}
	if hints := err.Hints(); !slices.Equal(hints, []string{"sudo clusteradm init   # IsPrivilegedUser"}) {
		t.Errorf("hints are %q", hints)
	}
}

// kubeadm's names are in users' --ignore-preflight-errors. From
// cmd/kubeadm/app/preflight/checks.go of v1.36.
var kubeadms = map[string][]string{
	"init": {
		"KubernetesVersion", "Firewalld", "HTTPProxy", "HTTPProxyCIDR", "CRI", "ContainerRuntimeVersion", "FileExisting-conntrack", "FileExisting-losetup",
		"FileExisting-mount", "FileExisting-cp", "SystemVerification", "Hostname", "Service-kubelet",
		"IsPrivilegedUser", "NumCPU", "Mem", "Swap", "KubeletVersion", "Port-6443", "Port-10259", "Port-10257", "Port-10250", "Port-2379", "Port-2380",
		"FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml", "FileAvailable--etc-kubernetes-manifests-kube-controller-manager.yaml",
		"FileAvailable--etc-kubernetes-manifests-kube-scheduler.yaml", "FileAvailable--etc-kubernetes-manifests-etcd.yaml",
		"FileContent--proc-sys-net-ipv4-ip_forward", "DirAvailable--var-lib-etcd",
	},
	"join": {
		"HTTPProxy", "CRI", "ContainerRuntimeVersion", "FileExisting-conntrack", "FileExisting-losetup", "FileExisting-mount", "FileExisting-cp",
		"SystemVerification", "Hostname", "Service-kubelet",
		"IsPrivilegedUser", "Swap", "KubeletVersion", "Port-10250", "FileContent--proc-sys-net-ipv4-ip_forward",
		"FileAvailable--etc-kubernetes-kubelet.conf", "FileAvailable--etc-kubernetes-bootstrap-kubelet.conf", "FileAvailable--etc-kubernetes-pki-ca.crt",
	},
}

func TestNames(t *testing.T) {
	ours := []string{"FileAvailable--etc-kubernetes-kubelet.conf", "FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml", "Firewalld",
		"FileAvailable--etc-systemd-system-kubelet.service.d-20-etcd-service-manager.conf",
		"FileContent--proc-sys-net-bridge-bridge-nf-call-iptables", "FileContent--proc-sys-net-bridge-bridge-nf-call-ip6tables"}
	for _, d := range preflight.Catalogue() {
		if d.Ours {
			ours = append(ours, d.Name)
		}
	}
	s := good()
	for list, checks := range map[string][]preflight.Check{"init": initChecks(s), "join": joinChecks(s)} {
		seen := map[string]bool{}
		for _, c := range checks {
			if seen[c.Name] {
				t.Errorf("%s has two checks %s", list, c.Name)
			}
			seen[c.Name] = true
			if !slices.Contains(kubeadms[list], c.Name) && !slices.Contains(ours, c.Name) {
				t.Errorf("%s has a check %s that kubeadm has not and we did not mean to have", list, c.Name)
			}
		}
		for _, name := range kubeadms[list] {
			if !seen[name] {
				t.Errorf("%s has no check %s", list, name)
			}
		}
	}
}
