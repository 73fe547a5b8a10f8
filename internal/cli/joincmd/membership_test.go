package joincmd

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/etcd"
)

// seen makes members of words: "cp1" a healthy voter, "cp2-" one that does not
// answer, "cp3?" a learner, "cp3?-" one that does not answer, "@12?-" one that
// never started at our address, "cp9@12-" another name there.
func seen(words string) []etcd.Seen {
	var all []etcd.Seen
	for i, word := range strings.Fields(words) {
		m := etcd.Seen{Member: etcd.Member{ID: uint64(i + 1)}}
		if rest, ok := strings.CutSuffix(word, "-"); ok {
			m.Err, word = errors.New("no answer"), rest
		}
		word, m.Learner = strings.CutSuffix(word, "?")
		name, host, at := strings.Cut(word, "@")
		if !at {
			host = "1" + strings.TrimPrefix(name, "cp")
		}
		m.Name, m.PeerURLs, m.ClientURLs = name, []string{"https://192.0.2." + host + ":2380"}, []string{"https://192.0.2." + host + ":2379"}
		all = append(all, m)
	}
	return all
}

func TestMembership(t *testing.T) {
	node := cluster.Node{Name: "cp2", Address: netip.MustParseAddr("192.0.2.12")}
	for name, c := range map[string]struct {
		seen   string
		nodes  string // "cp1" if empty
		turn   string
		data   bool
		empty  bool   // of which none is a log
		mark   bool   // the data were marked by a join that was withdrawn
		remove string // by number
		voter  bool
		clears bool
		fresh  bool
		want   string // error
	}{
		"first of all":                         {seen: "cp1"},
		"third":                                {seen: "cp1 cp3", nodes: "cp1 cp3"},
		"added and not started":                {seen: "cp1 @12?-"},
		"started, no vote yet":                 {seen: "cp1 cp2?", data: true},
		"done":                                 {seen: "cp1 cp2", data: true, voter: true},
		"done, another is silent":              {seen: "cp1 cp2 cp3-", data: true, voter: true},
		"another joins":                        {seen: "cp1 @13?-"},
		"another joins and has started":        {seen: "cp1 cp3?-", turn: "cp3"},
		"another joins by kubeadm":             {seen: "cp1 cp3?-", nodes: "cp1 cp3"},
		"a learner's machine is gone":          {seen: "cp1 cp3?-", remove: "2"},
		"made anew, of three":                  {seen: "cp1 cp2- cp3", nodes: "cp1 cp2 cp3", remove: "2"},
		"made anew, as a learner":              {seen: "cp1 cp2?-", remove: "2"},
		"made anew, of two":                    {seen: "cp1 cp2-", want: "member cp2 does not answer and cannot be removed: 2 voters, 1 healthy and 2 needed: there is no quorum"},
		"made anew at another address":         {seen: "cp1 cp2@19- cp3", nodes: "cp1 cp3", remove: "2"},
		"the name is that of one that is down": {seen: "cp1 cp2@19- cp3", nodes: "cp1 cp2 cp3", want: "etcd has a member cp2 at https://192.0.2.19:2380 that does not answer, and the cluster has its Node"},
		"its address was another's":            {seen: "cp1 cp9@12- cp3", nodes: "cp1 cp3", remove: "2"},
		"the name is another's":                {seen: "cp1 cp2@19 cp3", nodes: "cp1 cp3", want: "etcd has a member cp2 at https://192.0.2.19:2379 that answers, and it is not on this machine"},
		"the address is another's":             {seen: "cp1 cp9@12", want: "etcd has a member cp9 at https://192.0.2.12:2379 that answers"},
		"a machine is gone":                    {seen: "cp1 cp3 cp9-", nodes: "cp1 cp3", remove: "3"},
		"two machines are gone, of five":       {seen: "cp1 cp3 cp4 cp8- cp9-", nodes: "cp1 cp3 cp4", remove: "4 5"},
		"two machines are gone, of three":      {seen: "cp1 cp8- cp9-", want: "cannot be removed: 3 voters, 1 healthy and 2 needed"},
		"a machine is down":                    {seen: "cp1 cp3 cp4-", nodes: "cp1 cp3 cp4", want: "etcd takes in no member while a voter is not healthy; not healthy: cp4"},
		"a machine of another name is down":    {seen: "cp1 cp3 etcd3@14-", nodes: "cp1 cp3 cp4", want: "not healthy: etcd3"},
		"a machine is down, named in capitals": {seen: "cp1 cp3 CP4@99-", nodes: "cp1 cp3 cp4", want: "not healthy: CP4"},
		"one has just got its vote":            {seen: "cp1 cp3-", turn: "cp3", want: "not healthy: cp3"},
		"data of nobody":                       {seen: "cp1 cp3", nodes: "cp1 cp3", data: true, want: "stale etcd data: /var/lib/etcd is of a member that the cluster does not have"},
		"killed before it made a log":          {seen: "cp1 @12?-", data: true, empty: true, fresh: true},
		"killed at its start":                  {seen: "cp1 @12?-", data: true},
		"its log is gone":                      {seen: "cp1 cp2?-", data: true, empty: true},
		"data of nobody, without a log":        {seen: "cp1 cp3", nodes: "cp1 cp3", data: true, empty: true, want: "stale etcd data"},
		"data of one that was withdrawn":       {seen: "cp1 cp3", nodes: "cp1 cp3", data: true, mark: true, clears: true},
		"a mark without data":                  {seen: "cp1 cp3", nodes: "cp1 cp3", mark: true},
		"to be withdrawn, and it was not":      {seen: "cp1 @12?-", data: true, mark: true},
		"a mark, and it has its vote":          {seen: "cp1 cp2", data: true, mark: true, voter: true},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := c.nodes
			if nodes == "" {
				nodes = "cp1"
			}
			s := standing{seen: seen(c.seen), turn: c.turn, data: c.data, empty: c.empty, withdrawn: c.mark}
			for _, name := range strings.Fields(nodes) {
				s.nodes.names = append(s.nodes.names, name)
				s.nodes.addresses = append(s.nodes.addresses, "192.0.2.1"+strings.TrimPrefix(name, "cp"))
			}
			got, err := s.membership(node, "/var/lib/etcd")
			if c.want != "" {
				var refused *MembershipError
				if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) || refused.Hint() == "" {
					t.Errorf("error %v, want %s", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			remove := ""
			for _, m := range got.Remove {
				remove += " " + string(rune('0'+m.ID))
			}
			if strings.TrimSpace(remove) != c.remove || got.Data != (c.data && !c.clears && !c.fresh) || got.Discard != c.clears || got.Voter != c.voter {
				t.Errorf("%+v, want removed %q, data %t, voter %t", got, c.remove, c.data, c.voter)
			}
		})
	}
}
