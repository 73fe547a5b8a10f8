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
	removed int
	lost    error // of the next removal: it is done, and its answer is lost
}

var _ etcd.Client = (*Etcd)(nil)

// New returns an etcd with members.
func New(members ...etcd.Member) *Etcd {
	e := &Etcd{members: map[uint64]etcd.Member{}, sick: map[uint64]bool{}}
	for _, m := range members {
		e.members[m.ID] = m
	}
	return e
}

// Add adds a member, or replaces it.
func (e *Etcd) Add(m etcd.Member) { e.mu.Lock(); defer e.mu.Unlock(); e.members[m.ID] = m }

// Fail makes a member not answer.
func (e *Etcd) Fail(id uint64) { e.mu.Lock(); defer e.mu.Unlock(); e.sick[id] = true }

// LoseAnswer has the next removal done and answered with err.
func (e *Etcd) LoseAnswer(err error) { e.mu.Lock(); defer e.mu.Unlock(); e.lost = err }

// Removals is how many members were removed.
func (e *Etcd) Removals() int { e.mu.Lock(); defer e.mu.Unlock(); return e.removed }

// Snapshot is all that is there, equal for equal clusters.
func (e *Etcd) Snapshot() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(e.members)) {
		fmt.Fprintf(&b, "member %+v\n", e.members[id])
	}
	return b.String()
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

// RemoveMember implements etcd.Writer.
func (e *Etcd) RemoveMember(ctx context.Context, id uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.answers() {
		return etcd.ErrUnavailable
	}
	delete(e.members, id)
	e.removed++
	lost := e.lost
	e.lost = nil
	return lost
}
