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
	// Refusal is why a join would not take its place among them, and Removes the
	// members that it would remove first.
	Refusal Fault
	Removes []string
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
	if j.Etcd.Fault.Text == "" && j.Shared.Fault.Text != "" {
		return unknown(name, "this machine has no certificates to ask etcd with")
	}
	return unknown(name, "%s", or(j.Etcd.Fault.Text, j.orLoggedOut())).hint(j.Etcd.Fault.Hint)
}

// Shared is what all control planes have in common, and this one is given.
type Shared struct {
	Asked bool
	Fault Fault // why it is not to be had
	Signs bool  // with the key of the cluster's certificate authority
}

func (j Join) shared() Finding {
	const name = "shared-certificates"
	switch {
	case !j.Shared.Asked:
		return unknown(name, "%s", j.orLoggedOut())
	case j.Shared.Fault.Text != "":
		return bad(name, "what control planes share is not to be had").proof("%s", j.Shared.Fault.Text).hint(j.Shared.Fault.Hint)
	}
	return ok(name, "the keys and certificates that control planes share are here or can be downloaded")
}

func (j Join) member() Finding {
	const name = "etcd-member"
	switch {
	case !j.Etcd.Seen:
		return j.etcdUnknown(name)
	case j.Etcd.Refusal.Text != "":
		return bad(name, "this machine cannot become a member of etcd as things are").
			proof("%s; the members are %s", j.Etcd.Refusal.Text, j.members()).hint(j.Etcd.Refusal.Hint)
	case len(j.Etcd.Removes) > 0:
		return ok(name, "etcd has stale members, which a join removes: %s", strings.Join(j.Etcd.Removes, ", ")).proof("the members are %s", j.members())
	}
	return ok(name, "nothing in etcd stands in the way").proof("the members are %s", j.members())
}

func (j Join) members() string {
	var all []string
	for _, m := range j.Etcd.Members {
		text := m.String()
		if !m.Answers {
			text += ", which does not answer"
		}
		all = append(all, text)
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
	case mine && m.Name == "" && j.Machine.EtcdStatic && j.Now.Sub(j.Machine.EtcdSince) > patience:
		return bad(name, "this machine's etcd does not start, so its learner cannot be promoted").proof("%s; %s; %s", m, behind, j.since()).hint(see)
	case m.Name == "":
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
	switch t, m := j.Etcd.Turn, j.Machine; {
	case t.Exists && t.Holder != "" && t.Holder != j.Node:
		return fmt.Sprintf("it is the turn of %s, which said so %s ago", t.Holder, ago(j.Now, t.Renewed))
	case !m.EtcdSince.IsZero():
		return fmt.Sprintf("its manifest is here since %s, %s ago", m.EtcdSince.UTC().Format(time.RFC3339), ago(j.Now, m.EtcdSince))
	}
	return "since when is not known"
}
