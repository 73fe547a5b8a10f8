package effect

import (
	"context"
	"fmt"

	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// EtcdDefragmented is a member's database file that holds no more than Spare
// bytes without use, or that has become smaller than it was: while others
// write, some is always without use.
type EtcdDefragmented struct {
	Host   string // from which etcd is asked
	Member etcd.Member
	Was    int64 // size of the file before
	Spare  int64
}

// Key implements plan.Effect.
func (e EtcdDefragmented) Key() string { return fmt.Sprintf("etcd database %x", e.Member.ID) }

// Observe implements plan.Effect.
func (e EtcdDefragmented) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	status, err := v.Etcd(e.Host).Status(ctx, e.Member)
	if err != nil {
		return nil, wrapObserve(e, err)
	}
	return status, nil
}

// Diff implements plan.Effect.
func (e EtcdDefragmented) Diff(observed plan.Observed) plan.Change {
	s := observed.(etcd.Status)
	if s.Size < e.Was || s.Size-s.InUse <= e.Spare {
		return plan.Change{}
	}
	return plan.Change{Verb: plan.Update, Summary: fmt.Sprintf("database of %s: %s, of which %s hold data", e.Member.Shown(), Bytes(s.Size), Bytes(s.InUse))}
}

// Bytes shows a size in binary units, "1.5Gi".
func Bytes(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1 << 30, "Gi"}, {1 << 20, "Mi"}, {1 << 10, "Ki"}} {
		if n >= unit.size {
			return fmt.Sprintf("%.1f%s", float64(n)/float64(unit.size), unit.name)
		}
	}
	return fmt.Sprint(n)
}

// Apply implements plan.Effect.
func (e EtcdDefragmented) Apply(ctx context.Context, w plan.World, _ plan.Observed) error {
	return w.EtcdWriter(e.Host).Defragment(ctx, e.Member)
}
