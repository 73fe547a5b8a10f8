package preflight

import (
	"fmt"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// Init is the checks before a first control plane.
func Init(c *cluster.Cluster, n cluster.Node) []Check {
	checks := []Check{privileged(), cpus(2), memory(1700), kubernetesVersion(), foreign(), settings(), httpProxy(), httpProxyCIDR(), networkOverlap()}
	checks = append(checks, common(c, n)...)
	checks = append(checks, controlPlane(c, n)...)
	return checks
}

// Join is the checks before a node joins; caPath is where a worker will keep the
// cluster's certificate authority. c is what the cluster was found to be.
func Join(c *cluster.Cluster, n cluster.Node, caPath string) []Check {
	checks := []Check{privileged(), fileAvailable(cluster.KubeletConf), fileAvailable(cluster.BootstrapKubeletConf), httpProxy()}
	if n.ControlPlane {
		checks = append(checks, cpus(2), memory(1700), kubernetesVersion(), httpProxyCIDR())
		return append(append(checks, common(c, n)...), controlPlane(c, n)...)
	}
	return append(append(checks, fileAvailable(caPath), noControlPlane()), common(c, n)...)
}

// controlPlane is what is to be free for a control plane's own pods.
func controlPlane(c *cluster.Cluster, n cluster.Node) []Check {
	checks := []Check{port(n.BindPort, "kube-apiserver"), port(10259, "kube-scheduler"), port(10257, "kube-controller")}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"} {
		checks = append(checks, fileAvailable(cluster.ManifestsDir+"/"+name+".yaml"))
	}
	if c.Etcd.External != nil {
		return append(checks, externalEtcdVersion(), externalEtcdFiles(), externalEtcdServers())
	}
	return append(checks, port(2379, "etcd"), port(2380, "etcd"), emptyDir(c.Etcd.DataDir), fsyncLatency())
}

// common is what every node needs.
func common(c *cluster.Cluster, n cluster.Node) []Check {
	checks := []Check{noEtcdMachine(), criCheck(), runtimeVersion(), cgroupDriver(), swap(), systemVerification(), hostname(), kubelet(), kubeletService(), port(10250, "kubelet"),
		firewalld(), productUUID(), machineID(), macAddress(), clock(), timeSync(), diskSpace(), leftovers()}
	for _, m := range cluster.KernelModules() {
		checks = append(checks, module(m.Name))
	}
	for _, name := range cluster.Forwarding(c, n) {
		checks = append(checks, sysctl(name))
	}
	checks = append(checks, endpoint(c, n)...)
	checks = append(checks, bridged(cluster.BridgeIPv4), bridged(cluster.BridgeIPv6))
	for _, name := range cluster.Programs() {
		checks = append(checks, program(name))
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
		return finding(Warning, "swapoff -a   # or: clusteradm preflight --fix", "swap is on: %s; the kubelet does not start unless it is configured for swap", strings.Join(devices, ", "))
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
		return finding(Error, "sysctl -w "+name+"=1   # or: clusteradm preflight --fix", "%s is %q, want 1", path, s.Facts.Sysctl[name])
	}}
}

// bridgedPast is what goes wrong without br_netfilter.
const bridgedPast = "bridged pod traffic would pass by kube-proxy's rules"

// module looks at the capability and not at a list of modules: one may be
// built in.
func module(name string) Check {
	return Check{ModuleCheck(name), func(s Subject) []Finding {
		if has, known := s.Facts.Modules[name]; has || !known {
			return nil
		}
		if name == "br_netfilter" {
			return finding(Warning, "modprobe br_netfilter   # or: clusteradm preflight --fix", "br_netfilter is not loaded: %s", bridgedPast)
		}
		return finding(Warning, "modprobe "+name+"   # or: clusteradm preflight --fix", "the kernel has no %s and its module is not loaded: container images cannot be mounted", name)
	}}
}

// bridged is kubeadm's check of former times. Without the module there is
// nothing to say: that is found by its own name.
func bridged(name string) Check {
	return Check{SysctlCheck(name), func(s Subject) []Finding {
		if value, ok := s.Facts.Sysctl[name]; ok && value != "1" {
			return finding(Warning, "sysctl -w "+name+"=1   # or: clusteradm preflight --fix", "%s is %s: %s", name, value, bridgedPast)
		}
		return nil
	}}
}

// program finds a missing one. conntrack is no longer run by kube-proxy of
// 1.32 and later.
func program(name string) Check {
	return Check{"FileExisting-" + name, func(s Subject) []Finding {
		if has, known := s.Facts.Machine.Programs[name]; has || !known {
			return nil
		}
		if v, ok := minor(clusterVersion(s)); name == "conntrack" && (!ok || v >= 1<<16|32) {
			return nil
		}
		pack := map[string]string{"conntrack": "conntrack", "cp": "coreutils", "losetup": "mount"}[name]
		return finding(Error, "apt-get install "+or(pack, name)+"   # or: dnf install "+or(map[string]string{"conntrack": "conntrack-tools", "cp": "coreutils"}[name], "util-linux"),
			"the program %s is not on the path", name)
	}}
}

// clusterVersion is that of the cluster, where it is known.
func clusterVersion(s Subject) string {
	if s.Cluster == nil {
		return ""
	}
	return s.Cluster.Version
}

// kubeletService finds a unit that could not be started. One that is not
// enabled yet is no finding: it is enabled when it is started.
func kubeletService() Check {
	return Check{"Service-kubelet", func(s Subject) []Finding {
		u, known := s.Facts.Machine.Units["kubelet.service"]
		switch {
		case !known || u.Loaded:
			return nil
		case u.Masked:
			return finding(Error, "systemctl unmask kubelet.service", "the unit kubelet.service is masked")
		}
		return finding(Error, "systemctl cat kubelet.service", "there is no unit kubelet.service to start the kubelet with; the kubelet's package brings it")
	}}
}

func kubernetesVersion() Check {
	return Check{"KubernetesVersion", func(s Subject) []Finding {
		newest, ok := minor(s.Newest)
		want, okWant := minor(clusterVersion(s))
		if !ok || !okWant || want <= newest {
			return nil
		}
		return finding(Warning, "clusteradm version", "Kubernetes %s is newer than what this clusteradm is made for, %s", s.Cluster.Version, s.Newest)
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

// noControlPlane finds a machine that a worker's join would take the settings
// of its kubelet from, also where all that is there is of this cluster.
func noControlPlane() Check {
	const path = cluster.ManifestsDir + "/kube-apiserver.yaml"
	return Check{"FileAvailable-" + strings.ReplaceAll(path, "/", "-"), func(s Subject) []Finding {
		if !s.Facts.Exists(path) {
			return nil
		}
		return finding(Error, "clusteradm reset   # first, if it is to be a worker", "%s exists: this machine is a control plane", path)
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
