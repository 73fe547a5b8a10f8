package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// contend goes on with a step that somebody else was faster than, as a condition
// that holds once it is so: its needs are looked at again, then the thing
// itself, then it is applied once more. A lost race has changed nothing, so
// what was journalled of it stands.
func (r *run) contend(ctx context.Context, d due, lost error) error {
	c := d.Needs[0]
	c.Warn = false
	for _, need := range d.Needs[1:] {
		c.Within = max(c.Within, need.Within)
	}
	c.Check = func(ctx context.Context, v plan.View) error {
		if err := lost; err != nil {
			lost = nil
			return err
		}
		for _, need := range d.Needs {
			// What only warns was warned of when it was waited for.
			if err := need.Check(ctx, v); err != nil && !(need.Warn && errors.Is(err, plan.ErrNotYet)) {
				return err
			}
		}
		observed, change, err := r.look(ctx, d.PlannedStep)
		if err != nil || change.Empty() {
			return err
		}
		if change.Verb == plan.Unknown { // what was seen is nothing to act on
			return fmt.Errorf("%w: %s", plan.ErrNotYet, change.Summary)
		}
		return d.Effect.Apply(ctx, r.World, observed)
	}
	return r.wait(ctx, d.PlannedStep, c)
}

func (r *run) waitAll(ctx context.Context, s plan.PlannedStep, conditions []plan.Condition) error {
	for _, c := range conditions {
		if err := r.wait(ctx, s, c); err != nil {
			return err
		}
	}
	return nil
}

// Conditions are looked at every pollFirst at the start, when most come true,
// and ever less often up to pollLast: half of that is lost on average.
const (
	pollFirst = 20 * time.Millisecond
	pollLast  = 100 * time.Millisecond
)

func (r *run) wait(ctx context.Context, s plan.PlannedStep, c plan.Condition) error {
	parent := ctx
	ctx, cancel := context.WithTimeout(parent, c.Within)
	defer cancel()
	started, announced := r.Now(), false
	var last error // what it was still waiting for
	for every := pollFirst; ; every = min(every*5/4, pollLast) {
		err := c.Check(ctx, r.World)
		if err == nil {
			return nil
		}
		cut := ctx.Err() != nil // a check cut short by the deadline says nothing of its own
		if !cut && !errors.Is(err, plan.ErrNotYet) {
			return fmt.Errorf("wait for %s: %w", c.Name, err)
		}
		if !cut || last == nil {
			last = err
		}
		if !announced {
			announced = true
			r.emit(event.Event{Kind: event.Waiting, Phase: s.Phase, Step: s.ID, Host: s.Host, Message: c.Name})
		}
		select {
		case <-ctx.Done():
			if err := parent.Err(); err != nil {
				return fmt.Errorf("wait for %s: %w", c.Name, err)
			}
			if c.Warn {
				r.emit(event.Event{Kind: event.Warning, Phase: s.Phase, Step: s.ID, Host: s.Host, Message: c.Name + ": " + last.Error(), Hint: c.Hint})
				return nil
			}
			return &TimeoutError{Condition: c.Name, Waited: r.Now().Sub(started).Round(time.Second), Last: last, Command: c.Hint, Err: ctx.Err()}
		case <-time.After(every):
		}
	}
}

// TimeoutError reports a condition that did not come true in time.
type TimeoutError struct {
	Condition string
	Waited    time.Duration
	Last      error  // what it was still waiting for
	Command   string // shows why
	Err       error
}

// Hint is a command that shows why the condition does not hold.
func (e *TimeoutError) Hint() string { return e.Command }

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("wait for %s: not after %s: %v", e.Condition, e.Waited, e.Last)
}

func (e *TimeoutError) Unwrap() []error { return []error{e.Last, e.Err} }
