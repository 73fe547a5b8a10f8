package etcd_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/etcd"
)

// seen makes members m1, m2, … of letters: h is a healthy voter, d one that
// does not answer, l a learner that has started, u one that has not.
func seen(letters string) []etcd.Seen {
	var list []etcd.Seen
	for i, letter := range letters {
		m := etcd.Seen{Member: etcd.Member{ID: uint64(i + 1), Name: fmt.Sprintf("m%d", i+1), PeerURLs: []string{fmt.Sprintf("https://m%d:2380", i+1)}}}
		m.Learner = letter == 'l' || letter == 'u'
		if letter == 'd' || letter == 'u' {
			m.Err = errors.New("connection refused")
		}
		if letter == 'u' {
			m.Name = ""
		}
		list = append(list, m)
	}
	return list
}

func TestTally(t *testing.T) {
	for letters, want := range map[string]string{
		"h":     "1 voter, 1 healthy: none may fail",
		"hh":    "2 voters, 2 healthy: none may fail",
		"hd":    "2 voters, 1 healthy and 2 needed: there is no quorum",
		"hhh":   "3 voters, 3 healthy: 1 may fail",
		"hhd":   "3 voters, 2 healthy: none may fail",
		"hdd":   "3 voters, 1 healthy and 2 needed: there is no quorum",
		"hhhh":  "4 voters, 4 healthy: 1 may fail",
		"hhhhh": "5 voters, 5 healthy: 2 may fail",
		"hhhl":  "3 voters, 3 healthy: 1 may fail",
		"hhhu":  "3 voters, 3 healthy: 1 may fail",
	} {
		if got := etcd.Count(seen(letters)).String(); got != want {
			t.Errorf("%s: %q, want %q", letters, got, want)
		}
	}
}

// The changes are to m1.
func TestSimulate(t *testing.T) {
	const yes, no = true, false
	for _, c := range []struct {
		members string
		change  etcd.Change
		allowed bool
		says    string
	}{
		{"h", etcd.Remove, no, "m1 is the only voter: without it there is no cluster"},
		{"hl", etcd.Remove, no, "m1 is the only voter"},
		{"hh", etcd.Remove, yes, "without m1 etcd has 1 voter, 1 healthy: none may fail"},
		{"dh", etcd.Remove, no, "2 voters, 1 healthy and 2 needed: there is no quorum, so no member can be removed; not healthy: m1"},
		{"hd", etcd.Remove, no, "so no member can be removed; not healthy: m2"},
		{"hhh", etcd.Remove, yes, "without m1 etcd has 2 voters, 2 healthy: none may fail"},
		{"dhh", etcd.Remove, yes, "without m1 etcd has 2 voters, 2 healthy: none may fail"},
		{"hhd", etcd.Remove, no, "without m1 etcd would have 2 voters, 1 healthy and 2 needed: there is no quorum; not healthy: m3"},
		{"ddh", etcd.Remove, no, "not healthy: m1, m2"},
		{"hhhh", etcd.Remove, yes, "3 voters, 3 healthy: 1 may fail"},
		{"hhhd", etcd.Remove, yes, "3 voters, 2 healthy: none may fail"},
		{"dhhd", etcd.Remove, no, "4 voters, 2 healthy and 3 needed"},
		{"hhhhd", etcd.Remove, yes, "4 voters, 3 healthy: none may fail"},
		{"hhhdd", etcd.Remove, no, "4 voters, 2 healthy and 3 needed"},
		{"dhhhd", etcd.Remove, yes, "4 voters, 3 healthy: none may fail"},
		{"lhh", etcd.Remove, yes, "without m1 etcd has 2 voters, 2 healthy"},
		{"uh", etcd.Remove, yes, "without https://m1:2380 etcd has 1 voter, 1 healthy"},
		{"uhd", etcd.Remove, no, "so no member can be removed; not healthy: m3"},

		{"h", etcd.Replace, no, "m1 is the only voter"},
		{"hh", etcd.Replace, yes, "without m1 etcd has 1 voter, 1 healthy"},
		{"dh", etcd.Replace, no, "there is no quorum"},
		{"dhh", etcd.Replace, yes, "without m1 etcd has 2 voters, 2 healthy: none may fail"},
		{"hhh", etcd.Replace, yes, "2 voters, 2 healthy"},
		{"hhd", etcd.Replace, no, "without m1 etcd would have"},
		{"dhhhd", etcd.Replace, no, "m1 could be removed and not added again: etcd takes in no member while a voter is not healthy; not healthy: m5"},
		{"dhhu", etcd.Replace, no, "etcd takes in one member at a time, and https://m4:2380 is joining"},
		{"uhh", etcd.Replace, yes, "without https://m1:2380 etcd has 2 voters"},

		{"h", etcd.Restart, yes, "with 1 voter no member can be spared: etcd answers nobody while m1 is away"},
		{"hh", etcd.Restart, yes, "with 2 voters no member can be spared"},
		{"hd", etcd.Restart, no, "while m1 is away etcd would have 2 voters, 0 healthy and 2 needed"},
		{"dh", etcd.Restart, yes, "m1 is not counted on"},
		{"hhh", etcd.Restart, yes, "while m1 is away etcd has 3 voters, 2 healthy: none may fail"},
		{"hhd", etcd.Restart, no, "while m1 is away etcd would have 3 voters, 1 healthy and 2 needed: there is no quorum; not healthy: m3"},
		{"hhhhd", etcd.Restart, yes, "5 voters, 3 healthy: none may fail"},
		{"hhhdd", etcd.Restart, no, "not healthy: m4, m5"},
		{"lhd", etcd.Restart, yes, "m1 is not counted on"},

		{"h", etcd.Defragment, yes, "etcd answers nobody while m1 is away"},
		{"hhh", etcd.Defragment, yes, "while m1 is away etcd has 3 voters, 2 healthy"},
		{"hhd", etcd.Defragment, no, "there is no quorum"},
		{"dhh", etcd.Defragment, no, "m1 does not answer: connection refused"},

		{"h", etcd.AddLearner, yes, "a learner has no vote: 1 voter, 1 healthy"},
		{"hhh", etcd.AddLearner, yes, "a learner has no vote: 3 voters"},
		{"hhd", etcd.AddLearner, no, "etcd takes in no member while a voter is not healthy; not healthy: m3"},
		{"hdd", etcd.AddLearner, no, "not healthy: m2, m3"},
		{"hhl", etcd.AddLearner, no, "etcd takes in one member at a time, and m3 is joining"},
	} {
		v := etcd.Simulate(seen(c.members), c.change, 1)
		if v.Allowed != c.allowed || !strings.Contains(v.Says, c.says) {
			t.Errorf("%s m1 of %s: %t, %q, want %t and %q", c.change, c.members, v.Allowed, v.Says, c.allowed, c.says)
		}
	}
	if v := etcd.Simulate(seen("hhh"), etcd.Remove, 0xfe); v.Allowed || v.Says != "etcd has no member fe" {
		t.Errorf("of nobody: %+v", v)
	}
}

// Every cluster of up to five members, each in any state, and every change to
// each: what holds whatever the numbers are.
func TestNothingThatIsAllowedLosesTheQuorum(t *testing.T) {
	states, clusters := "hdlu", []string{""}
	for size := range 5 {
		for _, c := range clusters {
			for _, s := range states {
				if len(c) == size {
					clusters = append(clusters, c+string(s))
				}
			}
		}
	}
	cases := 0
	for _, c := range clusters {
		members := seen(c)
		for i := range members {
			for _, change := range []etcd.Change{etcd.Remove, etcd.Restart, etcd.Defragment, etcd.Replace, etcd.AddLearner} {
				cases++
				v := etcd.Simulate(members, change, members[i].ID)
				if v.Says == "" || v.Now != etcd.Count(members) {
					t.Fatalf("%s of %s, %d: %+v", change, c, i+1, v)
				}
				if !v.Allowed {
					continue
				}
				held := v.Now.Held() && v.Then.Held()
				alone := v.Now.Healthy == v.Now.Voters && v.Now.Voters <= 2 // nobody can be spared
				counted := !members[i].Learner && members[i].Healthy()
				switch change {
				case etcd.Restart, etcd.Defragment:
					if counted && !held && !alone {
						t.Errorf("%s of %s, %d is allowed: %+v", change, c, i+1, v)
					}
				default:
					if !held || v.Then.Voters == 0 {
						t.Errorf("%s of %s, %d is allowed: %+v", change, c, i+1, v)
					}
				}
			}
		}
	}
	if cases < 5000 {
		t.Errorf("only %d cases were looked at", cases)
	}
}

func TestSuccessor(t *testing.T) {
	members := seen("hhhdl")
	for i := range members {
		members[i].Status.Applied = uint64(100 + i)
	}
	if s, ok := etcd.Successor(members, 1); !ok || s.ID != 3 {
		t.Errorf("after m1 leads %d", s.ID)
	}
	members[2].Alarms = []etcd.AlarmKind{etcd.Corrupt}
	if s, ok := etcd.Successor(members, 1); !ok || s.ID != 2 {
		t.Errorf("after m1, with m3 corrupt, leads %d", s.ID)
	}
	if _, ok := etcd.Successor(seen("hdl"), 1); ok {
		t.Error("somebody leads who cannot")
	}
}
