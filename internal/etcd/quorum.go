package etcd

import (
	"fmt"
	"slices"
	"strings"
)

// Change is what may be done to one member.
type Change string

// The changes. AddLearner is of a member that is not there yet.
const (
	Remove     Change = "remove"
	Restart    Change = "restart"
	Defragment Change = "defragment"
	Replace    Change = "replace"
	AddLearner Change = "add a learner"
)

// Tally is the votes of a cluster: how many there are, how many must answer
// for anything to be written, and how many do.
type Tally struct {
	Voters  int `json:"voters"`
	Needed  int `json:"needed"`
	Healthy int `json:"healthy"`
}

// Count counts the votes; learners have none.
func Count(members []Seen) Tally {
	var t Tally
	for _, m := range members {
		if m.Learner {
			continue
		}
		t.Voters++
		if m.Healthy() {
			t.Healthy++
		}
	}
	t.Needed = t.Voters/2 + 1
	return t
}

// Held reports a quorum.
func (t Tally) Held() bool { return t.Healthy >= t.Needed }

// MayFail is how many of those that answer may stop to.
func (t Tally) MayFail() int { return max(t.Healthy-t.Needed, 0) }

func (t Tally) String() string {
	s := fmt.Sprintf("%s, %d healthy", count(t.Voters, "voter"), t.Healthy)
	switch {
	case !t.Held():
		return fmt.Sprintf("%s and %d needed: there is no quorum", s, t.Needed)
	case t.MayFail() == 0:
		return s + ": none may fail"
	}
	return fmt.Sprintf("%s: %d may fail", s, t.MayFail())
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Verdict is what a change would make of the votes, and whether it may be done.
type Verdict struct {
	Now     Tally  `json:"now"`
	Then    Tally  `json:"then"` // after a removal; of the others, while a member is away
	Allowed bool   `json:"allowed"`
	Says    string `json:"says"` // why, or why not
}

// Simulate does the arithmetic of a change to the member id. It is as careful
// as the most careful etcd: up to 3.6.10 no member is taken in while a voter
// does not answer.
func Simulate(members []Seen, change Change, id uint64) Verdict {
	v := Verdict{Now: Count(members)}
	v.Then = v.Now
	at := slices.IndexFunc(members, func(m Seen) bool { return m.ID == id })
	if change == AddLearner {
		v.Says = joinable(members, v.Now)
		v.Allowed = v.Says == ""
		if v.Allowed {
			v.Says = "a learner has no vote: " + v.Now.String()
		}
		return v
	}
	if at < 0 {
		v.Says = fmt.Sprintf("etcd has no member %x", id)
		return v
	}
	self, others := members[at], slices.Delete(slices.Clone(members), at, at+1)
	switch change {
	case Remove, Replace:
		v.Then = Count(others)
		v.leave(self, others, change)
	default:
		v.pause(self, others, change)
	}
	return v
}

// leave judges that a member goes, for good or to come back empty.
func (v *Verdict) leave(self Seen, others []Seen, change Change) {
	name := self.Shown()
	switch {
	case !self.Learner && v.Now.Voters == 1:
		v.Says = fmt.Sprintf("%s is the only voter: without it there is no cluster", name)
	case !v.Now.Held():
		v.Says = fmt.Sprintf("%s, so no member can be removed%s", v.Now, silent(append(others, self)))
	case !self.Learner && !v.Then.Held():
		v.Says = fmt.Sprintf("without %s etcd would have %s%s", name, v.Then, silent(others))
	case change == Replace && joinable(others, v.Then) != "":
		v.Says = fmt.Sprintf("%s could be removed and not added again: %s", name, joinable(others, v.Then))
	default:
		v.Allowed, v.Says = true, fmt.Sprintf("without %s etcd has %s", name, v.Then)
	}
}

// pause judges that a member answers nobody for a while.
func (v *Verdict) pause(self Seen, others []Seen, change Change) {
	name := self.Shown()
	if !self.Learner && self.Healthy() {
		v.Then.Healthy--
	}
	switch {
	case change == Defragment && !self.Healthy():
		v.Says = name + " does not answer: " + self.Err.Error()
	case self.Learner || !self.Healthy():
		v.Allowed, v.Says = true, fmt.Sprintf("%s is not counted on: %s", name, v.Now)
	case v.Then.Held():
		v.Allowed, v.Says = true, fmt.Sprintf("while %s is away etcd has %s", name, v.Then)
	case v.Now.Healthy == v.Now.Voters:
		v.Allowed, v.Says = true, fmt.Sprintf("with %s no member can be spared: etcd answers nobody while %s is away", count(v.Now.Voters, "voter"), name)
	default:
		v.Says = fmt.Sprintf("while %s is away etcd would have %s%s", name, v.Then, silent(others))
	}
}

// joinable is why etcd takes in no member; empty when it does.
func joinable(members []Seen, t Tally) string {
	at := slices.IndexFunc(members, func(m Seen) bool { return m.Learner })
	switch {
	case t.Healthy < t.Voters:
		return "etcd takes in no member while a voter is not healthy" + silent(members)
	case at >= 0:
		return fmt.Sprintf("etcd takes in one member at a time, and %s is joining", members[at].Shown())
	}
	return ""
}

// silent names the voters that are not healthy, as the end of a sentence.
func silent(members []Seen) string {
	var names []string
	for _, m := range members {
		if !m.Learner && !m.Healthy() {
			names = append(names, m.Shown())
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return "; not healthy: " + strings.Join(names, ", ")
}
