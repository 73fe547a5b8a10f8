package engine_test

import (
	"context"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// unknown cannot be told before ready says so, then it is to be created.
func unknown(name string, ready func() bool) plan.Step {
	e := &thing{name: name}
	e.look = func() (plan.Change, error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		switch {
		case e.done:
			return plan.Change{}, nil
		case !ready():
			return plan.Change{Verb: plan.Unknown, Summary: name + " does not answer"}, nil
		}
		return plan.Change{Verb: plan.Create, Summary: name}, nil
	}
	return plan.Step{Name: name, Effect: e}
}

func TestPlanChangesNothing(t *testing.T) {
	r := newRig(t)
	r.through(host.ReadOnly(host.AsReader(r.machine)))
	r.machine.Put("/etc/b", "b", 0o600)
	r.machine.Put("/etc/c", "old", 0o600)
	before := r.machine.Snapshot()
	never := func() bool { return false }
	waits := file("c", "c")
	waits.Until = []plan.Condition{await(time.Second, func(context.Context, int) error { t.Error("a plan waits"); return nil })}
	changes, err := r.Plan(t.Context(), list(t, phase("one", serial(file("a", "a"), file("b", "b"), waits)), phase("two", together(unknown("d", never)))))
	must(t, err)
	want := []engine.StepChange{
		{Step: "one/a@n1", Phase: "one", Host: "n1", Change: plan.Change{Verb: plan.Create, Summary: "/etc/a, mode 0600"}},
		{Step: "one/c@n1", Phase: "one", Host: "n1", Change: plan.Change{Verb: plan.Update, Summary: "/etc/c: content differs"}, Waits: []string{"the thing"}},
		{Step: "two/d", Phase: "two", Change: plan.Change{Verb: plan.Unknown, Summary: "d does not answer"}},
	}
	if !reflect.DeepEqual(changes, want) {
		t.Errorf("%+v", changes)
	}
	if left, err := os.ReadDir(r.dir); err != nil || len(left) > 0 || r.machine.Snapshot() != before || len(r.log.Mutations()) > 0 || len(r.events) > 0 {
		t.Errorf("it left %v, %v, events %v, and did %s", left, err, r.events, r.log)
	}
}

// What cannot be told is only believed to change when something before it does.
func TestPlanRefusesUnknown(t *testing.T) {
	r := newRig(t)
	r.machine.Put("/etc/a", "a", 0o600)
	never := func() bool { return false }
	_, err := r.Plan(t.Context(), list(t, phase("one", serial(file("a", "a"), unknown("b", never), file("c", "c")))))
	if err == nil || err.Error() != "one/b: b does not answer" {
		t.Errorf("error %v", err)
	}
	_, err = r.Plan(t.Context(), list(t, phase("one", serial(plan.Step{Name: "x", Effect: &thing{look: func() (plan.Change, error) { return plan.Change{}, errBoom }}}))))
	if !errors.Is(err, errBoom) || !strings.HasPrefix(err.Error(), "one/x: ") {
		t.Errorf("error %v", err)
	}
}

func TestUnknownIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		started := time.Now()
		up := func() bool { return time.Since(started) > 5*time.Second }
		s := unknown("a", up)
		s.Needs = []plan.Condition{await(time.Minute, func(context.Context, int) error {
			if !up() {
				return notYet("refused")
			}
			return nil
		})}
		result, err := r.Apply(t.Context(), list(t, phase("one", serial(s))))
		must(t, err)
		if result.Changed != 1 || !s.Effect.(*thing).done {
			t.Errorf("%+v", result)
		}
	})
}

func TestStillUnknownIsAnError(t *testing.T) {
	r := newRig(t)
	s := unknown("a", func() bool { return false })
	_, err := r.Apply(t.Context(), list(t, phase("one", serial(s))))
	if e := stopped(t, err); e.Error() != "one/a: a does not answer" || e.Run != "" || e.Left != 1 {
		t.Errorf("%+v", e)
	}

	asked := 0
	s = unknown("b", func() bool { asked++; return asked == 1 }) // goes away when it was applied
	s.Effect.(*thing).do = func(context.Context) error { return nil }
	inner := s.Effect.(*thing).look
	s.Effect.(*thing).look = func() (plan.Change, error) { s.Effect.(*thing).done = false; return inner() }
	_, err = r.Apply(t.Context(), list(t, phase("one", serial(s))))
	if e := stopped(t, err); e.Error() != "one/b: look again: b does not answer" || e.Changed != 1 {
		t.Errorf("%+v", e)
	}
}
