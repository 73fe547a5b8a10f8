package hosttest

import "strings"

// Healthy gives the machine what one has that a cluster can be made on, swap
// off, so that no check finds anything.
func (m *Machine) Healthy() {
	options := "NAMESPACES NET_NS PID_NS IPC_NS UTS_NS CPUSETS MEMCG INET EXT4_FS PROC_FS NETFILTER_XT_TARGET_REDIRECT NETFILTER_XT_MATCH_COMMENT FAIR_GROUP_SCHED " +
		"CGROUPS CGROUP_PIDS CGROUP_SCHED CGROUP_BPF OVERLAY_FS CFS_BANDWIDTH SECCOMP SECCOMP_FILTER CGROUP_HUGETLB"
	for path, content := range map[string]string{
		"/proc/sys/kernel/hostname":                     m.name + "\n",
		"/proc/sys/kernel/osrelease":                    m.kernel + "\n",
		"/boot/config-" + m.kernel:                      "CONFIG_" + strings.ReplaceAll(options, " ", "=y\nCONFIG_") + "=y\n",
		"/proc/mounts":                                  "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
		"/sys/fs/cgroup/cgroup.controllers":             "cpuset cpu io memory hugetlb pids\n",
		"/proc/filesystems":                             "nodev\tproc\nnodev\toverlay\n",
		"/proc/cpuinfo":                                 "processor : 0\nprocessor : 1\n",
		"/proc/meminfo":                                 "MemTotal: 4194304 kB\n",
		"/proc/self/status":                             "Uid:\t0\t0\t0\t0\n",
		"/proc/swaps":                                   swapsHeader,
		"/proc/sys/net/ipv4/ip_forward":                 "1\n",
		"/proc/sys/net/ipv6/conf/default/forwarding":    "1\n",
		"/proc/sys/net/bridge/bridge-nf-call-iptables":  "1\n",
		"/proc/sys/net/bridge/bridge-nf-call-ip6tables": "1\n",
		"/sys/class/dmi/id/product_uuid":                "4c4c4544-0042-3510-8053-b3c04f4d3132\n",
		"/etc/machine-id":                               "0123456789abcdef0123456789abcdef\n",
		"/etc/hosts":                                    "127.0.1.1 " + m.name + "\n",
		"/usr/bin/mount":                                "", "/usr/sbin/losetup": "", "/usr/bin/cp": "",
	} {
		m.Put(path, content, 0o444)
	}
}
