package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/state"
)

var errBoom = errors.New("boom")

func boom(context.Context) error { return errBoom }

func stopped(t *testing.T, err error) *engine.StoppedError {
	t.Helper()
	var e *engine.StoppedError
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want a StoppedError", err)
	}
	return e
}

// Consecutive files of a host are one write and one record; a wait, another
// effect and another host come between two writes.
func TestFilesAreWrittenTogether(t *testing.T) {
	r := newRig(t)
	r.machine.Put("/etc/c", "c", 0o600) // is so already
	holds := await(time.Second, func(context.Context, int) error { return nil })
	until, needs, other := file("f", "f"), file("h", "h"), file("i", "i")
	until.Until, needs.Needs = []plan.Condition{holds}, []plan.Condition{holds}
	other.Host = "n2"
	p := list(t,
		phase("one", serial(file("a", "a")), serial(file("b", "b"))),
		phase("two", serial(file("c", "c"), file("d", "d"), dir("e"), until, file("g", "g"), needs, other, file("j", "j"))),
	)
	result, err := r.Apply(t.Context(), p)
	must(t, err)
	want := "write /etc/a /etc/b /etc/d; mkdir /etc/e; write /etc/f; write /etc/g; write /etc/h; write /etc/i; write /etc/j"
	if got := r.changed(); got != want {
		t.Errorf("it did\n%s\nwant\n%s", got, want)
	}
	if result.Steps != 10 || result.Changed != 9 {
		t.Errorf("%+v", result)
	}
	const first = "begin; intent one/a@n1; intent one/b@n1; intent two/d@n1; done one/a@n1; done one/b@n1; done two/d@n1; intent two/e@n1; done two/e@n1; "
	if got := r.journal(t); !strings.HasPrefix(got, first) || !strings.HasSuffix(got, "done two/j@n1; complete") {
		t.Errorf("the journal is %s", got)
	}
}

func TestStepsAreDoneInOrder(t *testing.T) {
	r := newRig(t)
	var order []string
	named := func(name string) plan.Step {
		return step(name, func(context.Context) error { order = append(order, name); return nil })
	}
	p := list(t, phase("one", serial(named("a"), named("b")), together(named("c"))), phase("two", serial(named("d")), serial(named("e"))))
	_, err := r.Apply(t.Context(), p)
	must(t, err)
	if got := strings.Join(order, ""); got != "abcde" {
		t.Errorf("the order was %s", got)
	}
}

func TestNothingToChangeLeavesNothing(t *testing.T) {
	r := newRig(t)
	r.machine.Put("/etc/a", "a", 0o600)
	before := r.machine.Snapshot()
	r.Begin = func(string) (*state.Run, error) { t.Error("a run was begun"); return nil, errBoom }
	result, err := r.Apply(t.Context(), list(t, phase("one", serial(file("a", "a"), plan.Step{Name: "x", Effect: effect.Await{What: "x"}}))))
	must(t, err)
	if result != (engine.Result{Steps: 2}) || r.machine.Snapshot() != before {
		t.Errorf("%+v", result)
	}
	if left, err := os.ReadDir(r.dir); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

func TestAppliedAgainItGoesOn(t *testing.T) {
	r := newRig(t)
	failing := step("c", boom)
	p := list(t, phase("one", serial(file("a", "a"), file("b", "b"), failing, file("d", "d"))))
	_, err := r.Apply(t.Context(), p)
	first := stopped(t, err)
	if !errors.Is(err, errBoom) || first.Step != "one/c" || first.Changed != 2 || first.Left != 2 || first.Error() != "one/c: boom" {
		t.Errorf("%+v: %v", first, err)
	}
	failing.Effect.(*thing).do = nil
	result, err := r.Apply(t.Context(), p)
	must(t, err)
	if result.Run != first.Run || result.Changed != 2 {
		t.Errorf("%+v, want it to go on with run %s", result, first.Run)
	}
	if got := r.changed(); got != "write /etc/a /etc/b; write /etc/d" {
		t.Errorf("it did %s", got)
	}
}

// What stands is counted, also of the step that failed: "nothing was changed"
// must not be said of a machine that was.
func TestStoppedCountsWhatStands(t *testing.T) {
	never := await(time.Minute, func(context.Context, int) error { return errBoom })
	waits := file("c", "c")
	waits.Until = []plan.Condition{never}
	stubborn := file("b", "b")
	stubborn.Effect = unchanging{stubborn.Effect.(effect.File)}
	for name, c := range map[string]struct {
		steps         []plan.Step
		failAt        int
		step          string
		changed, left int
	}{
		"before the first":          {[]plan.Step{file("a", "a"), file("b", "b"), file("c", "c")}, 1, "one/a@n1", 0, 3},
		"between the first two":     {[]plan.Step{file("a", "a"), file("b", "b"), file("c", "c")}, 2, "one/b@n1", 1, 3},
		"after one that is so":      {[]plan.Step{file("so", "so"), file("b", "b"), file("c", "c")}, 2, "one/c@n1", 1, 2},
		"what it waits for fails":   {[]plan.Step{file("a", "a"), waits}, 0, "one/c@n1", 2, 2},
		"it does not converge":      {[]plan.Step{file("a", "a"), stubborn, file("c", "c")}, 0, "one/b@n1", 3, 3},
		"what it needs first fails": {[]plan.Step{file("a", "a"), {Name: "x", Effect: &thing{name: "x"}, Needs: []plan.Condition{never}}}, 0, "one/x", 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.machine.Put("/etc/so", "so", 0o600)
			r.through(host.FailAt(r.machine, c.failAt))
			_, err := r.Apply(t.Context(), list(t, phase("one", serial(c.steps...))))
			e := stopped(t, err)
			if e.Step != c.step || e.Changed != c.changed || e.Left != c.left || e.Run == "" && c.changed > 0 {
				t.Errorf("%+v", e)
			}
			last := r.events[len(r.events)-1]
			if last.Kind != event.Finished || last.Error != err.Error() || last.Changed != c.changed || last.Total != len(c.steps) {
				t.Errorf("the last event is %+v", last)
			}
			if at := r.events[len(r.events)-2]; at.Kind != event.StepFinished || at.Step != c.step || at.Error == "" {
				t.Errorf("the step's event is %+v", at)
			}
		})
	}
}

// unchanging is a file that is never so.
type (
	effectFile = effect.File // embedded by another name: File is a method, too
	unchanging struct{ effectFile }
)

var _ plan.FileEffect = unchanging{}

func (unchanging) Diff(plan.Observed) plan.Change {
	return plan.Change{Verb: plan.Update, Summary: "/etc/b"}
}

func TestDidNotConverge(t *testing.T) {
	r := newRig(t)
	s := file("b", "b")
	s.Effect = unchanging{s.Effect.(effect.File)}
	_, err := r.Apply(t.Context(), list(t, phase("one", serial(s))))
	if err == nil || !strings.Contains(err.Error(), "did not converge: after it was done there is still to update /etc/b") {
		t.Errorf("error %v", err)
	}
	if got := r.journal(t); got != "begin; intent one/b@n1" {
		t.Errorf("the journal is %s", got)
	}
}

func TestCancelledStopsBeforeTheNextStep(t *testing.T) {
	for name, group := range map[string]func(...plan.Step) plan.Group{"serial": serial, "parallel": together} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			ctx, cancel := context.WithCancel(t.Context())
			a := step("a", func(context.Context) error { cancel(); return nil })
			b := step("b", func(context.Context) error { t.Error("the next step was begun"); return nil })
			_, err := r.Apply(ctx, list(t, phase("one", serial(a), group(b))))
			e := stopped(t, err)
			if !errors.Is(err, context.Canceled) || e.Step != "one/b" || e.Changed != 1 || e.Left != 1 {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestNothingIsChangedWithoutARecord(t *testing.T) {
	for name, begin := range map[string]func(*rig) func(string) (*state.Run, error){
		"no run": func(*rig) func(string) (*state.Run, error) {
			return func(string) (*state.Run, error) { return nil, errBoom }
		},
		"a journal that takes nothing": func(r *rig) func(string) (*state.Run, error) {
			return func(list string) (*state.Run, error) {
				run, err := r.runs.Begin(list, time.Now())
				if err == nil {
					err = run.Close()
				}
				return run, err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Begin = begin(r)
			before := r.machine.Snapshot()
			_, err := r.Apply(t.Context(), list(t, phase("one", serial(file("a", "a")))))
			if e := stopped(t, err); e.Changed != 0 || e.Step != "one/a@n1" {
				t.Errorf("%+v", e)
			}
			if r.machine.Snapshot() != before {
				t.Error("something was changed")
			}
		})
	}
}

// Steps that are under way finish when one fails, no new ones start, and every
// error is told with its step.
func TestParallelStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var steps []plan.Step
		for i := range 12 {
			steps = append(steps, step(fmt.Sprint(i), func(context.Context) error {
				if i < 2 {
					time.Sleep(time.Duration(i+1) * time.Second)
					return fmt.Errorf("boom %d", i)
				}
				if i > 7 {
					t.Errorf("step %d was started", i)
				}
				time.Sleep(3 * time.Second)
				return nil
			}))
		}
		_, err := r.Apply(t.Context(), list(t, phase("one", together(steps...))))
		e := stopped(t, err)
		if e.Error() != "one/0: boom 0\none/1: boom 1" || e.Changed != 6 || e.Left != 6 {
			t.Errorf("%d changed, %d left: %v", e.Changed, e.Left, e)
		}
	})
}

// Neighbours are run as one group also across phases; what is serial comes
// between.
func TestParallelGroupsAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		started := time.Now()
		at := map[string]time.Duration{}
		slow := func(name string) plan.Step {
			return step(name, func(context.Context) error {
				at[name] = time.Since(started) // written between sleeps that differ
				time.Sleep(time.Second)
				return nil
			})
		}
		var many []plan.Step
		for i := range 9 {
			many = append(many, step(fmt.Sprint(i), func(context.Context) error { time.Sleep(time.Second); return nil }))
		}
		_, err := r.Apply(t.Context(), list(t,
			phase("one", together(many[:4]...)), phase("two", together(many[4:8]...)),
			phase("three", serial(slow("a"), slow("b"))), phase("four", together(many[8:]...)), phase("five", together(slow("c")))))
		must(t, err)
		if took := time.Since(started); at["a"] != time.Second || at["b"] != 2*time.Second || at["c"] != 3*time.Second || took != 4*time.Second {
			t.Errorf("the serial steps began at %v, all took %v", at, took)
		}
	})
}

func TestEvents(t *testing.T) {
	r := newRig(t)
	r.machine.Put("/etc/c", "c", 0o600)
	result, err := r.Apply(t.Context(), list(t,
		phase("one", serial(file("a", "a"), file("b", "b"))), phase("empty", serial()), phase("two", serial(file("c", "c"), file("d", "d"))),
		phase("three", together(step("e", nil), step("f", nil))), phase("four", together(step("g", nil)))))
	must(t, err)
	first, last := r.events[0], r.events[len(r.events)-1]
	if first.Kind != event.PlanStarted || first.Message != "list" || first.Total != 7 {
		t.Errorf("the first is %+v", first)
	}
	if last.Kind != event.Finished || last.Run != result.Run || last.Run == "" || last.Changed != 6 || last.Total != 7 || last.Error != "" {
		t.Errorf("the last is %+v", last)
	}
	phases, steps := map[string]int{}, map[string]string{}
	for _, e := range r.events {
		switch e.Kind {
		case event.PhaseStarted:
			phases[e.Phase] += 10
		case event.PhaseFinished:
			phases[e.Phase]++
		case event.StepStarted:
			if steps[e.Step] != "" || phases[e.Phase] != 10 {
				t.Errorf("%s starts after %q, its phase being %d", e.Step, steps[e.Step], phases[e.Phase])
			}
			steps[e.Step] = "started " + e.Verb
		case event.StepFinished:
			if steps[e.Step] != "started "+e.Verb || e.Error != "" || phases[e.Phase] != 10 {
				t.Errorf("%s finishes after %q: %s", e.Step, steps[e.Step], e.Error)
			}
			steps[e.Step] = "finished"
		}
		if e.Time.IsZero() {
			t.Errorf("%s has no time", e.Kind)
		}
	}
	for _, name := range []string{"one", "two", "three", "four"} {
		if phases[name] != 11 {
			t.Errorf("the phase %s was started and finished %d", name, phases[name])
		}
	}
	if len(steps) != 6 || slices.Contains(slices.Collect(values(steps)), "started create") {
		t.Errorf("steps %v", steps)
	}
}

func values(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}
