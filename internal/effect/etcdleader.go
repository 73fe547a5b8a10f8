package effect

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// EtcdLeader is that one member leads etcd, or that one does not: whoever is
// about to be stopped hands over first, so that nobody waits for an election.
type EtcdLeader struct {
	Host string // from which etcd is asked
	To   uint64 // who is to lead; 0: any but Not
	Not  uint64
}

// Key implements plan.Effect.
func (e EtcdLeader) Key() string { return "etcd leader" }

// Observe implements plan.Effect.
func (e EtcdLeader) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	seen, _, err := etcd.Look(ctx, v.Etcd(e.Host))
	if err != nil {
		return nil, wrapObserve(e, err)
	}
	return seen, nil
}

// Diff implements plan.Effect.
func (e EtcdLeader) Diff(observed plan.Observed) plan.Change {
	seen := observed.([]etcd.Seen)
	leader, known := etcd.Leader(seen)
	switch {
	case e.To != 0 && leader == e.To, e.To == 0 && (!known || leader != e.Not):
		return plan.Change{}
	case !known:
		return plan.Change{Verb: plan.Unknown, Summary: "etcd has no leader"}
	}
	to, ok := e.successor(seen)
	if !ok {
		return plan.Change{Verb: plan.Unknown, Summary: "etcd has no member that could lead instead of " + shownMember(seen, leader)}
	}
	return plan.Change{Verb: plan.Update, Summary: fmt.Sprintf("etcd leader: %s instead of %s", to.Shown(), shownMember(seen, leader))}
}

func (e EtcdLeader) successor(seen []etcd.Seen) (etcd.Seen, bool) {
	if e.To == 0 {
		return etcd.Successor(seen, e.Not)
	}
	i := slices.IndexFunc(seen, func(s etcd.Seen) bool { return s.ID == e.To && s.Healthy() && !s.Learner })
	if i < 0 {
		return etcd.Seen{}, false
	}
	return seen[i], true
}

func shownMember(seen []etcd.Seen, id uint64) string {
	for _, s := range seen {
		if s.ID == id {
			return s.Shown()
		}
	}
	return fmt.Sprintf("%x", id)
}

// Apply implements plan.Effect. A hand-over whose answer was lost is refused
// the second time, since the member that was asked does not lead any more.
func (e EtcdLeader) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	seen := observed.([]etcd.Seen)
	leader, _ := etcd.Leader(seen)
	if e.Diff(seen).Empty() {
		return nil
	}
	to, ok := e.successor(seen)
	from := slices.IndexFunc(seen, func(s etcd.Seen) bool { return s.ID == leader })
	if !ok || from < 0 {
		return errors.New("move the leader of etcd: " + e.Diff(seen).Summary)
	}
	err := w.EtcdWriter(e.Host).MoveLeader(ctx, seen[from].Member, to.Member)
	if err == nil {
		return nil
	}
	after, lookErr := e.Observe(ctx, w)
	if lookErr == nil && e.Diff(after).Empty() {
		return nil
	}
	return err
}
