package plan

import (
	"net/netip"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

// Input is everything a phase may know.
type Input struct {
	Cluster *cluster.Cluster
	Node    cluster.Node
	Facts   cluster.Facts
	PKI     *pki.Bundle
	Join    Join
	Certs   Certs
	Shared  Shared
	Reset   Reset
	Etcd    Etcd
	// Endpoint is for a change of it.
	Endpoint Endpoint
	// Binary is where this program is, for units that run it.
	Binary string
	Follow Follow
}

// HostFacts are the facts of the node that the list is for.
func (in Input) HostFacts() cluster.HostFacts { return in.Facts.Hosts[in.Node.Host] }

// Follow is what the node load balancer is to be given.
type Follow struct {
	Config   []byte           // its configuration as it is
	Backends []netip.AddrPort // the API servers
}

// Join is what a joining node learned from the cluster before planning.
type Join struct {
	CA                  []byte // PEM, validated by discovery
	CACertPath          string
	BootstrapKubeconfig secret.Bytes
	// APIServers are those there are, where a node load balancer needs them.
	APIServers []netip.AddrPort
	// Joined is true when the kubelet has a usable certificate of this cluster.
	Joined bool
	// Shared are files of all control planes that the bundle does not hold: what
	// an API server shows to an etcd that others run.
	Shared []pki.NamedFile
	Etcd   JoinEtcd
}

// JoinEtcd is what a joining control plane learned of the cluster's own etcd.
type JoinEtcd struct {
	// Data is true when this node's member has started before: it goes on with
	// the manifest that it has. Voter is true when it has its vote as well.
	Data, Voter bool
	// Discard is that etcd's data here are of a member that an earlier join
	// withdrew: they go before the machine joins anew.
	Discard bool
	// Remove are members that only stand in the way: this machine's own from
	// before it lost its data, and those of machines that are gone. The others
	// have a quorum without them.
	Remove []etcd.Member
	// Now is the clock by which turns end.
	Now func() time.Time
}

// Certs is what the command made for a list that writes certificates again.
type Certs struct {
	Names []string        // of what is to be renewed, kubeadm's; see pki.Renewable
	Files []pki.NamedFile // to be written, in order, with the attributes that they had
	// KubeletClient is a new client certificate and key for a kubelet whose own
	// has expired; KubeletConf refers to it, if the one there does not.
	KubeletClient, KubeletConf secret.Bytes
	// Broken says that something had expired: the node is waited for.
	Broken bool
}

// Shared is what the command encrypted for further control planes, and made up
// for it; empty when nothing is to be shared.
type Shared struct {
	Key    secret.String
	Sealed map[string][]byte // the entries of the Secret kubeadm-certs
	Owner  cluster.Token     // with which they expire
}

// Reset is what a reset was asked for and found.
type Reset struct {
	CertificatesDir string
	CleanupTmpDir   bool
	UnmountFlags    []string // in umount2's spelling
	Remains         cluster.Remains
	// KeepEtcdData leaves the data of a member that was not removed from its
	// cluster, since the phase that does it is not part of the run.
	KeepEtcdData bool
}

// Etcd is what a command that keeps an etcd was asked for and found.
type Etcd struct {
	Seen   []etcd.Seen
	Member etcd.Member // that it is about
	// Defragment are the members to defragment, and Spare how much of a file may
	// be without use.
	Defragment []etcd.Member
	Spare      int64
	Alarms     []etcd.Alarm // to be disarmed
	Replace    *Replacing
}

// Replacing is the rebuilding of the member that is here.
type Replacing struct {
	cluster.Replacement
	PeerURL string
	DataDir string
	// Old reports that what there was of the member may still be in its place;
	// Kept is the manifest of the new one, once it has data of its own.
	Old  bool
	Kept []byte
	// APIServer is where that of this machine is asked; empty if it has none.
	APIServer string
	// Turn is that other machines may join meanwhile, and Now the clock that
	// turns are taken by.
	Turn bool
	Now  func() time.Time
}

// Endpoint is where the cluster is to be reached from now on, and what of it
// says so today.
type Endpoint struct {
	Address string           // "host:port"
	After   *cluster.Cluster // the cluster as it is to be
	Names   []string         // that every API server's certificate is to have
	CA      []byte           // PEM, of the API servers
	// As they are; nil where there is none, or this node may not see it.
	Configuration, ClusterInfo, Proxy, ProxyDaemon, Flannel, Settings *unstructured.Unstructured
	// APIServers are all of the cluster.
	APIServers []APIServer
	// Silent is why nothing answers at Address; empty if an API server does.
	Silent string
	// Unbalanced are the nodes on which no load balancer runs.
	Unbalanced []string
}

// APIServer is one of the cluster's.
type APIServer struct {
	Node    string `json:"node,omitempty"` // empty when it cannot be told
	Address string `json:"address"`        // "host:port"
	// Problem is why it cannot be reached by the endpoint's name.
	Problem string `json:"problem,omitempty"`
}
