package lease

import (
	"sync"
	"time"
)

// skew is how far the clocks of two machines may lie apart without one taking
// the other's turn for one that is over: as far as certificates allow for.
const skew = 5 * time.Minute

// Watch tells a turn that is over from one that is kept alive. The time in a
// Lease is of another machine's clock, so what counts is that it was not renewed
// while it was watched; unless it is over for so long that no clock explains it.
type Watch struct {
	Now func() time.Time

	mu      sync.Mutex
	version string
	since   time.Time // when this version was first seen
}

// Over reports that nobody has the turn any more.
func (w *Watch) Over(t Turn) bool {
	if t.Holder == "" {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Now()
	if t.Version != w.version || w.since.IsZero() {
		w.version, w.since = t.Version, now
	}
	return now.Sub(w.since) >= Duration || now.Sub(t.Expires) >= skew
}
