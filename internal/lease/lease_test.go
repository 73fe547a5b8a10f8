package lease_test

import (
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/lease"
)

var now = time.Date(2026, 11, 21, 6, 0, 0, 123456789, time.UTC)

func TestTurnsAreReadAsTheyAreWritten(t *testing.T) {
	turn := lease.Of(lease.Object(lease.EtcdJoin, "cp2", now))
	if turn.Holder != "cp2" || turn.Expires.Sub(now.Truncate(time.Microsecond)) != lease.Duration {
		t.Errorf("%+v", turn)
	}
	for name, c := range map[string]struct {
		at         time.Time
		held, free bool
	}{
		"at once":    {now, true, false},
		"to the end": {now.Add(lease.Duration - time.Millisecond), true, false},
		"over":       {now.Add(lease.Duration), false, true},
	} {
		if turn.Held("cp2", c.at) != c.held || turn.Free(c.at) != c.free || turn.Held("cp3", c.at) {
			t.Errorf("%s: held %t, free %t", name, turn.Held("cp2", c.at), turn.Free(c.at))
		}
	}
}

// Somebody's Lease, or half of one, never blocks a join for ever.
func TestOddLeasesAreFree(t *testing.T) {
	for _, spec := range []string{
		"{}", "{holderIdentity: cp3}", "{holderIdentity: cp3, leaseDurationSeconds: 15}",
		"{holderIdentity: '', leaseDurationSeconds: 15, renewTime: '2026-11-21T06:00:00.000000Z'}",
		"{holderIdentity: cp3, leaseDurationSeconds: 15, renewTime: soon}",
		"{holderIdentity: 1, leaseDurationSeconds: x, renewTime: [1]}",
	} {
		obj := kubetest.Object(t, "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: x, namespace: y}\nspec: "+spec+"\n")
		if turn := lease.Of(obj); !turn.Free(now) {
			t.Errorf("%s: %+v", spec, turn)
		}
	}
}
