package preflight_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
	"github.com/clusteradm/clusteradm/preflight"
)

func prefixes(list ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range list {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// Each row spoils one thing of a good machine: exactly that is found.
func TestChecksOfTheMachine(t *testing.T) {
	const warning, failure = preflight.Warning, preflight.Error
	type S = *preflight.Subject
	kubelet := func(config string) func(S) { return func(s S) { s.Cluster.Kubelet.YAML = []byte(config) } }
	v1 := func(s S) {
		s.Facts.Machine.Cgroups = cluster.Cgroups{Version: 1, Controllers: []string{"cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids", "hugetlb", "blkio"}}
	}
	and := func(all ...func(S)) func(S) {
		return func(s S) {
			for _, each := range all {
				each(s)
			}
		}
	}
	version := func(v string) func(S) {
		return func(s S) { s.Facts.KubeletVersion, s.Cluster.Version, s.Newest = v, v, v }
	}
	disk := func(d cluster.Disk) func(S) { return func(s S) { s.Facts.Machine.Disks = []cluster.Disk{d} } }
	links := func(l ...cluster.Link) func(S) { return func(s S) { s.Facts.Machine.Links = l } }
	proxy := func(no string) func(S) {
		return func(s S) {
			s.Facts.ProxyEnv = []cluster.EnvVar{{Name: "HTTPS_PROXY", Value: "http://user:pass@proxy:3128"}, {Name: "no_proxy", Value: no}}
			s.Cluster.Networking.PodSubnets = prefixes("10.244.0.0/16")
		}
	}
	for name, c := range map[string]struct {
		spoil func(S)
		check string // empty: nothing is found
		level preflight.Level
		says  string
	}{
		"a silent runtime":          {func(s S) { s.Facts.Runtime = cluster.RuntimeFacts{Error: "dial x: refused", Hint: "systemctl start x"} }, "CRI", failure, "refused"},
		"a runtime not ready":       {func(s S) { s.Facts.Runtime.Ready, s.Facts.Runtime.NotReady = false, "starting" }, "CRI", failure, "starting"},
		"no RuntimeConfig":          {func(s S) { s.Facts.Runtime.CgroupDriver = "" }, "ContainerRuntimeVersion", warning, "RuntimeConfig"},
		"no RuntimeConfig for 1.37": {and(version("v1.37.0"), func(s S) { s.Facts.Runtime.CgroupDriver = "" }), "ContainerRuntimeVersion", failure, "RuntimeConfig"},
		"another driver":            {func(s S) { s.Facts.Runtime.CgroupDriver = "cgroupfs" }, "CgroupDriver", warning, "follows the runtime"},
		"another driver, old":       {and(version("v1.30.0"), func(s S) { s.Facts.Runtime.CgroupDriver = "cgroupfs" }, func(s S) { s.Facts.Machine.Programs["conntrack"] = true }), "CgroupDriver", failure, "would not start"},
		"the same driver":           {and(kubelet("cgroupDriver: cgroupfs"), func(s S) { s.Facts.Runtime.CgroupDriver = "cgroupfs" }), "", "", ""},
		"swap, meant":               {and(kubelet("failSwapOn: false"), func(s S) { s.Facts.Swaps = []cluster.Swap{{Device: "/x"}} }), "", "", ""},

		"an old kernel":           {func(s S) { s.Facts.Machine.KernelRelease = "3.10.0-1160.el7.x86_64" }, "SystemVerification", warning, "3.10"},
		"a kernel between":        {func(s S) { s.Facts.Machine.KernelRelease = "5.11.0" }, "SystemVerification", warning, "5.11"},
		"a new kernel":            {func(s S) { s.Facts.Machine.KernelRelease = "12.0.1" }, "", "", ""},
		"an option missing":       {func(s S) { delete(s.Facts.Machine.KernelConfig, "CONFIG_MEMCG") }, "SystemVerification", failure, "MEMCG"},
		"an option of v2 missing": {func(s S) { delete(s.Facts.Machine.KernelConfig, "CONFIG_CGROUP_BPF") }, "SystemVerification", failure, "CGROUP_BPF"},
		"an option optional":      {func(s S) { delete(s.Facts.Machine.KernelConfig, "CONFIG_SECCOMP") }, "SystemVerification", warning, "SECCOMP"},
		"an option of old name": {func(s S) {
			c := s.Facts.Machine.KernelConfig
			delete(c, "CONFIG_OVERLAY_FS")
			c["CONFIG_OVERLAYFS_FS"] = "m"
		}, "", "", ""},
		"an unreadable kernel": {func(s S) { s.Facts.Machine.KernelConfig = nil }, "SystemVerification", warning, "nowhere to be read"},
		"cgroups 1":            {v1, "SystemVerification", failure, "failCgroupV1"},
		"cgroups 1, meant":     {and(v1, kubelet("failCgroupV1: false")), "SystemVerification", warning, "version 1"},
		"cgroups 1, 1.34":      {and(v1, version("v1.34.0")), "SystemVerification", warning, "version 1"},
		"no cgroups":           {func(s S) { s.Facts.Machine.Cgroups = cluster.Cgroups{} }, "SystemVerification", failure, "not mounted"},
		"no memory controller": {func(s S) { s.Facts.Machine.Cgroups.Controllers = []string{"cpu", "cpuset", "pids", "hugetlb", "io"} }, "SystemVerification", failure, "memory"},
		"no io controller": {func(s S) {
			s.Facts.Machine.Cgroups.Controllers = []string{"cpu", "cpuset", "pids", "hugetlb", "memory"}
		}, "SystemVerification", warning, "io"},

		"a name without address": {func(s S) { s.Facts.Machine.HostName.Address = "" }, "Hostname", warning, "no address"},
		"a name not asked":       {func(s S) { s.Facts.Machine.HostName = cluster.Resolution{} }, "", "", ""},
		"no name for DNS":        {func(s S) { s.Node.Name = "cp_1" }, "Hostname", warning, "cp_1"},
		"no unit":                {func(s S) { s.Facts.Machine.Units["kubelet.service"] = cluster.Unit{} }, "Service-kubelet", failure, "no unit"},
		"a masked unit":          {func(s S) { s.Facts.Machine.Units["kubelet.service"] = cluster.Unit{Masked: true} }, "Service-kubelet", failure, "masked"},
		"no systemd":             {func(s S) { s.Facts.Machine.Units = nil }, "", "", ""},
		"a firewall":             {func(s S) { s.Facts.Machine.Units["firewalld.service"] = cluster.Unit{Loaded: true, Active: true} }, "Firewalld", warning, "10250/tcp"},
		"no mount":               {func(s S) { s.Facts.Machine.Programs["mount"] = false }, "FileExisting-mount", failure, "mount"},
		"no conntrack for 1.31":  {version("v1.31.0"), "FileExisting-conntrack", failure, "conntrack"},
		"a newer Kubernetes":     {func(s S) { s.Newest = "v1.35.2" }, "KubernetesVersion", warning, "newer"},
		"a newer patch":          {func(s S) { s.Newest = "v1.36.0" }, "", "", ""},

		"a proxy for all":     {proxy("10.244.0.0/16"), "HTTPProxy", warning, "192.0.2.10 would be reached through the proxy http://proxy"},
		"a proxy for pods":    {proxy("192.0.2.0/24"), "HTTPProxyCIDR", warning, "10.244.0.0/16"},
		"a proxy, none meant": {proxy("192.0.2.10,10.0.0.0/8"), "", "", ""},

		"no machine-id":        {func(s S) { s.Facts.MachineID = "" }, "MachineID", warning, "empty or missing"},
		"a first boot's":       {func(s S) { s.Facts.MachineID = "uninitialized" }, "MachineID", warning, "uninitialized"},
		"an id of noughts":     {func(s S) { s.Facts.MachineID = strings.Repeat("0", 32) }, "MachineID", warning, "000"},
		"two of one address":   {links(cluster.Link{Name: "a", MAC: "52:54:00:12:34:56", Physical: true}, cluster.Link{Name: "b", MAC: "52:54:00:12:34:56", Physical: true}), "MACAddress", warning, "a and b"},
		"two of one bond":      {links(cluster.Link{Name: "a", MAC: "52:54:00:12:34:56", Physical: true, Enslaved: true}, cluster.Link{Name: "b", MAC: "52:54:00:12:34:56", Physical: true, Enslaved: true}), "", "", ""},
		"no address":           {links(cluster.Link{Name: "a", MAC: "00:00:00:00:00:00", Physical: true}), "MACAddress", warning, "a has the MAC"},
		"an InfiniBand":        {links(cluster.Link{Name: "ib0", MAC: "80:00:02:08:fe:80:00:00:00:00:00:00:e4:1d:2d:03:00:1d:67:f1", Physical: true}), "", "", ""},
		"a clock on its own":   {func(s S) { s.Facts.Machine.ClockSync = cluster.No }, "TimeSync", warning, "clock"},
		"a clock not asked":    {func(s S) { s.Facts.Machine.ClockSync = cluster.Unknown }, "", "", ""},
		"a file of the future": {func(s S) { s.Facts.Files["/etc/kubernetes/pki/ca.crt"] = cluster.FileFact{Changed: now.Add(time.Hour)} }, "Clock", warning, "07:00:00Z"},
		"a file of just now": {func(s S) {
			s.Facts.Files["/etc/kubernetes/pki/ca.crt"] = cluster.FileFact{Changed: now.Add(time.Second)}
		}, "", "", ""},

		"a full disk":          {disk(cluster.Disk{Path: "/var/lib/etcd", Size: 4 << 20, Free: 1 << 20}), "DiskSpace", failure, "1 MiB free"},
		"little for etcd":      {disk(cluster.Disk{Path: "/var/lib/etcd", Size: 4 << 30, Free: 1 << 30}), "DiskSpace", warning, "1024 MiB"},
		"little for pods":      {disk(cluster.Disk{Path: "/var/lib/kubelet", Size: 100 << 30, Free: 9 << 30}), "DiskSpace", warning, "evict"},
		"a small disk":         {disk(cluster.Disk{Path: "/var/lib/kubelet", Size: 10 << 30, Free: 9 << 30}), "", "", ""},
		"no inodes":            {disk(cluster.Disk{Path: "/var/lib/kubelet", Size: 1 << 40, Free: 1 << 40, Inodes: 1e6, InodesFree: 3}), "DiskSpace", failure, "3 free"},
		"few inodes":           {disk(cluster.Disk{Path: "/var/lib/kubelet", Size: 1 << 40, Free: 1 << 40, Inodes: 1e6, InodesFree: 4e4}), "DiskSpace", warning, "40000 inodes"},
		"a disk without any":   {disk(cluster.Disk{Path: "/var/lib/kubelet", Size: 1 << 40, Free: 1 << 40}), "", "", ""},
		"a slow disk":          {func(s S) { s.Facts.Machine.FsyncMs = []float64{1, 11.24} }, "FsyncLatency", warning, "11.2 ms"},
		"a fast disk, one out": {func(s S) { s.Facts.Machine.FsyncMs = append(make([]float64, 99), 80) }, "", "", ""},

		"the node among the pods": {func(s S) { s.Cluster.Networking.PodSubnets = prefixes("192.0.0.0/16"); s.Facts.Machine.Routes = nil }, "NetworkOverlap", warning, "own address"},
		"the node among flannel's pods": {func(s S) {
			s.Cluster.Networking.PodSubnets = prefixes("192.0.0.0/16")
			s.Facts.Machine.Routes, s.Cluster.PodNetwork.Kind = nil, cluster.PodNetworkFlannel
		}, "NetworkOverlap", failure, "own address"},
		"the node among services": {func(s S) {
			s.Cluster.Networking.ServiceSubnets = prefixes("192.0.0.0/16")
			s.Facts.Machine.Routes = nil
		}, "NetworkOverlap", failure, "own address"},
		"a route into services": {func(s S) { s.Cluster.Networking.ServiceSubnets = prefixes("172.17.4.0/22") }, "NetworkOverlap", warning, "172.17.0.0/16 on docker0"},
		"a route of a pod network": {func(s S) {
			s.Cluster.Networking.PodSubnets = prefixes("10.244.0.0/16")
			s.Facts.Machine.Routes = []cluster.Route{route("10.244.0.0/24", "cni0")}
		}, "", "", ""},
		"routes of our own": {func(s S) { s.Ours = true; s.Cluster.Networking.PodSubnets = prefixes("172.17.0.0/16") }, "", "", ""},

		"left pods": {func(s S) {
			s.Facts.Machine.Leftovers = []cluster.Leftover{{What: "a/b", Pod: true}, {What: "a/c", Pod: true}}
		}, "Leftovers", warning, "2 pods in the container runtime, such as a/b, a/c"},
		"left link": {func(s S) { s.Facts.Machine.Leftovers = []cluster.Leftover{{What: "network interface cni0"}} }, "Leftovers", warning, "cni0"},
		"left addresses": {func(s S) {
			s.Facts.Machine.Leftovers = []cluster.Leftover{{What: "pod network state in /var/lib/cni/networks"}}
		}, "Leftovers", warning, "left pod network state"},
		"our pods": {func(s S) { s.Ours = true; s.Facts.Machine.Leftovers = []cluster.Leftover{{What: "a/b", Pod: true}} }, "", "", ""},

		"no overlay": {func(s S) { s.Facts.Modules["overlay"] = false }, "Module-overlay", warning, "overlay"},
	} {
		s := good()
		c.spoil(&s)
		findings, err := preflight.Run(initChecks(s), s, nil)
		if c.check == "" {
			if len(findings) > 0 || err != nil {
				t.Errorf("%s: found %v, %v", name, findings, err)
			}
			continue
		}
		if len(findings) != 1 || findings[0].Check != c.check || findings[0].Level != c.level || !strings.Contains(findings[0].Message, c.says) || findings[0].Hint == "" {
			t.Errorf("%s: found %+v, want one %s of %s that says %q, with a hint", name, findings, c.level, c.check, c.says)
		}
	}
}

// The machine's clock is never set for a test: the certificate is made ahead.
func TestACertificateFromTheFuture(t *testing.T) {
	c := &cluster.Cluster{CertificatesDir: "/etc/kubernetes/pki", KeyAlgorithm: cluster.ECDSAP256, CAValidity: time.Hour, LeafValidity: time.Hour}
	spec := pki.Tree(c, cluster.Node{Name: "cp1", Address: netip.MustParseAddr("192.0.2.1")})[0]
	for ahead, want := range map[time.Duration]int{0: 0, 6 * time.Minute: 1 /* 5 of which it is backdated */, 24 * time.Hour: 1} {
		pair, err := pki.Issue(spec, pki.Pair{}, now.Add(ahead+time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		kubeconfig := pki.EncodeTokenKubeconfig("https://192.0.2.1:6443", pair.Cert, secret.NewString("abcdef.0123456789abcdef"))
		for path, content := range map[string]secret.Bytes{caPath: secret.NewBytes(pair.Cert), cluster.BootstrapKubeletConf: kubeconfig} {
			s := good()
			s.Facts.PKI = map[string]secret.Bytes{path: content, "/etc/kubernetes/pki/ca.key": pair.Key, "/x": secret.NewBytes([]byte("nothing"))}
			findings, _ := preflight.Run(initChecks(s), s, nil)
			if len(findings) != want || want == 1 && (findings[0].Check != "Clock" || !strings.Contains(findings[0].Message, path)) {
				t.Errorf("%s ahead, in %s: %+v", ahead, path, findings)
			}
		}
	}
}

func TestAMissingRightIsFoundAlone(t *testing.T) {
	s := good()
	s.Facts = cluster.HostFacts{EffectiveUID: 1000}
	checks := initChecks(s)
	findings, err := preflight.Run(checks, s, nil)
	if err == nil || len(findings) != 1 || findings[0].Check != "IsPrivilegedUser" || len(preflight.Passed(checks, findings)) != 0 {
		t.Errorf("%v, %v", findings, err)
	}
	if findings, _ := preflight.Run(checks, s, []string{"isprivilegeduser"}); len(findings) < 3 {
		t.Errorf("ignored: %v", findings)
	}
}

func TestEveryCheckIsInTheCatalogue(t *testing.T) {
	s := good()
	ext := good()
	ext.Cluster.Etcd.External = &cluster.ExternalEtcd{}
	ext.Cluster.VirtualIP, ext.Node.ControlPlane = &cluster.VirtualIP{}, true
	made := map[string]bool{"ImagePull": true} // by the command itself, which pulls
	for _, checks := range [][]preflight.Check{initChecks(s), joinChecks(s), initChecks(ext), preflight.EtcdMachine(s.Cluster, true), preflight.Reset([]string{"remove-etcd-member", "cleanup-node"})} {
		for _, c := range checks {
			found := 0
			for _, d := range preflight.Catalogue() {
				if d.Covers(c.Name) {
					found++
					made[d.Name] = true
				}
			}
			if found != 1 {
				t.Errorf("%s is %d times in the catalogue", c.Name, found)
			}
		}
	}
	for _, d := range preflight.Catalogue() {
		if !made[d.Name] {
			t.Errorf("the catalogue has %s, which no list makes", d.Name)
		}
	}
}

func TestUnknownNamesAreTold(t *testing.T) {
	if f := preflight.Unknown([]string{"all", "numcpu", "Port-1", "FileExisting-crictl", "CreateJob", "imagepull"}); len(f) > 0 {
		t.Errorf("known names: %v", f)
	}
	f := preflight.Unknown([]string{"NumCPUs", "Port-", "sytemverification"})
	var nearest []string
	for _, each := range f {
		nearest = append(nearest, each.Message[strings.LastIndexByte(each.Message, ' ')+1:])
	}
	if !slices.Equal(nearest, []string{"NumCPU", "Port-*", "SystemVerification"}) {
		t.Errorf("%+v", f)
	}
}
