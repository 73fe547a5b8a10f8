package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// waited applies one step that only waits, and says how long it took.
func waited(t *testing.T, ctx context.Context, c plan.Condition) (*rig, time.Duration, error) {
	t.Helper()
	r := newRig(t)
	started := time.Now()
	s := plan.Step{Name: "wait", Host: "n1", Effect: effect.Await{What: "it"}, Until: []plan.Condition{c}}
	_, err := r.Apply(ctx, list(t, phase("one", serial(s))))
	return r, time.Since(started), err
}

func TestWaitEndsWhenItHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, asked := time.Now(), 0
		r, took, err := waited(t, t.Context(), await(time.Minute, func(_ context.Context, n int) error {
			asked = n
			if time.Since(started) < 10*time.Second {
				return notYet(n)
			}
			return nil
		}))
		must(t, err)
		if took < 10*time.Second || took > 10*time.Second+100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if asked < 95 || asked > 120 { // every 100 ms, more often at the start
			t.Errorf("it was asked %d times", asked)
		}
		if w := r.kinds(event.Waiting); len(w) != 1 || w[0].Message != "the thing" || w[0].Step != "one/wait@n1" || w[0].Phase != "one" {
			t.Errorf("waiting is said as %+v", w)
		}
	})
}

func TestWaitThatHoldsIsNotTold(t *testing.T) {
	r, _, err := waited(t, t.Context(), await(time.Minute, func(context.Context, int) error { return nil }))
	must(t, err)
	if w := r.kinds(event.Waiting); len(w) > 0 {
		t.Errorf("waiting is said: %+v", w)
	}
}

func TestWaitSoonAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, took, err := waited(t, t.Context(), await(time.Minute, func(_ context.Context, n int) error {
			if n < 2 {
				return notYet(n)
			}
			return nil
		}))
		must(t, err)
		if took > 20*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

func TestWaitTimesOut(t *testing.T) {
	refused := errors.New("connection refused")
	for name, check := range map[string]func(context.Context, int) error{
		"not yet to the end": func(context.Context, int) error { return errors.Join(plan.ErrNotYet, refused) },
		// A request that the deadline cuts short fails with something else.
		"while it is asked": func(ctx context.Context, n int) error {
			if n < 5 {
				return errors.Join(plan.ErrNotYet, refused)
			}
			<-ctx.Done()
			return ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, took, err := waited(t, t.Context(), await(30*time.Second, check))
				var timeout *engine.TimeoutError
				if !errors.As(err, &timeout) || took != 30*time.Second {
					t.Fatalf("after %v: %v", took, err)
				}
				if timeout.Condition != "the thing" || timeout.Waited != 30*time.Second || timeout.Hint() != "look at it" {
					t.Errorf("%+v", timeout)
				}
				if !errors.Is(err, refused) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "wait for the thing: not after 30s: ") {
					t.Errorf("error %v", err)
				}
				if e := stopped(t, err); e.Step != "one/wait@n1" || e.Left != 1 {
					t.Errorf("%+v", e)
				}
			})
		})
	}
}

func TestWaitOnlyAskedOnceAndCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, err := waited(t, t.Context(), await(time.Second, func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }))
		var timeout *engine.TimeoutError
		if !errors.As(err, &timeout) || timeout.Last == nil {
			t.Errorf("error %v", err)
		}
	})
}

func TestWarningGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := await(30*time.Second, func(_ context.Context, n int) error { return notYet("no pod network") })
		c.Warn = true
		r, took, err := waited(t, t.Context(), c)
		must(t, err)
		w := r.kinds(event.Warning)
		if took != 30*time.Second || len(w) != 1 || !strings.Contains(w[0].Message, "the thing: ") || !strings.Contains(w[0].Message, "no pod network") || w[0].Hint != "look at it" {
			t.Errorf("after %v: %+v", took, w)
		}
	})
}

// Only "not yet" is waited for, also where a wait that fails would be a warning.
func TestOtherErrorsEndAWait(t *testing.T) {
	for _, warn := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := await(time.Minute, func(_ context.Context, n int) error {
				if n < 3 {
					return notYet(n)
				}
				return errBoom
			})
			c.Warn = warn
			_, took, err := waited(t, t.Context(), c)
			var timeout *engine.TimeoutError
			if !errors.Is(err, errBoom) || errors.As(err, &timeout) || took > 100*time.Millisecond || err.Error() != "one/wait@n1: wait for the thing: boom" {
				t.Errorf("after %v: %v", took, err)
			}
		})
	}
}

// An interruption is no timeout, and no warning makes it go away.
func TestCancelledWait(t *testing.T) {
	for _, warn := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(5*time.Second, cancel)
			c := await(time.Minute, func(context.Context, int) error { return notYet("still") })
			c.Warn = warn
			r, took, err := waited(t, ctx, c)
			var timeout *engine.TimeoutError
			if !errors.Is(err, context.Canceled) || errors.As(err, &timeout) || took != 5*time.Second || len(r.kinds(event.Warning)) > 0 {
				t.Errorf("after %v: %v", took, err)
			}
		})
	}
}
