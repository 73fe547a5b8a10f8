package discovery

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// patience is how long a state that usually passes by itself may last.
type patience struct {
	unsigned   time.Duration // the signer signs within milliseconds of a token's making
	young      time.Duration // but in a cluster of this age it may not run yet
	unresolved time.Duration // the network of a machine that boots comes up
	attempt    time.Duration // one request to an address that swallows packets
}

func usualPatience() patience {
	return patience{unsigned: 2 * time.Second, young: time.Minute, unresolved: 5 * time.Second, attempt: 10 * time.Second}
}

// pending is a state that may pass. Any other error is final.
type pending struct {
	reason Reason
	detail string        // stable while the state lasts
	cause  error         // may be nil
	within time.Duration // 0: until the timeout
}

func (p pending) Error() string { return p.asError().Error() }

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
		err := attempt(ctx)
		var now pending
		if !errors.As(err, &now) {
			return err
		}
		// What the end of ctx did to the last attempt says nothing.
		if state.reason == "" || ctx.Err() == nil {
			if now.reason != state.reason {
				since = time.Now()
			}
			if now.reason != state.reason || now.detail != state.detail {
				waiting(now.detail)
			}
			state = now
		}
		if state.within > 0 && time.Since(since) >= state.within {
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
