package effect

import (
	"context"
	"fmt"
	"slices"

	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// EtcdOrphans is an etcd cluster without members that were added and never
// started, but for one: such a learner keeps every other from joining. Whose
// turn it is to join alone may know that nobody is about to start them.
type EtcdOrphans struct {
	Host string // from which etcd is asked
	Keep string // peer URL of the one that is about to be started
}

// Key implements plan.Effect.
func (e EtcdOrphans) Key() string { return "etcd orphans" }

// Observe implements plan.Effect.
func (e EtcdOrphans) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	return observeMembers(ctx, v, e, e.Host)
}

// Diff implements plan.Effect.
func (e EtcdOrphans) Diff(observed plan.Observed) plan.Change {
	var lines []string
	for _, m := range e.Of(observed.([]etcd.Member)) {
		lines = append(lines, fmt.Sprintf("-member %x %v", m.ID, m.PeerURLs))
	}
	if len(lines) == 0 {
		return plan.Change{}
	}
	return plan.Change{Verb: plan.Delete, Summary: "etcd members that never started", Lines: lines}
}

// Of are the orphans among members.
func (e EtcdOrphans) Of(members []etcd.Member) []etcd.Member {
	return slices.DeleteFunc(slices.Clone(members), func(m etcd.Member) bool {
		return m.Name != "" || slices.Contains(m.PeerURLs, e.Keep)
	})
}

// Apply implements plan.Effect. It looks again: one that was waited for, and
// has started, stays.
func (e EtcdOrphans) Apply(ctx context.Context, w plan.World, _ plan.Observed) error {
	members, err := w.Etcd(e.Host).Members(ctx)
	if err != nil {
		return fmt.Errorf("remove %s: %w", e.Key(), err)
	}
	for _, m := range e.Of(members) {
		if err := removeMember(ctx, w, e.Host, m.ID, m.Shown()); err != nil {
			return err
		}
	}
	return nil
}
