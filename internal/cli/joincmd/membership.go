package joincmd

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
)

// MembershipError reports that this machine cannot become a member of etcd as
// things are.
type MembershipError struct{ Problem, Mend string }

func (e *MembershipError) Error() string { return "join etcd: " + e.Problem }

// Hint is the command that mends it, or shows what is.
func (e *MembershipError) Hint() string { return e.Mend }

// standing is what is known of etcd and of who is to be in it.
type standing struct {
	seen  []etcd.Seen
	nodes nodes
	turn  string // whose turn it is to join, who may not have a Node yet
	data  bool   // etcd has data on this machine
	empty bool   // it has begun to make some, and came to no log
	// withdrawn is that an earlier join put cluster.EtcdGivenUp beside the data:
	// they never came to hold anything that others count on.
	withdrawn bool
}

// nodes are the cluster's Nodes: their names, and their addresses.
type nodes struct{ names, addresses []string }

// have reports that a member is of a machine that has a Node. It need not have
// the Node's name.
func (n nodes) have(m etcd.Seen) bool {
	if slices.Contains(n.names, strings.ToLower(m.Name)) {
		return true
	}
	return slices.ContainsFunc(slices.Concat(m.PeerURLs, m.ClientURLs), func(text string) bool {
		u, err := url.Parse(text)
		return err == nil && slices.Contains(n.addresses, u.Hostname())
	})
}

// membership decides what this node's member is to the cluster, and which
// members stand in the way. Members that are removed are voters or members of
// this very machine; that the others can do without them is certain.
func (s standing) membership(n cluster.Node, dataDir string) (plan.JoinEtcd, error) {
	const show = "clusteradm etcd status   # on a control plane"
	var j plan.JoinEtcd
	own, is := effect.MemberAt(members(s.seen), manifests.EtcdPeerURL(n))
	switch {
	case s.data && !is && !s.withdrawn:
		return j, &MembershipError{fmt.Sprintf("stale etcd data: %s is of a member that the cluster does not have", dataDir), "clusteradm reset   # then join again"}
	case s.data && is && (own.Name != "" || !s.empty):
		j.Data, j.Voter = true, !own.Learner
		return j, nil
	}
	// Data without a log are those of an etcd that was told of other members than
	// there are now, and ends each time: as if there were none, it is told anew.
	j.Discard = s.data && !is
	rest := slices.Clone(s.seen)
	for _, m := range s.seen {
		mine := is && m.ID == own.ID && m.Name != "" // it started once, and its data are gone
		named := m.Name == n.Name && !(is && m.ID == own.ID)
		gone := m.Name != "" && m.Name != s.turn && !s.nodes.have(m)
		switch {
		case !mine && !named && (m.Healthy() || !gone):
			continue
		case m.Healthy():
			return j, &MembershipError{fmt.Sprintf("etcd has a member %s at %s that answers, and it is not on this machine", m.Name, strings.Join(m.ClientURLs, ",")), show + ", or choose another name: --node-name"}
		}
		if named && slices.Contains(s.nodes.names, n.Name) {
			return j, &MembershipError{fmt.Sprintf("etcd has a member %s at %s that does not answer, and the cluster has its Node: it is of another machine, or of this one when it had another address", m.Name, strings.Join(m.PeerURLs, ",")),
				"kubectl delete node " + m.Name + "   # if that machine is gone; or choose another name: --node-name"}
		}
		if v := etcd.Simulate(rest, etcd.Remove, m.ID); !v.Allowed {
			return j, &MembershipError{fmt.Sprintf("member %s does not answer and cannot be removed: %s", m.Shown(), v.Says), show}
		}
		rest = slices.DeleteFunc(rest, func(r etcd.Seen) bool { return r.ID == m.ID })
		j.Remove = append(j.Remove, m.Member)
	}
	// A learner of somebody's is waited for; a voter that is silent is not.
	voters := slices.DeleteFunc(slices.Clone(rest), func(m etcd.Seen) bool { return m.Learner })
	if v := etcd.Simulate(voters, etcd.AddLearner, 0); !v.Allowed {
		return j, &MembershipError{v.Says, show}
	}
	return j, nil
}

func members(seen []etcd.Seen) []etcd.Member {
	list := make([]etcd.Member, 0, len(seen))
	for _, m := range seen {
		list = append(list, m.Member)
	}
	return list
}
