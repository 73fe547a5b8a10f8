package components

import (
	"fmt"
	"strconv"
	"strings"
)

// Versions are the upstream versions of everything in a bundle. Each has the
// form of its Go module's version (v1.36.3), save Pause and FlannelCNI, which
// are ours and only borrow the upstream image's tag, and those that Debian
// packages: upstream's version as Debian has it.
type Versions struct {
	Kubernetes string `json:"kubernetes"`
	Etcd       string `json:"etcd"`
	Containerd string `json:"containerd"`
	Runc       string `json:"runc"`
	CNI        string `json:"cni"`
	CoreDNS    string `json:"coredns"`
	Flannel    string `json:"flannel"`
	FlannelCNI string `json:"flannelCNI"`
	Pause      string `json:"pause"`
	HAProxy    string `json:"haproxy"`
	Keepalived string `json:"keepalived"`
}

// DefaultKubernetes is the version a lab runs unless asked for another.
const DefaultKubernetes = "v1.36.3"

// paired holds, per Kubernetes minor, what comes with it. The versions of etcd
// and CoreDNS differ from kubeadm's own table where that version is not to be
// had as a module; they rise with every minor so that an upgrade in the lab
// really changes them.
var paired = map[int]struct{ etcd, coredns, pause string }{
	32: {"v3.5.21", "v1.14.3", "3.10"},
	33: {"v3.5.23", "v1.14.3", "3.10"},
	34: {"v3.6.12", "v1.14.5", "3.10.1"},
	35: {"v3.6.14", "v1.14.6", "3.10.1"},
	36: {"v3.6.16", "v1.14.7", "3.10.2"},
}

// VersionsFor returns the set of versions that goes with one Kubernetes
// version, such as v1.36.3.
func VersionsFor(kubernetes string) (Versions, error) {
	_, minor, err := parseMinor(kubernetes)
	if err != nil {
		return Versions{}, err
	}
	p, ok := paired[minor]
	if !ok {
		return Versions{}, fmt.Errorf("choose versions for Kubernetes %s: minor 1.%d is not in the table", kubernetes, minor)
	}
	return Versions{
		Kubernetes: kubernetes,
		Etcd:       p.etcd,
		Containerd: "v2.4.2",
		Runc:       "v1.5.2",
		CNI:        "v1.9.1",
		CoreDNS:    p.coredns,
		Flannel:    "v0.28.4",
		FlannelCNI: "v1.9.1-flannel1",
		Pause:      p.pause,
		HAProxy:    "2.6.12",
		Keepalived: "2.2.7",
	}, nil
}

// EtcdTag is the tag of the etcd image.
func (v Versions) EtcdTag() string { return strings.TrimPrefix(v.Etcd, "v") + "-0" }

// CoreDNSTag is the tag of the CoreDNS image.
func (v Versions) CoreDNSTag() string { return v.CoreDNS }

// PauseImage is the sandbox image that the container runtime is told to use.
func (v Versions) PauseImage() string { return "registry.k8s.io/pause:" + v.Pause }

// HAProxyImage is the image of the load balancer on nodes.
func (v Versions) HAProxyImage() string { return "registry.k8s.io/clusteradm/haproxy:" + v.HAProxy }

// KeepalivedImage is the image that holds a virtual IP.
func (v Versions) KeepalivedImage() string {
	return "registry.k8s.io/clusteradm/keepalived:" + v.Keepalived
}

func parseMinor(version string) (major, minor int, err error) {
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if !strings.HasPrefix(version, "v") || len(parts) != 3 {
		return 0, 0, fmt.Errorf("parse version %q: want the form v1.36.3", version)
	}
	if major, err = strconv.Atoi(parts[0]); err == nil {
		minor, err = strconv.Atoi(parts[1])
	}
	if err != nil {
		return 0, 0, fmt.Errorf("parse version %q: %w", version, err)
	}
	return major, minor, nil
}
