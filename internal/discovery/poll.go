package discovery

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// patience is how long things may take. A node joins a cluster that is there,
// or was told to wait: all that usually passes by itself is given up in time
// for the whole to fail within three seconds.
type patience struct {
	passing time.Duration // a state that may pass, unless a timeout was given
	connect time.Duration // TCP, and then TLS, to an address that swallows packets
	attempt time.Duration // one request to a server that did answer the call
	young   time.Duration // a cluster of this age may have no signer yet
}

func usualPatience() patience {
	return patience{passing: 2 * time.Second, connect: 2 * time.Second, attempt: 10 * time.Second, young: time.Minute}
}

// pending is a state that may pass. Any other error is final.
type pending struct {
	reason Reason
	detail string        // stable while the state lasts
	cause  error         // may be nil
	within time.Duration // 0: until the timeout
}

func (p pending) Error() string { return p.asError().Error() }
func (p pending) Unwrap() error { return p.asError() }

// asError is the state as the reason of the failure.
func (p pending) asError() error {
	if p.cause != nil {
		return fmt.Errorf("%w: %w", p.reason, p.cause)
	}
	return fmt.Errorf("%w: %s", p.reason, p.detail)
}

// poll calls attempt until it returns anything but a pending state, the state
// has lasted for too long, or ctx ends.
func poll(ctx context.Context, waiting func(string), attempt func(context.Context) error) error {
	const first, longest = 20 * time.Millisecond, 250 * time.Millisecond
	var state pending
	var since time.Time
	for delay := first; ; delay = min(delay*3/2, longest) {
		began := time.Now()
		err := attempt(ctx)
		var now pending
		if !errors.As(err, &now) {
			return err
		}
		// What the end of ctx did to the last attempt says nothing.
		if state.reason == "" || ctx.Err() == nil {
			if now.reason != state.reason {
				since = began
			}
			if now.reason != state.reason || now.detail != state.detail {
				waiting(now.detail)
			}
			state = now
		}
		if state.within > 0 && time.Since(since)+delay >= state.within {
			return state.asError()
		}
		timer := time.NewTimer(delay)
		select {
		case <-ctx.Done():
			timer.Stop()
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return state.asError()
		case <-timer.C:
		}
	}
}
