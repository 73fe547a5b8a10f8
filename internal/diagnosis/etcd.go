package diagnosis

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Etcd is the membership as this machine sees it.
type Etcd struct {
	Seen    bool
	Fault   Fault // why it could not be seen
	Members []Member
	Turn    Lease // whose turn it is to join
}

// Member is one member, and what it says of itself.
type Member struct {
	ID       uint64
	Name     string // empty: it has never started
	PeerURLs []string
	Learner  bool
	Answers  bool
	Fault    Fault  // why it does not
	Index    uint64 // how far its log is
	Leader   bool
}

func (m Member) String() string {
	return fmt.Sprintf("%s (%x, %s)", or(m.Name, "without a name"), m.ID, strings.Join(m.PeerURLs, ", "))
}

// mine reports a member with this node's name or an address of this machine.
func (j Join) mine(m Member) bool {
	return m.Name == j.Node || m.Name == "" && slices.ContainsFunc(m.PeerURLs, func(peer string) bool {
		u, err := url.Parse(peer)
		return err == nil && slices.Contains(j.Machine.Addresses, u.Hostname())
	})
}

func (j Join) own() (Member, bool) {
	i := slices.IndexFunc(j.Etcd.Members, j.mine)
	if i < 0 {
		return Member{}, false
	}
	return j.Etcd.Members[i], true
}

func (j Join) etcdUnknown(name string) Finding {
	return unknown(name, "%s", or(j.Etcd.Fault.Text, "etcd was not asked")).hint(j.Etcd.Fault.Hint)
}

func (j Join) member() Finding {
	const name = "etcd-member"
	own, found := j.own()
	switch {
	case !j.Etcd.Seen:
		return j.etcdUnknown(name)
	case found && own.Name != "" && !j.Machine.EtcdData:
		return bad(name, "etcd has a member of this name, and this machine has no data of it: it is left from an earlier machine").
			proof("%s; there is nothing in this machine's data directory", own).hint(fmt.Sprintf("clusteradm etcd member remove %x", own.ID))
	case !found && j.Machine.EtcdData:
		return bad(name, "this machine has the data of an etcd member that is not in the cluster (any more)").
			proof("the members are %s", j.members()).hint("clusteradm reset")
	}
	if gone := j.gone(); len(gone) > 0 {
		m := gone[0]
		return bad(name, "the etcd member %s does not answer: its machine is down or gone", m.Name).
			proof("%s: %s", m, m.Fault.Text).hint(fmt.Sprintf("start its machine, or if that is gone: clusteradm etcd member remove %x", m.ID))
	}
	return ok(name, "etcd has %s", j.members())
}

// gone are voters of other machines that do not answer.
func (j Join) gone() []Member {
	return slices.DeleteFunc(slices.Clone(j.Etcd.Members), func(m Member) bool {
		return m.Answers || m.Learner || m.Name == "" || j.mine(m)
	})
}

func (j Join) members() string {
	var all []string
	for _, m := range j.Etcd.Members {
		all = append(all, m.String())
	}
	return orNone(all)
}

// caughtUp is the part of the leader's log that etcd asks of a learner before
// it promotes it, in tenths.
const caughtUp = 9

func (j Join) learner() Finding {
	const name = "etcd-learner"
	if !j.Etcd.Seen {
		return j.etcdUnknown(name)
	}
	i := slices.IndexFunc(j.Etcd.Members, func(m Member) bool { return m.Learner })
	if i < 0 {
		return ok(name, "no member waits for its promotion")
	}
	m, behind := j.Etcd.Members[i], j.behind(j.Etcd.Members[i])
	see := "on its machine: journalctl -u kubelet.service -n 50; crictl logs $(crictl ps -a --name etcd -q | head -1); its peer port must be reachable from all members"
	switch mine := j.mine(m); {
	case !mine && j.turnOf(m):
		return bad(name, "another machine, %s, is joining etcd, and etcd takes one at a time", j.Etcd.Turn.Holder).
			proof("the learner %s; %s; %s", m, behind, j.since()).hint("wait until it is done, or look at it: " + see)
	case !mine && m.Name != "":
		return bad(name, "the learner %s of another machine is not promoted, and etcd takes one at a time", m.Name).
			proof("%s; %s; %s", m, behind, j.since()).hint(fmt.Sprintf("run its join again, or clusteradm etcd member remove %x", m.ID))
	case m.Name == "" && !j.Machine.EtcdData:
		return ok(name, "a member that has never started is there; a join removes or takes it").proof("%s", m)
	case m.Answers && j.leaderKnown() && m.Index*10 >= j.leaderIndex()*caughtUp:
		return ok(name, "this machine's learner is in sync; a join promotes it").proof("%s; %s", m, behind)
	}
	return bad(name, "this machine's etcd is a learner and cannot be promoted").proof("%s; %s; %s", m, behind, j.since()).hint(see)
}

func (j Join) leaderIndex() uint64 {
	for _, m := range j.Etcd.Members {
		if m.Leader {
			return m.Index
		}
	}
	return 0
}

func (j Join) leaderKnown() bool { return j.leaderIndex() > 0 }

// behind is how much of the leader's log a learner lacks.
func (j Join) behind(m Member) string {
	leader := j.leaderIndex()
	switch {
	case !m.Answers:
		return "it does not answer: " + or(m.Fault.Text, "it has not started")
	case leader == 0:
		return fmt.Sprintf("its log is at %d, and there is no leader", m.Index)
	}
	return fmt.Sprintf("its log is at %d of the leader's %d, %d behind", m.Index, leader, max(leader, m.Index)-m.Index)
}

// turnOf reports that it is a learner's turn: by its name, or because it has
// none yet.
func (j Join) turnOf(m Member) bool {
	t := j.Etcd.Turn
	return t.Exists && t.Holder != "" && t.Holder != j.Node && (m.Name == "" || m.Name == t.Holder) && j.Now.Sub(t.Renewed) < time.Minute
}

func (j Join) since() string {
	t := j.Etcd.Turn
	if !t.Exists || t.Holder == "" || t.Since.IsZero() {
		return "since when is not known"
	}
	return fmt.Sprintf("%s has its turn to join since %s, %s ago", t.Holder, t.Since.UTC().Format(time.RFC3339), ago(j.Now, t.Since))
}
