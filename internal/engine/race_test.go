package engine_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// raced is a step that needs the thing and whose Apply is told how often it was
// tried before.
func raced(need plan.Condition, do func(tries int) error) (plan.Step, *int) {
	tries := 0
	s := step("raced", func(context.Context) error { tries++; return do(tries) })
	s.Needs = []plan.Condition{need}
	return s, &tries
}

func always(context.Context, int) error { return nil }

func TestLostRaceIsRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, needed := time.Now(), 0
		r := newRig(t)
		s, tries := raced(await(time.Minute, func(_ context.Context, n int) error {
			needed = n
			if n > 1 && time.Since(started) < 20*time.Second { // somebody else has it for a while
				return notYet("taken")
			}
			return nil
		}), func(tries int) error {
			if tries < 3 {
				return notYet("lost")
			}
			return nil
		})
		result, err := r.Apply(t.Context(), list(t, phase("one", serial(s))))
		must(t, err)
		if took := time.Since(started); *tries != 3 || took < 20*time.Second || took > 21*time.Second || needed < 100 {
			t.Errorf("%d tries and %d looks in %v", *tries, needed, took)
		}
		if result.Changed != 1 || r.journal(t) != "begin; intent one/raced; done one/raced; complete" {
			t.Errorf("%+v: %s", result, r.journal(t))
		}
		if w := r.kinds(event.Waiting); len(w) != 1 || w[0].Message != "the thing" || w[0].Step != "one/raced" {
			t.Errorf("waiting is said as %+v", w)
		}
	})
}

// Who was faster may have done the very same.
func TestLostRaceThatNeedsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &thing{name: "raced"}
		tries := 0
		e.do = func(context.Context) error {
			tries++
			e.mu.Lock()
			defer e.mu.Unlock()
			e.done = true
			return notYet("lost")
		}
		_, err := newRig(t).Apply(t.Context(), list(t, phase("one", serial(plan.Step{Name: "raced", Effect: e, Needs: []plan.Condition{await(time.Minute, always)}}))))
		must(t, err)
		if tries != 1 {
			t.Errorf("%d tries", tries)
		}
	})
}

// What cannot be seen after a lost race is waited for, and never acted on.
func TestLostRaceAndNothingIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &thing{name: "raced"}
		looks, tries, blind := 0, 0, false
		e.look = func() (plan.Change, error) {
			switch looks++; {
			case tries > 1:
				return plan.Change{}, nil
			case looks > 1 && looks < 5:
				blind = true
				return plan.Change{Verb: plan.Unknown, Summary: "nobody answers"}, nil
			}
			blind = false
			return plan.Change{Verb: plan.Create, Summary: "raced"}, nil
		}
		e.do = func(context.Context) error {
			if tries++; blind {
				t.Error("it was done unseen")
			}
			if tries == 1 {
				return notYet("lost")
			}
			return nil
		}
		_, err := newRig(t).Apply(t.Context(), list(t, phase("one", serial(plan.Step{Name: "raced", Effect: e, Needs: []plan.Condition{await(time.Minute, always)}}))))
		must(t, err)
		if tries != 2 || looks < 5 {
			t.Errorf("%d tries and %d looks", tries, looks)
		}
	})
}

func TestLostRaceEnds(t *testing.T) {
	warned := await(5*time.Second, func(context.Context, int) error { return notYet("never") })
	warned.Warn = true
	for name, c := range map[string]struct {
		needs []plan.Condition
		lose  func(tries int) error
		took  time.Duration
		tries func(int) bool
		check func(error) bool
	}{
		"with the time of its needs": {[]plan.Condition{await(time.Second, always), await(30*time.Second, always)}, func(int) error { return notYet("lost") },
			30 * time.Second, func(n int) bool { return n > 100 },
			func(err error) bool {
				var timeout *engine.TimeoutError
				return errors.As(err, &timeout) && errors.Is(timeout.Last, plan.ErrNotYet)
			}},
		"with another error": {[]plan.Condition{await(time.Minute, always)}, func(tries int) error {
			if tries == 2 {
				return errBoom
			}
			return notYet("lost")
		}, 20 * time.Millisecond, func(n int) bool { return n == 2 }, func(err error) bool { return errors.Is(err, errBoom) }},
		"at once without needs": {nil, func(int) error { return notYet("lost") }, 0, func(n int) bool { return n == 1 },
			func(err error) bool { return errors.Is(err, plan.ErrNotYet) }},
		// What is only warned of is waited for once.
		"after a warning": {[]plan.Condition{warned}, func(tries int) error {
			if tries == 1 {
				return notYet("lost")
			}
			return nil
		}, 5*time.Second + 20*time.Millisecond, func(n int) bool { return n == 2 }, func(err error) bool { return err == nil }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, tries := raced(plan.Condition{}, c.lose)
				s.Needs = c.needs
				started := time.Now()
				_, err := newRig(t).Apply(t.Context(), list(t, phase("one", serial(s))))
				if !c.check(err) || time.Since(started) != c.took || !c.tries(*tries) {
					t.Errorf("after %v and %d tries: %v", time.Since(started), *tries, err)
				}
			})
		})
	}
}
