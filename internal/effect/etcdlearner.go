package effect

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// EtcdLearner is a member of etcd's cluster at a peer URL. One that is not
// there is added as a learner, which has no vote: what becomes of it is no
// matter of the quorum's before EtcdVoter.
type EtcdLearner struct {
	Host    string // from which etcd is asked
	PeerURL string
}

// Key implements plan.Effect.
func (e EtcdLearner) Key() string { return "etcd learner " + e.PeerURL }

// Observe implements plan.Effect.
func (e EtcdLearner) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	return observeMembers(ctx, v, e, e.Host)
}

// Diff implements plan.Effect.
func (e EtcdLearner) Diff(observed plan.Observed) plan.Change {
	members := observed.([]etcd.Member)
	if _, ok := MemberAt(members, e.PeerURL); ok {
		return plan.Change{}
	}
	return plan.Change{Verb: plan.Create, Summary: fmt.Sprintf("etcd member %s, a learner beside %d", e.PeerURL, len(members))}
}

// Apply implements plan.Effect.
func (e EtcdLearner) Apply(ctx context.Context, w plan.World, _ plan.Observed) error {
	_, err := w.EtcdWriter(e.Host).AddLearner(ctx, []string{e.PeerURL})
	if errors.Is(err, etcd.ErrTooManyLearners) || errors.Is(err, etcd.ErrUnsettled) {
		return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
	}
	if err != nil {
		return fmt.Errorf("add etcd member %s: %w", e.PeerURL, err)
	}
	return nil
}

// MemberAt finds the member of a peer URL.
func MemberAt(members []etcd.Member, peerURL string) (etcd.Member, bool) {
	i := slices.IndexFunc(members, func(m etcd.Member) bool { return slices.Contains(m.PeerURLs, peerURL) })
	if i < 0 {
		return etcd.Member{}, false
	}
	return members[i], true
}

func observeMembers(ctx context.Context, v plan.View, e plan.Effect, host string) (plan.Observed, error) {
	members, err := v.Etcd(host).Members(ctx)
	if err != nil {
		return nil, wrapObserve(e, err)
	}
	return members, nil
}
