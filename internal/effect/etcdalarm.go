package effect

import (
	"context"
	"fmt"
	"slices"

	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// EtcdAlarm is an alarm that is not raised any more. Whether its cause is gone
// is not decided here: etcd raises it again when it is not.
type EtcdAlarm struct {
	Host  string // from which etcd is asked
	Alarm etcd.Alarm
	Name  string // of the member
}

// Key implements plan.Effect.
func (e EtcdAlarm) Key() string {
	return fmt.Sprintf("etcd alarm %s of %x", e.Alarm.Kind, e.Alarm.Member)
}

// Observe implements plan.Effect.
func (e EtcdAlarm) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	alarms, err := v.Etcd(e.Host).Alarms(ctx)
	if err != nil {
		return nil, wrapObserve(e, err)
	}
	return alarms, nil
}

// Diff implements plan.Effect.
func (e EtcdAlarm) Diff(observed plan.Observed) plan.Change {
	if !slices.Contains(observed.([]etcd.Alarm), e.Alarm) {
		return plan.Change{}
	}
	return plan.Change{Verb: plan.Delete, Summary: fmt.Sprintf("etcd alarm %s of member %s", e.Alarm.Kind, e.Name)}
}

// Apply implements plan.Effect.
func (e EtcdAlarm) Apply(ctx context.Context, w plan.World, _ plan.Observed) error {
	return w.EtcdWriter(e.Host).Disarm(ctx, e.Alarm)
}
