package lease_test

import (
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/lease"
)

// The holder's clock is off by so much, and it renews its turn every five
// seconds until it dies.
func TestATurnIsOverWhenItIsNotRenewed(t *testing.T) {
	for _, off := range []time.Duration{0, -4 * time.Minute, 3 * time.Hour} {
		at := now
		w := &lease.Watch{Now: func() time.Time { return at }}
		turn := lease.Turn{Holder: "cp3"}
		renewed := func(version string) {
			turn.Version, turn.Expires = version, at.Add(off+lease.Duration)
		}
		for _, version := range []string{"1", "2", "3", "4", "5", "6"} {
			renewed(version)
			if w.Over(turn) {
				t.Errorf("off by %s: renewed as %s, it is over", off, version)
			}
			at = at.Add(5 * time.Second)
			if w.Over(turn) {
				t.Errorf("off by %s: about to be renewed as %s, it is over", off, version)
			}
		}
		if at = at.Add(lease.Duration); !w.Over(turn) {
			t.Errorf("off by %s: nobody renews it, and it is not over", off)
		}
	}
	w := &lease.Watch{Now: func() time.Time { return now }}
	if !w.Over(lease.Turn{}) || !w.Over(lease.Turn{Holder: "cp3", Version: "1", Expires: now.Add(-time.Hour)}) {
		t.Error("a turn that is over for long is waited for")
	}
}
