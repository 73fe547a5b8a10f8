package cluster

import (
	"fmt"
	"slices"

	"github.com/clusteradm/clusteradm/internal/etcd"
)

// Remains is what a machine has of a cluster, as its own files tell: a reset
// depends on no API server.
type Remains struct {
	// Node reports that there is a kubelet's configuration, a kubeconfig or a
	// static pod of the control plane.
	Node            bool
	NodeName        string // the kubelet's certificate is for it; empty without
	CertificatesDir string // empty when nothing tells it
	Etcd            *LocalEtcd
	// EtcdUnread is why the manifest that is there tells of no etcd: then its
	// member and its data are not known. EtcdOrphan is etcd's usual data without
	// a manifest, as with one that was moved away to stop etcd.
	EtcdUnread string
	EtcdOrphan bool
	// Runtime is why the container runtime could not be asked for its pods;
	// empty when it answers.
	Runtime string
	// Firewall is the programs of iptables that the machine has, each with
	// rules of its own; NFT reports nft.
	Firewall []string
	NFT      bool
	// Flannel reports that flannel's CNI configuration is there, and so the
	// plugin that came with it.
	Flannel bool
}

// LocalEtcd is the etcd that is a static pod here.
type LocalEtcd struct {
	Name     string
	PeerURLs []string
	DataDir  string
	HasData  bool
	// GivenUp reports that an interrupted reset had come so far that nobody
	// counts on the data any more: EtcdGivenUp is beside them. What etcd itself
	// tells counts for more: the machine may have booted since, and its cluster
	// may have lived on and grown.
	GivenUp   bool
	Endpoints []string // where members may be asked, this one first
	// ClientURLs are where this one serves, as it tells the others.
	ClientURLs []string
	CAFile     string
	CertFile   string
	KeyFile    string
	// Members is the cluster as etcd tells it; Unknown is why it does not.
	Members []etcd.Seen
	Unknown string
}

// EtcdGivenUp is a file that reset puts beside etcd's data before it ends etcd,
// which cannot be asked from then on. It sorts after the data, and goes last.
const EtcdGivenUp = "reset-by-clusteradm"

// EtcdWithdrawn is what a join writes to that file: its member was removed
// again, as a learner that had never got in sync, so the data are nobody's. The
// next join clears them by itself.
const EtcdWithdrawn = "These data are of a learner that never got in sync and was removed again; the next clusteradm join removes them.\n"

// Removal is what has to be done about the membership before the data of this
// member may go.
type Removal struct {
	// Member is to be removed from the cluster; nil when it is alone in it, has
	// been removed already, or cannot be removed.
	Member *etcd.Seen
	// Problem is why its data must not go; empty when they may.
	Problem string
}

// Removal says so by the arithmetic of the quorum.
func (e *LocalEtcd) Removal() Removal {
	if e.Unknown != "" {
		if e.GivenUp || !e.HasData {
			return Removal{} // it was removed before, or never ran
		}
		return Removal{Problem: fmt.Sprintf("etcd does not answer (%s), so that it cannot be told whether other members count on this one", e.Unknown)}
	}
	at := slices.IndexFunc(e.Members, func(m etcd.Seen) bool { return e.Is(m.Member) })
	if at < 0 || len(e.Members) == 1 {
		return Removal{} // it was removed before; or it is alone, and the cluster ends with it
	}
	v := etcd.Simulate(e.Members, etcd.Remove, e.Members[at].ID)
	if !v.Allowed {
		return Removal{Problem: v.Says}
	}
	return Removal{Member: &e.Members[at]}
}

// Left reports that etcd's cluster has this member no more: its data are of no
// use to anybody.
func (e *LocalEtcd) Left() bool {
	if e.Unknown != "" {
		return e.GivenUp
	}
	return !slices.ContainsFunc(e.Members, func(m etcd.Seen) bool { return e.Is(m.Member) })
}

// Is reports whether m is this member: that of its peer URL; or, since that can
// be changed while it runs, one of its name that serves where it does. The name
// alone tells nothing: a machine that took the place of this one may have it.
func (e *LocalEtcd) Is(m etcd.Member) bool {
	among := func(urls []string) func(string) bool {
		return func(u string) bool { return slices.Contains(urls, u) }
	}
	return slices.ContainsFunc(m.PeerURLs, among(e.PeerURLs)) ||
		m.Name != "" && m.Name == e.Name && slices.ContainsFunc(m.ClientURLs, among(e.ClientURLs))
}
