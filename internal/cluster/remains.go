package cluster

import (
	"fmt"
	"slices"
	"strings"
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
	CAFile    string
	CertFile  string
	KeyFile   string
	// Members is the cluster as etcd tells it; Unknown is why it does not.
	Members []EtcdMember
	Unknown string
}

// EtcdGivenUp is a file that reset puts beside etcd's data before it ends etcd,
// which cannot be asked from then on. It sorts after the data, and goes last.
const EtcdGivenUp = "reset-by-clusteradm"

// EtcdMember is one member of an etcd cluster.
type EtcdMember struct {
	ID       uint64
	Name     string
	PeerURLs []string
	Learner  bool
	Healthy  bool
}

// Removal is what has to be done about the membership before the data of this
// member may go.
type Removal struct {
	// Member is to be removed from the cluster; nil when it is alone in it, has
	// been removed already, or cannot be removed.
	Member *EtcdMember
	// Problem is why its data must not go; empty when they may.
	Problem string
}

// Removal does the arithmetic of the quorum.
func (e *LocalEtcd) Removal() Removal {
	if e.Unknown != "" {
		if e.GivenUp || !e.HasData {
			return Removal{} // it was removed before, or never ran
		}
		return Removal{Problem: fmt.Sprintf("etcd does not answer (%s), so that it cannot be told whether other members count on this one", e.Unknown)}
	}
	var self *EtcdMember
	voters, healthy := 0, 0
	var silent, learners []string
	for _, m := range e.Members {
		switch {
		case e.is(m):
			self = &m
		case m.Learner:
			learners = append(learners, m.shown())
		case m.Healthy:
			voters, healthy = voters+1, healthy+1
		default:
			voters++
			silent = append(silent, m.shown())
		}
	}
	needed := voters/2 + 1
	switch {
	case self == nil:
		return Removal{}
	case voters == 0 && len(learners) == 0:
		return Removal{} // alone: the cluster ends with it
	case voters == 0:
		return Removal{Problem: fmt.Sprintf("etcd member %s is the only one that votes, and %s is joining: without it there is no cluster", self.Name, strings.Join(learners, ", "))}
	case healthy < needed:
		return Removal{Problem: fmt.Sprintf("without etcd member %s there are %d members that vote; %d must answer and %d does: no answer of %s",
			self.Name, voters, needed, healthy, strings.Join(silent, ", "))}
	}
	return Removal{Member: self}
}

// Left reports that etcd's cluster has this member no more: its data are of no
// use to anybody.
func (e *LocalEtcd) Left() bool {
	if e.Unknown != "" {
		return e.GivenUp
	}
	return !slices.ContainsFunc(e.Members, e.is)
}

// is reports whether m is this member; one that has not started has no name.
func (e *LocalEtcd) is(m EtcdMember) bool {
	return m.Name != "" && m.Name == e.Name || slices.ContainsFunc(m.PeerURLs, func(u string) bool { return slices.Contains(e.PeerURLs, u) })
}

func (m EtcdMember) shown() string {
	if m.Name != "" {
		return m.Name
	}
	return strings.Join(m.PeerURLs, ",")
}
