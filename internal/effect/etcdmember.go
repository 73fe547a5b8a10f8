package effect

import (
	"context"
	"errors"
	"fmt"

	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// EtcdMember is a member that etcd's cluster does not have any more. That the
// others can do without it is not decided here; etcd refuses by itself what
// would lose the quorum of those that answer, and, for some seconds, what could
// lose it since a voter is new: that is ErrNotYet.
type EtcdMember struct {
	Host string // from which etcd is asked
	ID   uint64
	Name string
}

// Key implements plan.Effect.
func (e EtcdMember) Key() string { return fmt.Sprintf("etcd member %x", e.ID) }

// Observe implements plan.Effect.
func (e EtcdMember) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	return observeMembers(ctx, v, e, e.Host)
}

// Diff implements plan.Effect.
func (e EtcdMember) Diff(observed plan.Observed) plan.Change {
	members := observed.([]etcd.Member)
	for _, m := range members {
		if m.ID == e.ID {
			return plan.Change{Verb: plan.Delete, Summary: fmt.Sprintf("etcd member %s (%x) of %d", e.Name, e.ID, len(members))}
		}
	}
	return plan.Change{}
}

// Apply implements plan.Effect.
func (e EtcdMember) Apply(ctx context.Context, w plan.World, _ plan.Observed) error {
	return removeMember(ctx, w, e.Host, e.ID, e.Name)
}

func removeMember(ctx context.Context, w plan.World, host string, id uint64, shown string) error {
	err := w.EtcdWriter(host).RemoveMember(ctx, id)
	if errors.Is(err, etcd.ErrUnsettled) {
		err = fmt.Errorf("%w: %w", plan.ErrNotYet, err)
	}
	if err != nil {
		return fmt.Errorf("remove etcd member %s: %w", shown, err)
	}
	return nil
}
