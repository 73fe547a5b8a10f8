package cluster

import (
	"time"

	"github.com/clusteradm/clusteradm/internal/secret"
)

// Facts is what was observed before planning, a plain value: a plan is a pure
// function of a Cluster, its Facts and the PKI.
type Facts struct {
	Now   time.Time
	Hosts map[string]HostFacts // by Node.Host
}

// HostFacts is what one machine looked like.
type HostFacts struct {
	Hostname    string
	ProductUUID string
	MachineID   string
	Swaps       []Swap // active
	// Sysctl holds the values of the sysctls that preflight asks about, by
	// their dotted names; an absent one has no entry.
	Sysctl    map[string]string
	Listeners []Listener
	// Files holds the managed files and directories that exist.
	Files map[string]FileFact
	// PKI holds the content of certificate and key files below the
	// certificates directory, and of the kubeconfigs, by absolute path.
	PKI map[string]secret.Bytes
	// Manifests holds the static pod manifests that exist, by path.
	Manifests map[string][]byte
	// TrustDirs are those of the usual CA directories that exist, which the
	// control plane's static pods mount.
	TrustDirs       []string
	CPUs            int
	MemoryBytes     int64
	EffectiveUID    int
	KubeletVersion  string
	SystemdResolved bool
	// Modules says of each of KernelModules whether the kernel has it.
	Modules map[string]bool
	// Fixes is the record of what --fix changed.
	Fixes Fixes
	// FixFiles is the content of files that --fix changes, where they exist; a
	// fstab may hold passwords.
	FixFiles map[string]secret.Bytes
	// Runtime is the container runtime, if it was asked for.
	Runtime RuntimeFacts
	// Machine is what only the checks look at.
	Machine MachineFacts
	// Balancer is the configuration of the node load balancer that is there.
	Balancer []byte
	// AddressRoutes is the main routing table, where a virtual IP needs it.
	AddressRoutes []Route
	// ProxyEnv is the HTTP proxy settings of the caller's environment, which
	// the control plane's pods get too.
	ProxyEnv []EnvVar
}

// RuntimeFacts is what is known of the container runtime.
type RuntimeFacts struct {
	Socket  string   // the one that was asked, as configured
	Sockets []string // of the known ones, those that exist
	Answers bool
	Error   string // why it does not answer
	Hint    string // a command that shows it
	// What it says of itself; see cri.Info.
	Name, Version, APIVersion string
	Ready                     bool
	NotReady                  string // why not
	NetworkReady              bool
	CgroupDriver              string // empty when it cannot tell
	SandboxImage              string // empty when it does not tell
}

// FileFact is what is known of one path.
type FileFact struct {
	Dir     bool
	Empty   bool // of a directory
	Size    int64
	Mode    uint32
	UID     int
	GID     int
	Target  string // of a symbolic link
	Changed time.Time
}

// Listener is one listening TCP port.
type Listener struct {
	Port    int
	Address string
	Process string // empty when it cannot be told
	PID     int
}

// Exists reports whether a managed path was there.
func (h HostFacts) Exists(path string) bool { _, ok := h.Files[path]; return ok }
