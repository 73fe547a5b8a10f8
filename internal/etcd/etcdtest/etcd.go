// Package etcdtest is an etcd's membership in memory.
package etcdtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/clusteradm/clusteradm/internal/etcd"
)

// Etcd is a fake. The zero value has no member and does not answer.
type Etcd struct {
	mu      sync.Mutex
	members map[uint64]etcd.Member
	sick    map[uint64]bool
	leader  uint64
	alarms  []etcd.Alarm
	// unsettled is how many more changes of the membership are refused since a
	// voter is too new.
	unsettled int
	sizes     map[uint64][2]int64 // of databases that are not of the usual size: file, in use
	// mutations counts changes. The answer to number lose is lost: the change is
	// done all the same.
	mutations, lose int
	lost            error
}

var _ etcd.Client = (*Etcd)(nil)

// New returns an etcd with members, led by the first.
func New(members ...etcd.Member) *Etcd {
	e := &Etcd{members: map[uint64]etcd.Member{}, sick: map[uint64]bool{}, sizes: map[uint64][2]int64{}}
	for _, m := range members {
		e.members[m.ID] = m
	}
	if len(members) > 0 {
		e.leader = members[0].ID
	}
	return e
}

// Add adds a member, or replaces it. The first voter leads.
func (e *Etcd) Add(m etcd.Member) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.members[m.ID] = m
	if e.leader == 0 && !m.Learner {
		e.leader = m.ID
	}
}

// Fail makes a member not answer.
func (e *Etcd) Fail(id uint64) { e.mu.Lock(); defer e.mu.Unlock(); e.sick[id] = true }

// Start has the learner with a peer URL run under a name and be in sync.
func (e *Etcd) Start(name, peerURL, clientURL string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, m := range e.members {
		if slices.Contains(m.PeerURLs, peerURL) && m.Name == "" {
			m.Name, m.ClientURLs = name, []string{clientURL}
			e.members[id] = m
			delete(e.sick, id)
		}
	}
}

// Recover makes a member answer again.
func (e *Etcd) Recover(id uint64) { e.mu.Lock(); defer e.mu.Unlock(); delete(e.sick, id) }

// Grow gives a member a database of another size.
func (e *Etcd) Grow(id uint64, size, inUse int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sizes[id] = [2]int64{size, inUse}
}

// Unsettle has the next n changes of the membership refused, as soon after
// another's vote.
func (e *Etcd) Unsettle(n int) { e.mu.Lock(); defer e.mu.Unlock(); e.unsettled = n }

// Raise raises an alarm.
func (e *Etcd) Raise(a etcd.Alarm) { e.mu.Lock(); defer e.mu.Unlock(); e.alarms = append(e.alarms, a) }

// LoseAnswer has the next change done and answered with err.
func (e *Etcd) LoseAnswer(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lose, e.lost = e.mutations+1, err
}

// LoseAnswerAt has the k-th change from now on done and answered with err.
func (e *Etcd) LoseAnswerAt(k int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lose, e.lost = e.mutations+k, err
}

// Mutations is how many changes were made.
func (e *Etcd) Mutations() int { e.mu.Lock(); defer e.mu.Unlock(); return e.mutations }

// Snapshot is all that is there, equal for equal clusters.
func (e *Etcd) Snapshot() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(e.members)) {
		fmt.Fprintf(&b, "member %+v %v\n", e.members[id], e.sizes[id])
	}
	for _, a := range e.alarms {
		fmt.Fprintf(&b, "alarm %+v\n", a)
	}
	return b.String() + fmt.Sprintf("leader %d\n", e.leader)
}

// answers reports, with the lock held, whether a quorum of voters does.
func (e *Etcd) answers() bool {
	voters, well := 0, 0
	for id, m := range e.members {
		if m.Learner {
			continue
		}
		voters++
		if !e.sick[id] {
			well++
		}
	}
	return well > voters/2
}

// anybody reports, with the lock held, whether a member does.
func (e *Etcd) anybody() bool {
	for id := range e.members {
		if !e.sick[id] {
			return true
		}
	}
	return false
}

// Members implements etcd.Reader.
func (e *Etcd) Members(ctx context.Context) ([]etcd.Member, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.anybody() {
		return nil, etcd.ErrUnavailable
	}
	var list []etcd.Member
	for _, id := range slices.Sorted(maps.Keys(e.members)) {
		list = append(list, e.members[id])
	}
	return list, nil
}

// Healthy implements etcd.Reader.
func (e *Etcd) Healthy(ctx context.Context, m etcd.Member) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.members[m.ID]; !ok || e.sick[m.ID] {
		return etcd.ErrUnavailable
	}
	return nil
}

// Status implements etcd.Reader.
func (e *Etcd) Status(ctx context.Context, m etcd.Member) (etcd.Status, error) {
	if err := e.Healthy(ctx, m); err != nil {
		return etcd.Status{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := etcd.Status{ID: m.ID, Version: "3.6.8", Learner: e.members[m.ID].Learner, Term: 2, Index: 100, Applied: 100, Size: 4 << 20, InUse: 3 << 20, Quota: 2 << 30}
	if size, ok := e.sizes[m.ID]; ok {
		s.Size, s.InUse = size[0], size[1]
	}
	if e.answers() {
		s.Leader = e.leader
	}
	for _, a := range e.alarms {
		if a.Member == m.ID {
			s.Errors = append(s.Errors, string(a.Kind))
		}
	}
	return s, nil
}

// Alarms implements etcd.Reader.
func (e *Etcd) Alarms(ctx context.Context) ([]etcd.Alarm, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.anybody() {
		return nil, etcd.ErrUnavailable
	}
	return slices.Clone(e.alarms), nil
}

// change makes a change that takes a quorum, if that is there.
func (e *Etcd) change(ctx context.Context, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.answers() {
		return etcd.ErrUnavailable
	}
	if err := do(); err != nil {
		return err
	}
	e.mutations++
	if e.mutations == e.lose {
		return e.lost
	}
	return nil
}

// RemoveMember implements etcd.Writer.
func (e *Etcd) RemoveMember(ctx context.Context, id uint64) error {
	return e.change(ctx, func() error {
		if e.unsettled > 0 {
			e.unsettled--
			return etcd.ErrUnsettled
		}
		delete(e.members, id)
		if e.leader == id {
			e.leader = e.voter()
		}
		return nil
	})
}

// voter is any that answers.
func (e *Etcd) voter() uint64 {
	for _, id := range slices.Sorted(maps.Keys(e.members)) {
		if !e.members[id].Learner && !e.sick[id] {
			return id
		}
	}
	return 0
}

// AddLearner implements etcd.Writer. The new one does not answer before Start.
func (e *Etcd) AddLearner(ctx context.Context, peerURLs []string) (added etcd.Member, err error) {
	e.mu.Lock()
	for _, m := range e.members {
		if slices.Equal(m.PeerURLs, peerURLs) && e.anybody() {
			e.mu.Unlock()
			return m, ctx.Err()
		}
	}
	e.mu.Unlock()
	err = e.change(ctx, func() error {
		if e.unsettled > 0 {
			e.unsettled--
			return etcd.ErrUnsettled
		}
		id := uint64(1)
		for have, m := range e.members {
			if m.Learner {
				return etcd.ErrTooManyLearners
			}
			id = max(id, have+1)
		}
		added = etcd.Member{ID: id, PeerURLs: slices.Clone(peerURLs), Learner: true}
		e.members[id], e.sick[id] = added, true
		return nil
	})
	return added, err
}

// Promote implements etcd.Writer.
func (e *Etcd) Promote(ctx context.Context, id uint64) error {
	return e.change(ctx, func() error {
		m, ok := e.members[id]
		switch {
		case !ok:
			return etcd.ErrNotFound
		case m.Learner && e.sick[id]:
			return etcd.ErrNotInSync
		}
		m.Learner = false
		e.members[id] = m
		return nil
	})
}

// MoveLeader implements etcd.Writer.
func (e *Etcd) MoveLeader(ctx context.Context, leader, to etcd.Member) error {
	return e.change(ctx, func() error {
		if m, ok := e.members[to.ID]; !ok || m.Learner || e.sick[to.ID] || leader.ID != e.leader {
			return fmt.Errorf("move the leader from %s to %s: bad leader transferee", leader.Name, to.Name)
		}
		e.leader = to.ID
		return nil
	})
}

// Defragment implements etcd.Writer.
func (e *Etcd) Defragment(ctx context.Context, m etcd.Member) error {
	if err := e.Healthy(ctx, m); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mutations++
	size, ok := e.sizes[m.ID]
	if !ok {
		size[1] = 3 << 20
	}
	e.sizes[m.ID] = [2]int64{size[1], size[1]}
	if e.mutations == e.lose {
		return e.lost
	}
	return nil
}

// Disarm implements etcd.Writer.
func (e *Etcd) Disarm(ctx context.Context, a etcd.Alarm) error {
	return e.change(ctx, func() error {
		e.alarms = slices.DeleteFunc(e.alarms, func(have etcd.Alarm) bool { return have == a })
		return nil
	})
}
