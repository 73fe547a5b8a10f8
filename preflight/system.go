package preflight

import (
	"fmt"
	"slices"
	"strings"
)

// kernelNeeds are kernel options and what they are for; alternatives are
// separated by |. The lists are those of k8s.io/system-validators.
var (
	requiredOptions = []string{"NAMESPACES", "NET_NS", "PID_NS", "IPC_NS", "UTS_NS", "CPUSETS", "MEMCG", "INET", "EXT4_FS", "PROC_FS",
		"NETFILTER_XT_TARGET_REDIRECT|IP_NF_TARGET_REDIRECT", "NETFILTER_XT_MATCH_COMMENT", "FAIR_GROUP_SCHED", "CGROUPS", "CGROUP_PIDS", "CGROUP_SCHED"}
	requiredV1      = []string{"CGROUP_CPUACCT", "CGROUP_DEVICE", "CGROUP_FREEZER"}
	requiredV2      = []string{"CGROUP_BPF"}
	optionalOptions = []string{"OVERLAY_FS|OVERLAYFS_FS", "CFS_BANDWIDTH", "SECCOMP", "SECCOMP_FILTER", "CGROUP_HUGETLB"}

	requiredControllersV1 = []string{"cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"}
	// devices and freezer are no controllers of version 2 but are in every
	// kernel of 5.2 and later.
	requiredControllersV2 = []string{"cpu", "cpuset", "memory", "pids"}
	optionalControllersV1 = []string{"hugetlb", "blkio"}
	optionalControllersV2 = []string{"hugetlb", "io"}
)

// systemVerification is kubeadm's, as a pure function: kernel, its
// configuration, control groups.
func systemVerification() Check {
	return Check{"SystemVerification", func(s Subject) []Finding {
		if !s.Facts.Machine.Seen {
			return nil
		}
		return slices.Concat(kernelRelease(s), kernelConfig(s), cgroupVersion(s), cgroupControllers(s))
	}}
}

func kernelRelease(s Subject) []Finding {
	release := s.Facts.Machine.KernelRelease
	var major, minor int
	if n, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err == nil && n == 2 &&
		(major >= 6 || major == 5 && slices.Contains([]int{4, 10, 15}, minor)) {
		return nil
	}
	return finding(Warning, "uname -r", "kernel %s is not one of those that Kubernetes supports: 5.4, 5.10, 5.15, and 6 and later", release)
}

func kernelConfig(s Subject) []Finding {
	m := s.Facts.Machine
	if m.KernelConfig == nil {
		return finding(Warning, "ls /proc/config.gz /boot/config-"+m.KernelRelease, "the kernel's configuration is nowhere to be read, so it is not checked")
	}
	missing := func(options []string) []string {
		return slices.DeleteFunc(slices.Clone(options), func(o string) bool {
			return slices.ContainsFunc(strings.Split(o, "|"), func(name string) bool { return m.KernelConfig["CONFIG_"+name] != "" })
		})
	}
	required := slices.Concat(requiredOptions, requiredV1)
	if m.Cgroups.Version == 2 {
		required = slices.Concat(requiredOptions, requiredV2)
	}
	hint := "zgrep -E 'CONFIG_(…)=' /proc/config.gz /boot/config-" + m.KernelRelease
	var findings []Finding
	if names := missing(required); len(names) > 0 {
		findings = finding(Error, strings.Replace(hint, "…", strings.Join(names, "|"), 1), "the kernel lacks what Kubernetes needs: %s", strings.Join(names, ", "))
	}
	if names := missing(optionalOptions); len(names) > 0 {
		findings = append(findings, finding(Warning, strings.Replace(hint, "…", strings.Join(names, "|"), 1), "the kernel lacks what Kubernetes uses if it is there: %s", strings.Join(names, ", "))...)
	}
	return findings
}

// cgroupVersion: kubelets of 1.35 and later refuse version 1 unless their
// configuration says otherwise.
func cgroupVersion(s Subject) []Finding {
	const hint = "stat -fc %T /sys/fs/cgroup   # cgroup2fs is version 2"
	switch s.Facts.Machine.Cgroups.Version {
	case 0:
		return finding(Error, "mount -t cgroup2 none /sys/fs/cgroup", "control groups are not mounted")
	case 2:
		return nil
	}
	kubelet, known := minor(s.Facts.KubeletVersion)
	fails := known && kubelet >= 1<<16|35
	if set := KubeletSettingsOf(s.Cluster).FailCgroupV1; set != nil {
		fails = *set
	}
	if fails {
		return finding(Error, hint, "control groups are of version 1, which kubelet %s refuses unless failCgroupV1 is false in the KubeletConfiguration", s.Facts.KubeletVersion)
	}
	return finding(Warning, hint, "control groups are of version 1, which Kubernetes will not support for long")
}

func cgroupControllers(s Subject) []Finding {
	c := s.Facts.Machine.Cgroups
	required, optional, file := requiredControllersV1, optionalControllersV1, "/proc/cgroups"
	if c.Version == 2 {
		required, optional, file = requiredControllersV2, optionalControllersV2, "/sys/fs/cgroup/cgroup.controllers"
	}
	if c.Version == 0 {
		return nil // said already
	}
	missing := func(names []string) string {
		return strings.Join(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(c.Controllers, n) }), ", ")
	}
	var findings []Finding
	if names := missing(required); names != "" {
		findings = finding(Error, "cat "+file, "the kernel lacks control group controllers that Kubernetes needs: %s", names)
	}
	if names := missing(optional); names != "" {
		findings = append(findings, finding(Warning, "cat "+file, "the kernel lacks control group controllers that Kubernetes uses if they are there: %s", names)...)
	}
	return findings
}
