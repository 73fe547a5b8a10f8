package cluster

// FixesFile is the record of what --fix changed on a machine.
const FixesFile = "/var/lib/clusteradm/fixes.json"

// Where --fix makes modules and sysctls last over a boot, and where swap is
// made to.
const (
	ModulesLoadFile = "/etc/modules-load.d/clusteradm.conf"
	SysctlFile      = "/etc/sysctl.d/99-clusteradm.conf"
	FstabFile       = "/etc/fstab"
	UnitsDir        = "/etc/systemd/system"
)

// Fixes is what --fix changed on a machine and what was there before. It is
// written before each change: an entry whose change was never made describes
// the machine as it is. Reset takes back what is here and nothing else.
type Fixes struct {
	Modules []string    `json:"modules,omitempty"` // were not loaded
	Sysctls []SysctlFix `json:"sysctls,omitempty"`
	Files   []FileFix   `json:"files,omitempty"`
	Fstab   []string    `json:"fstab,omitempty"` // lines that were commented out
	Masks   []string    `json:"masks,omitempty"` // paths of links to /dev/null that mask units
	Swaps   []SwapFix   `json:"swaps,omitempty"` // were on
}

// SysctlFix is one sysctl. Before is empty when it came with a module.
type SysctlFix struct {
	Name   string `json:"name"`
	Before string `json:"before,omitempty"`
	Set    string `json:"set"`
}

// FileFix is a file that --fix wrote; Wrote is the SHA-256 of its content.
type FileFix struct {
	Path    string `json:"path"`
	Existed bool   `json:"existed,omitempty"`
	Before  []byte `json:"before,omitempty"`
	Wrote   string `json:"wrote"`
}

// SwapFix is a swap device or file that --fix switched off.
type SwapFix struct {
	Device   string `json:"device"`
	Priority int    `json:"priority,omitempty"`
}

// Empty reports that nothing was fixed.
func (f Fixes) Empty() bool {
	return len(f.Modules)+len(f.Sysctls)+len(f.Files)+len(f.Fstab)+len(f.Masks)+len(f.Swaps) == 0
}

// Swap is one active swap device or file, and the unit that switched it on.
type Swap struct {
	Device   string
	Priority int
	Unit     string
	Fragment string // the unit's file
	Source   string // what a generator made the unit from: /etc/fstab
}

// Module is a kernel module that nodes need, and what shows that the kernel
// can do what it is for: a module may be built in, and is in no list then.
type Module struct {
	Name     string
	Evidence string // path of a file
	Line     string // a line that the file has; empty when its presence is enough
}

// KernelModules are those that a container runtime and kube-proxy need.
func KernelModules() []Module {
	return []Module{
		{Name: "overlay", Evidence: "/proc/filesystems", Line: "nodev\toverlay"},
		{Name: "br_netfilter", Evidence: "/proc/sys/net/bridge/bridge-nf-call-iptables"},
	}
}

// The sysctls that nodes need to be 1.
const (
	ForwardIPv4 = "net.ipv4.ip_forward"
	ForwardIPv6 = "net.ipv6.conf.default.forwarding"
	BridgeIPv4  = "net.bridge.bridge-nf-call-iptables"
	BridgeIPv6  = "net.bridge.bridge-nf-call-ip6tables"
)

// Forwarding is the sysctls of the address families that a cluster uses: a
// machine of an IPv6 cluster need not forward IPv4.
func Forwarding(c *Cluster, n Node) []string {
	v4, v6 := n.Address.Is4(), n.Address.Is6()
	if c != nil {
		for _, s := range c.Networking.PodSubnets {
			v4, v6 = v4 || s.Addr().Is4(), v6 || s.Addr().Is6()
		}
		for _, s := range c.Networking.ServiceSubnets {
			v4, v6 = v4 || s.Addr().Is4(), v6 || s.Addr().Is6()
		}
	}
	var names []string
	if v4 || !v6 {
		names = append(names, ForwardIPv4)
	}
	if v6 {
		names = append(names, ForwardIPv6)
	}
	return names
}
