package cluster_test

import (
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/etcd"
)

func TestRemovalDoesTheArithmeticOfTheQuorum(t *testing.T) {
	voter := func(name string, healthy bool) etcd.Seen {
		m := etcd.Seen{Member: etcd.Member{ID: uint64(name[1]), Name: name, PeerURLs: []string{"https://" + name + ":2380"}}}
		if !healthy {
			m.Err = etcd.ErrUnavailable
		}
		return m
	}
	learner := func(name string) etcd.Seen {
		m := voter(name, false)
		m.Name, m.Learner = "", true
		return m
	}
	self := voter("m1", true)
	joining := self
	joining.Name, joining.Learner = "", true // not started: known by its peer URL
	for name, c := range map[string]struct {
		members []etcd.Seen
		unknown string
		noData  bool
		removed bool
		says    string // a problem
	}{
		"alone":                            {members: []etcd.Seen{self}},
		"one of two":                       {members: []etcd.Seen{self, voter("m2", true)}, removed: true},
		"one of two, the other is dead":    {members: []etcd.Seen{self, voter("m2", false)}, says: "2 voters, 1 healthy and 2 needed: there is no quorum, so no member can be removed; not healthy: m2"},
		"one of three":                     {members: []etcd.Seen{self, voter("m2", true), voter("m3", true)}, removed: true},
		"one of three, one is dead":        {members: []etcd.Seen{self, voter("m2", true), voter("m3", false)}, says: "without m1 etcd would have 2 voters, 1 healthy and 2 needed: there is no quorum; not healthy: m3"},
		"one of five, one is dead":         {members: []etcd.Seen{self, voter("m2", true), voter("m3", false), voter("m4", true), voter("m5", true)}, removed: true},
		"one of five, two are dead":        {members: []etcd.Seen{self, voter("m2", true), voter("m3", false), voter("m4", false), voter("m5", true)}, says: "4 voters, 2 healthy and 3 needed"},
		"a learner, the others are well":   {members: []etcd.Seen{joining, voter("m2", true)}, removed: true},
		"with a learner that does nothing": {members: []etcd.Seen{self, voter("m2", true), learner("m3")}, removed: true},
		"the only one that votes":          {members: []etcd.Seen{self, learner("m2")}, says: "m1 is the only voter: without it there is no cluster"},
		"removed already":                  {members: []etcd.Seen{voter("m2", true)}},
		"nobody answers":                   {unknown: "connection refused", says: "connection refused"},
		"nobody answers, it never ran":     {unknown: "connection refused", noData: true},
	} {
		e := &cluster.LocalEtcd{Name: "m1", PeerURLs: []string{"https://m1:2380"}, HasData: !c.noData, Members: c.members, Unknown: c.unknown}
		r := e.Removal()
		if (r.Member != nil) != c.removed || r.Member != nil && r.Member.ID != self.ID {
			t.Errorf("%s: removes %+v, want %t", name, r.Member, c.removed)
		}
		if (r.Problem == "") != (c.says == "") || !strings.Contains(r.Problem, c.says) {
			t.Errorf("%s: %q, want one that says %q", name, r.Problem, c.says)
		}
		given := *e
		if given.GivenUp = true; c.unknown != "" && (given.Removal() != (cluster.Removal{}) || !given.Left()) {
			t.Errorf("%s, given up: %+v", name, given.Removal())
		}
		if c.unknown == "" && (given.Removal().Problem != r.Problem || (given.Removal().Member == nil) != (r.Member == nil) || given.Left() != e.Left()) {
			t.Errorf("%s, given up before the cluster lived on: %+v, want %+v", name, given.Removal(), r)
		}
		if left := e.Left(); left != (name == "removed already") {
			t.Errorf("%s: left is %t", name, left)
		}
	}
}

// A member without a name has not started: it is not the one whose manifest
// names none.
func TestAMemberWithoutANameIsAnother(t *testing.T) {
	e := &cluster.LocalEtcd{PeerURLs: []string{"https://m1:2380"}, HasData: true, Members: []etcd.Seen{
		{Member: etcd.Member{ID: 1, Name: "default", PeerURLs: []string{"https://m1:2380"}}},
		{Member: etcd.Member{ID: 2, Name: "m2", PeerURLs: []string{"https://m2:2380"}}},
		{Member: etcd.Member{ID: 3, PeerURLs: []string{"https://m3:2380"}, Learner: true}, Err: etcd.ErrUnavailable},
	}}
	if r := e.Removal(); r.Member == nil || r.Member.ID != 1 {
		t.Errorf("removes %+v", r)
	}
}

// A machine that was replaced, and boots again: the member of its name is that
// of the machine that took its place.
func TestAMemberOfTheNameElsewhereIsAnothers(t *testing.T) {
	e := &cluster.LocalEtcd{Name: "m1", PeerURLs: []string{"https://192.0.2.1:2380"}, ClientURLs: []string{"https://192.0.2.1:2379"}, HasData: true}
	self := etcd.Member{ID: 1, Name: "m1", PeerURLs: e.PeerURLs, ClientURLs: e.ClientURLs}
	heir := etcd.Member{ID: 2, Name: "m1", PeerURLs: []string{"https://192.0.2.9:2380"}, ClientURLs: []string{"https://192.0.2.9:2379"}}
	renamed := self
	renamed.PeerURLs = []string{"https://m1.example:2380"}
	other := etcd.Member{ID: 3, Name: "m3", PeerURLs: []string{"https://192.0.2.3:2380"}, ClientURLs: []string{"https://192.0.2.3:2379"}}
	for name, c := range map[string]struct {
		members []etcd.Member
		removed uint64
	}{
		"it is gone, another has its name":    {[]etcd.Member{heir, other}, 0},
		"both are there, the other one first": {[]etcd.Member{heir, self, other}, 1},
		"its peer URL was changed":            {[]etcd.Member{other, renamed}, 1},
	} {
		e.Members = nil
		for _, m := range c.members {
			e.Members = append(e.Members, etcd.Seen{Member: m})
		}
		r := e.Removal()
		if r.Problem != "" || (r.Member == nil) != (c.removed == 0) || r.Member != nil && r.Member.ID != c.removed || e.Left() != (c.removed == 0) {
			t.Errorf("%s: removes %+v, left %t", name, r, e.Left())
		}
	}
}
