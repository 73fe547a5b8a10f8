package effect

import (
	"context"
	"errors"
	"fmt"

	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// EtcdVoter is the vote of the member at a peer URL: a learner that is in sync
// is promoted.
type EtcdVoter struct {
	Host    string // from which etcd is asked
	PeerURL string
}

// Key implements plan.Effect.
func (e EtcdVoter) Key() string { return "etcd voter " + e.PeerURL }

// Observe implements plan.Effect.
func (e EtcdVoter) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	return observeMembers(ctx, v, e, e.Host)
}

// Diff implements plan.Effect.
func (e EtcdVoter) Diff(observed plan.Observed) plan.Change {
	m, ok := MemberAt(observed.([]etcd.Member), e.PeerURL)
	switch {
	case !ok:
		return plan.Change{Verb: plan.Unknown, Summary: "etcd has no member at " + e.PeerURL}
	case !m.Learner:
		return plan.Change{}
	}
	return plan.Change{Verb: plan.Update, Summary: "etcd member " + e.PeerURL + ": it gets its vote"}
}

// Apply implements plan.Effect.
func (e EtcdVoter) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	m, ok := MemberAt(observed.([]etcd.Member), e.PeerURL)
	if !ok {
		return fmt.Errorf("promote etcd member %s: %w", e.PeerURL, etcd.ErrNotFound)
	}
	err := w.EtcdWriter(e.Host).Promote(ctx, m.ID)
	if errors.Is(err, etcd.ErrNotInSync) {
		return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
	}
	if err != nil {
		return fmt.Errorf("promote etcd member %s: %w", e.PeerURL, err)
	}
	return nil
}
