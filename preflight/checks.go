package preflight

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// Init is the checks before a first control plane.
func Init(c *cluster.Cluster, n cluster.Node) []Check {
	checks := []Check{privileged(), cpus(2), memory(1700), swap(), productUUID(), kubelet(), bridge(), foreign(), settings()}
	checks = append(checks, forwarding(n.Address, append(slices.Clone(c.Networking.PodSubnets), c.Networking.ServiceSubnets...)...)...)
	checks = append(checks, port(n.BindPort, "kube-apiserver"), port(10259, "kube-scheduler"), port(10257, "kube-controller"), port(10250, "kubelet"))
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"} {
		checks = append(checks, fileAvailable(cluster.ManifestsDir+"/"+name+".yaml"))
	}
	if c.Etcd.External == nil {
		checks = append(checks, port(2379, "etcd"), port(2380, "etcd"), emptyDir(c.Etcd.DataDir))
	}
	return checks
}

// Join is the checks before a worker joins; caPath is where it will keep the
// cluster's certificate authority.
func Join(n cluster.Node, caPath string) []Check {
	checks := []Check{privileged(), swap(), productUUID(), kubelet(), bridge(), port(10250, "kubelet"),
		fileAvailable(cluster.KubeletConf), fileAvailable(cluster.BootstrapKubeletConf), fileAvailable(caPath)}
	return append(checks, forwarding(n.Address)...)
}

// forwarding looks at the families that the cluster uses: a machine of an IPv6
// cluster need not forward IPv4.
func forwarding(addr netip.Addr, subnets ...netip.Prefix) []Check {
	v4, v6 := addr.Is4(), addr.Is6()
	for _, s := range subnets {
		v4, v6 = v4 || s.Addr().Is4(), v6 || s.Addr().Is6()
	}
	var checks []Check
	if v4 || !v6 {
		checks = append(checks, sysctl("net.ipv4.ip_forward"))
	}
	if v6 {
		checks = append(checks, sysctl("net.ipv6.conf.default.forwarding"))
	}
	return checks
}

const privilege = "IsPrivilegedUser"

func privileged() Check {
	return Check{privilege, func(s Subject) []Finding {
		if s.Facts.EffectiveUID == 0 {
			return nil
		}
		return finding(Error, "sudo clusteradm …", "must be run as root, the effective user id is %d", s.Facts.EffectiveUID)
	}}
}

func cpus(least int) Check {
	return Check{"NumCPU", func(s Subject) []Finding {
		if s.Facts.CPUs >= least {
			return nil
		}
		return finding(Error, "nproc", "%d CPUs, a control plane needs %d", s.Facts.CPUs, least)
	}}
}

func memory(leastMB int64) Check {
	return Check{"Mem", func(s Subject) []Finding {
		if mb := s.Facts.MemoryBytes >> 20; mb < leastMB { // kubeadm's MB
			return finding(Error, "free -m", "%d MB of memory, a control plane needs %d MB", mb, leastMB)
		}
		return nil
	}}
}

func swap() Check {
	return Check{"Swap", func(s Subject) []Finding {
		var devices []string
		for _, swap := range s.Facts.Swaps {
			devices = append(devices, swap.Device)
		}
		if len(devices) == 0 || !KubeletSettingsOf(s.Cluster).FailSwapOn {
			return nil
		}
		return finding(Warning, "swapoff -a", "swap is on: %s; the kubelet does not start unless it is configured for swap", strings.Join(devices, ", "))
	}}
}

// vendorUUIDs are product UUIDs that firmware vendors left in many machines.
var vendorUUIDs = []string{"03000200-0400-0500-0006-000700080009", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}

func productUUID() Check {
	return Check{"ProductUUID", func(s Subject) []Finding {
		hint := "cat /sys/class/dmi/id/product_uuid"
		switch id := s.Facts.ProductUUID; {
		case id == "":
			return finding(Warning, hint, "this machine has no product_uuid to tell it from others")
		case slices.Contains(vendorUUIDs, id):
			return finding(Warning, hint, "product_uuid %s is a vendor's default that other machines have too", id)
		}
		return nil
	}}
}

func kubelet() Check {
	return Check{"KubeletVersion", func(s Subject) []Finding {
		if s.Facts.KubeletVersion == "" {
			return finding(Error, "kubelet --version", "no kubelet is installed, or it does not run")
		}
		if s.Cluster == nil {
			return nil
		}
		want, okWant := minor(s.Cluster.Version)
		have, okHave := minor(s.Facts.KubeletVersion)
		switch {
		case !okWant || !okHave:
			return finding(Error, "kubelet --version", "kubelet version %q is not understood", s.Facts.KubeletVersion)
		case have > want:
			return finding(Error, "kubelet --version", "kubelet %s is newer than the control plane %s", s.Facts.KubeletVersion, s.Cluster.Version)
		case have < want-3:
			return finding(Error, "kubelet --version", "kubelet %s is more than 3 minor versions older than the control plane %s", s.Facts.KubeletVersion, s.Cluster.Version)
		}
		return nil
	}}
}

// minor has the major in the bits above, so that minors of two majors compare.
func minor(version string) (int, bool) {
	var major, minor int
	n, err := fmt.Sscanf(version, "v%d.%d", &major, &minor)
	return major<<16 | minor, err == nil && n == 2
}

// ModuleCheck is the name of the check of a kernel module.
func ModuleCheck(module string) string {
	if module == "br_netfilter" {
		return "BridgeNetfilter"
	}
	return "Module-" + module
}

// SysctlCheck is the name of the check of a sysctl.
func SysctlCheck(name string) string {
	return "FileContent-" + strings.ReplaceAll("/proc/sys/"+strings.ReplaceAll(name, ".", "/"), "/", "-")
}

func sysctl(name string) Check {
	path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
	return Check{SysctlCheck(name), func(s Subject) []Finding {
		if strings.HasPrefix(s.Facts.Sysctl[name], "1") {
			return nil
		}
		return finding(Error, "sysctl -w "+name+"=1", "%s is %q, want 1", path, s.Facts.Sysctl[name])
	}}
}

// bridge looks at the capability and not at a list of modules: br_netfilter
// may be built in.
func bridge() Check {
	const name = "net.bridge.bridge-nf-call-iptables"
	return Check{"BridgeNetfilter", func(s Subject) []Finding {
		switch value, ok := s.Facts.Sysctl[name]; {
		case !ok:
			return finding(Warning, "modprobe br_netfilter", "br_netfilter is not loaded: bridged pod traffic would pass by kube-proxy's rules")
		case value != "1":
			return finding(Warning, "sysctl -w "+name+"=1", "%s is %s: bridged pod traffic would pass by kube-proxy's rules", name, value)
		}
		return nil
	}}
}

// port finds a taken port. The name of the process is the start of its comm,
// which the kernel cuts at 15 bytes.
func port(number int, owner string) Check {
	return Check{fmt.Sprintf("Port-%d", number), func(s Subject) []Finding {
		for _, l := range s.Facts.Listeners {
			if l.Port != number || s.Ours && strings.HasPrefix(l.Process, owner[:min(len(owner), 15)]) {
				continue
			}
			by := "an unknown process"
			if l.Process != "" {
				by = fmt.Sprintf("%s (pid %d)", l.Process, l.PID)
			}
			return finding(Error, fmt.Sprintf("ss -ltnp 'sport = :%d'", number), "port %d is taken by %s", number, by)
		}
		return nil
	}}
}

func fileAvailable(path string) Check {
	return Check{"FileAvailable-" + strings.ReplaceAll(path, "/", "-"), func(s Subject) []Finding {
		if !s.Facts.Exists(path) || s.Ours {
			return nil
		}
		return finding(Error, "clusteradm reset", "%s exists and belongs to another cluster or node", path)
	}}
}

func emptyDir(path string) Check {
	return Check{"DirAvailable-" + strings.ReplaceAll(path, "/", "-"), func(s Subject) []Finding {
		if f, ok := s.Facts.Files[path]; !ok || f.Empty || s.Ours {
			return nil
		}
		return finding(Error, "clusteradm reset   # or move away what is in it, if no cluster made it", "%s is not empty", path)
	}}
}

// foreign finds the identity of another node or cluster, which an init would
// otherwise overwrite.
func foreign() Check {
	return Check{"FileAvailable--etc-kubernetes-kubelet.conf", func(s Subject) []Finding {
		if s.Ours || !s.Facts.Exists(cluster.KubeletConf) {
			return nil
		}
		return finding(Error, "clusteradm reset", "%s is of another cluster, node name or address", cluster.KubeletConf)
	}}
}
