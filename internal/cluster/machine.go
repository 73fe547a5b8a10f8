package cluster

import (
	"net/netip"

	"github.com/clusteradm/clusteradm/internal/secret"
)

// MachineFacts is what only the checks look at.
type MachineFacts struct {
	// Seen is false where nothing was looked at, as for a phase that needs no
	// checks.
	Seen          bool
	KernelRelease string            // "6.12.0-amd64"
	KernelConfig  map[string]string // "CONFIG_NET_NS" -> "y"; nil when it is not readable
	Cgroups       Cgroups
	// Programs are those of Programs that are on the path.
	Programs map[string]bool
	Units    map[string]Unit // by name, of Units
	// HostName says whether the node's name has an address; empty: not known.
	HostName  Resolution
	Links     []Link
	Routes    []Route
	Disks     []Disk
	Leftovers []Leftover
	ClockSync Tristate
	VirtualIP Tristate           // whether a machine has the address; empty without one
	FsyncMs   []float64          // of writes as etcd makes them, sorted; nil: not measured
	Etcd      *ExternalEtcdFacts // nil: it was not asked
}

// Tristate is a yes or no that may be unknown.
type Tristate string

// The values. Unknown is the zero value.
const (
	Unknown Tristate = ""
	Yes     Tristate = "yes"
	No      Tristate = "no"
)

// Resolution is whether a name has an address.
type Resolution struct {
	Known   bool
	Address string // empty: it has none
}

// Cgroups is how control groups are mounted.
type Cgroups struct {
	Version     int // 0: not mounted
	Controllers []string
}

// Unit is what systemd says of one unit.
type Unit struct {
	Loaded, Masked, Enabled, Active bool
}

// Link is one network interface.
type Link struct {
	Name     string
	MAC      string
	Physical bool // has a device behind it
	Enslaved bool // to a bond or bridge, whose address it may share
}

// Route is one route of the main table.
type Route struct {
	Prefix  netip.Prefix
	Link    string
	Gateway bool
}

// Disk is the filesystem that a directory is on, or would be.
type Disk struct {
	Path               string
	Size, Free         uint64 // bytes
	Inodes, InodesFree uint64 // 0 Inodes: it makes them as it needs them
}

// Leftover is something that an earlier cluster left.
type Leftover struct {
	What string // "network interface cni0"; of a pod its namespace/name
	Pod  bool
}

// ExternalEtcdFacts is what is known of an etcd that others run.
type ExternalEtcdFacts struct {
	// Files are those of the API server's credentials that are there, by path.
	Files     map[string]secret.Bytes
	Endpoints []EtcdEndpoint // as they are configured
	// Members are as the first endpoint that tells has them; nil if none does.
	Members []EtcdServer
}

// EtcdEndpoint is what answers at one endpoint of an external etcd.
type EtcdEndpoint struct {
	URL            string
	Asked          string // where it was asked for its version
	Version, Error string
	Served         [][]byte // the certificates that it shows, DER, its own first
	// Members are the ids of the members that it has in its cluster; Unlisted is
	// why it does not tell.
	Members  []uint64
	Unlisted string
}

// EtcdServer is a member of an external etcd, asked itself.
type EtcdServer struct {
	Name           string
	ClientURLs     []string
	Learner        bool
	Version, Error string
}

// Programs are those that the checks look for on the path.
func Programs() []string { return []string{"conntrack", "losetup", "mount", "cp"} }

// Units are those that the checks ask systemd about.
func Units() []string { return []string{"kubelet.service", "firewalld.service"} }

// PodLinks begin the names of interfaces that pod networks and kube-proxy make.
func PodLinks() []string {
	return []string{"cni0", "flannel.", "flannel-", "cali", "vxlan.calico", "wireguard.cali", "cilium_", "lxc_health", "weave",
		"kube-ipvs0", "kube-bridge", "nodelocaldns", "antrea-gw", "genev_sys", "ovn-k8s"}
}
