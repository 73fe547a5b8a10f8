package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// Images, say: that one cannot be pulled says nothing of the others, and all
// that cannot are told at once.
func TestTryAll(t *testing.T) {
	for name, c := range map[string]struct {
		mode plan.Mode
		took time.Duration
	}{
		"at once":             {plan.Parallel, 2 * time.Second}, // 12 steps of a second, 8 at once
		"one after the other": {plan.Serial, 12 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				var steps []plan.Step
				for i := range 12 {
					steps = append(steps, step(fmt.Sprint(i), func(context.Context) error {
						time.Sleep(time.Second)
						if i%4 == 0 {
							return fmt.Errorf("boom %d", i)
						}
						return nil
					}))
				}
				started := time.Now()
				_, err := r.Apply(t.Context(), list(t, phase("one", plan.Group{Mode: c.mode, TryAll: true, Steps: steps}), phase("two", serial(file("never", "x")))))
				e := stopped(t, err)
				if e.Changed != 9 || e.Left != 4 || strings.Contains(r.changed(), "never") {
					t.Errorf("%d changed, %d left; %s", e.Changed, e.Left, r.changed())
				}
				if took := time.Since(started); took != c.took {
					t.Errorf("it took %s, want %s", took, c.took)
				}
				failed := map[string]string{}
				for _, f := range e.Failed {
					failed[f.Step] = f.Error()
				}
				if len(failed) != 3 || failed["one/0"] != "boom 0" || failed["one/4"] != "boom 4" || failed["one/8"] != "boom 8" {
					t.Errorf("failures are %v", failed)
				}
			})
		})
	}
}

// Cancelled, those that were not started are not tried either.
func TestTryAllEndsWithItsContext(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	tried := 0
	try := func(context.Context) error { tried++; cancel(); return ctx.Err() }
	_, err := r.Apply(ctx, list(t, phase("one", plan.Group{TryAll: true, Steps: []plan.Step{step("a", try), step("b", try)}})))
	if !errors.Is(err, context.Canceled) || tried != 1 {
		t.Errorf("%d tried: %v", tried, err)
	}
}

// A group that is tried whole is not joined with one that stops.
func TestTryAllIsNotJoined(t *testing.T) {
	r := newRig(t)
	boom := step("boom", func(context.Context) error { return errors.New("boom") })
	all := plan.Group{Mode: plan.Parallel, TryAll: true, Steps: []plan.Step{boom}}
	_, err := r.Apply(t.Context(), list(t, phase("one", all), phase("two", together(file("never", "x")))))
	if e := stopped(t, err); e.Step != "one/boom" || r.changed() != "" {
		t.Errorf("%v; %s", err, r.changed())
	}
}

func TestWithoutAJournal(t *testing.T) {
	r := newRig(t)
	r.Begin = nil
	result, err := r.Apply(t.Context(), list(t, phase("one", serial(file("a", "a"), file("b", "b"), dir("c")))))
	must(t, err)
	if (result != engine.Result{Steps: 3, Changed: 3}) {
		t.Errorf("%+v", result)
	}
	if left, err := os.ReadDir(r.dir); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}
