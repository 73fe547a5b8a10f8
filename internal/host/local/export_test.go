package local

import "time"

// WithDrain waits so long for the output of what an ended command left.
func (h *Host) WithDrain(d time.Duration) *Host {
	h.drain = d
	return h
}
