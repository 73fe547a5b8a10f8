package etcd

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"
)

// DefaultQuota is what etcd lets its database grow to unless it is told.
const DefaultQuota = 2 << 30

// Finding is something about a cluster that somebody should know, and a
// command that helps.
type Finding struct {
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Findings says what is not as it should be. Quota is of members that do not
// tell theirs.
func Findings(seen []Seen, stayed []Alarm, quota int64) []Finding {
	var found []Finding
	add := func(hint, format string, args ...any) {
		found = append(found, Finding{Message: strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; "), Hint: hint})
	}
	t := Count(seen)
	for _, s := range seen {
		switch {
		case s.Name == "":
			add(fmt.Sprintf("clusteradm etcd member remove %x", s.ID), "member %x (%s) was added and never started", s.ID, strings.Join(s.PeerURLs, ","))
		case errors.Is(s.Err, errNoLeader):
			add("", "member %s answers and knows no leader", s.Name)
		case !s.Healthy() && !t.Held():
			add("journalctl -u kubelet -n 50   # on its machine", "member %s does not serve: %v", s.Name, s.Err)
		case !s.Healthy():
			add(fmt.Sprintf("journalctl -u kubelet -n 50   # on its machine; if its data are broken: clusteradm etcd member replace %s; if the machine is lost: clusteradm etcd member remove %s", s.Name, s.Name), "member %s does not serve: %v", s.Name, s.Err)
		case s.Learner:
			add("clusteradm etcd status   # again: it is promoted once it is in sync, by whatever added it", "member %s is a learner: it has no vote yet", s.Name)
		}
		for _, kind := range s.Alarms {
			add(Alarm{s.ID, kind}.Remedy(s.Shown()), "alarm %s of member %s: %s", kind, s.Shown(), kind.Means())
		}
		if s.Quota(quota) > 0 && s.Status.Size > s.Quota(quota)/10*8 {
			add("clusteradm etcd defrag --all", "the database of %s has %d%% of its quota; when it is full etcd refuses all writes", s.Shown(), s.Status.Size*100/s.Quota(quota))
		}
	}
	for _, a := range stayed {
		add(a.Remedy(fmt.Sprintf("%x", a.Member)), "alarm %s of %x, which is no member any more", a.Kind, a.Member)
	}
	if t.Voters > 0 && t.Voters%2 == 0 {
		add("clusteradm reset   # on a machine that is to leave, or have one more join",
			"an even number of voters: of %d only %d may fail, as of %d", t.Voters, t.Voters-t.Needed, t.Voters-1)
	}
	return append(found, versions(seen)...)
}

// Quota is what the member's database may grow to; otherwise is that of one
// that does not tell.
func (s Seen) Quota(otherwise int64) int64 {
	if s.Status.Quota == 0 && s.Healthy() {
		return otherwise
	}
	return s.Status.Quota
}

// zombies is the first version of 3.5 that does not bring members back to life
// that were removed, once it is upgraded to 3.6.
var zombies = version.MustParseGeneric("3.5.26")

func versions(seen []Seen) []Finding {
	var found []Finding
	var told []string
	for _, s := range seen {
		v, err := version.ParseGeneric(s.Status.Version)
		if err != nil {
			continue // it does not answer
		}
		if !slices.Contains(told, s.Status.Version) {
			told = append(told, s.Status.Version)
		}
		if v.LessThan(zombies) {
			found = append(found, Finding{Message: fmt.Sprintf("member %s runs %s: before any goes to 3.6, all have to run 3.5.26 or later, or removed members come back to life", s.Shown(), v)})
		}
	}
	if len(told) > 1 {
		slices.Sort(told)
		found = append(found, Finding{Message: "members run different versions: " + strings.Join(told, ", ")})
	}
	return found
}

// Means says what an alarm is about.
func (k AlarmKind) Means() string {
	switch k {
	case NoSpace:
		return "the database has reached its quota, and etcd refuses all writes that need space"
	case Corrupt:
		return "its data differ from the others', and etcd refuses all reads and writes"
	}
	return "not known to clusteradm"
}

// Remedy is what to do about an alarm: a command.
func (a Alarm) Remedy(name string) string {
	if a.Kind == Corrupt {
		return fmt.Sprintf("clusteradm etcd member replace %s   # on its machine; the alarm goes with the member", name)
	}
	return "clusteradm etcd defrag --all && clusteradm etcd alarms disarm"
}
