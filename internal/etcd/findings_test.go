package etcd_test

import (
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/etcd"
)

func TestFindings(t *testing.T) {
	const gib = 1 << 30
	for name, c := range map[string]struct {
		members string
		change  func([]etcd.Seen)
		stayed  []etcd.Alarm
		want    []string // all that is said, in order
	}{
		"nothing":                   {members: "hhh"},
		"one":                       {members: "h"},
		"an even number":            {members: "hhhh", want: []string{"an even number of voters: of 4 only 1 may fail, as of 3"}},
		"two":                       {members: "hh", want: []string{"of 2 only 0 may fail, as of 1"}},
		"one that does not answer":  {members: "hhd", want: []string{"member m3 does not serve: connection refused"}},
		"no quorum":                 {members: "hdd", want: []string{"member m2 does not serve", "member m3 does not serve"}},
		"one that never started":    {members: "hhhu", want: []string{"member 4 (https://m4:2380) was added and never started"}},
		"a learner":                 {members: "hhhl", want: []string{"member m4 is a learner"}},
		"different versions":        {members: "hhh", change: func(s []etcd.Seen) { s[1].Status.Version = "3.6.16" }, want: []string{"members run different versions: 3.6.16, 3.6.8"}},
		"an old one":                {members: "h", change: func(s []etcd.Seen) { s[0].Status.Version = "3.5.25" }, want: []string{"member m1 runs 3.5.25"}},
		"not too old":               {members: "h", change: func(s []etcd.Seen) { s[0].Status.Version = "3.5.26" }},
		"nearly full":               {members: "h", change: func(s []etcd.Seen) { s[0].Status.Size, s[0].Status.Quota = 7*gib, 8*gib }, want: []string{"the database of m1 has 87% of its quota"}},
		"nearly full, of 3.5":       {members: "h", change: func(s []etcd.Seen) { s[0].Status.Size = 15 * gib / 8 }, want: []string{"the database of m1 has 93% of its quota"}},
		"not full":                  {members: "h", change: func(s []etcd.Seen) { s[0].Status.Size = gib }},
		"no space":                  {members: "h", change: func(s []etcd.Seen) { s[0].Alarms = []etcd.AlarmKind{etcd.NoSpace} }, want: []string{"alarm NOSPACE of member m1: the database has reached its quota"}},
		"corrupt":                   {members: "h", change: func(s []etcd.Seen) { s[0].Alarms = []etcd.AlarmKind{etcd.Corrupt} }, want: []string{"alarm CORRUPT of member m1: its data differ"}},
		"an alarm of one that left": {members: "h", stayed: []etcd.Alarm{{Member: 0xfe, Kind: etcd.Corrupt}}, want: []string{"alarm CORRUPT of fe, which is no member any more"}},
	} {
		members := seen(c.members)
		for i := range members {
			if members[i].Healthy() {
				members[i].Status.Version = "3.6.8"
			}
		}
		if c.change != nil {
			c.change(members)
		}
		found := etcd.Findings(members, c.stayed, etcd.DefaultQuota)
		if len(found) != len(c.want) {
			t.Errorf("%s: found %+v, want %q", name, found, c.want)
			continue
		}
		for i, f := range found {
			if !strings.Contains(f.Message, c.want[i]) {
				t.Errorf("%s: %q, want %q", name, f.Message, c.want[i])
			}
		}
	}
}
