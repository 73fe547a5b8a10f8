package engine_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/plan"
)

const canary = "canary-of-a-secret"

// changing is a list that makes, replaces and removes, over what old put there.
func changing(t *testing.T) *plan.Plan {
	inner := file("new", canary)
	inner.Name, inner.Effect = "inner", func() effect.File {
		f := inner.Effect.(effect.File)
		f.Path = "/etc/dir/sub/inner"
		return f
	}()
	return list(t, phase("one", serial(
		file("new", canary), file("old", "new "+canary), file("link", canary),
		dir("dir/sub"), inner,
		plan.Step{Name: "current", Host: "n1", Effect: effect.Symlink{Host: "n1", Path: "/etc/current", Target: "new"}},
		plan.Step{Name: "gone", Host: "n1", Effect: effect.Absent{Host: "n1", Path: "/etc/gone"}},
		file("empty", "not any more"),
	)))
}

func furnished(t *testing.T) *rig {
	r := newRig(t)
	r.machine.Put("/etc/old", "old "+canary, 0o640)
	r.machine.Put("/etc/gone", "gone "+canary, 0o604)
	r.machine.Put("/etc/empty", "", 0o644)
	must(t, r.machine.Symlink("old", "/etc/link"))
	must(t, r.machine.Symlink("before", "/etc/current"))
	return r
}

func (r *rig) back(t *testing.T) (engine.Result, error) {
	t.Helper()
	journal, err := r.runs.Reopen()
	must(t, err)
	defer journal.Close()
	return r.Rollback(t.Context(), journal)
}

func TestRollbackRestoresTheMachine(t *testing.T) {
	r := furnished(t)
	start := r.snapshot()
	applied, err := r.Apply(t.Context(), changing(t))
	must(t, err)
	before := len(r.log.Mutations())
	r.events = nil
	result, err := r.back(t)
	must(t, err)
	if result != (engine.Result{Run: applied.Run, Steps: 8, Changed: 8}) {
		t.Errorf("%+v", result)
	}
	if diff := hosttest.Diff(start, r.snapshot()); diff != "" {
		t.Errorf("it is not as before:\n%s", diff)
	}
	var order []string
	for _, e := range r.log.Mutations()[before:] {
		order = append(order, e.String())
	}
	want := "write /etc/empty; write /etc/gone; link /etc/current; remove /etc/dir/sub/inner; remove /etc/dir/sub; remove /etc/dir; link /etc/link; write /etc/old; remove /etc/new"
	if got := strings.Join(order, "; "); got != want {
		t.Errorf("the order was\n%s\nwant\n%s", got, want)
	}
	if told := r.kinds(event.StepFinished); len(told) != 8 || told[0].Step != "one/empty@n1" || told[0].Verb != "revert" {
		t.Errorf("told %+v", told)
	}
	if !strings.HasSuffix(r.journal(t), "; reverted one/new@n1; rolled-back") {
		t.Errorf("the journal is %s", r.journal(t))
	}
	if result, err = r.back(t); err != nil || result.Changed != 0 {
		t.Errorf("rolled back twice: %+v, %v", result, err)
	}
}

// Dying at any of its mutations, a rollback goes on when it is run again, and
// so does the list itself.
func TestInterruptedRollback(t *testing.T) {
	counter := furnished(t)
	_, err := counter.Apply(t.Context(), stopping(t))
	stopped(t, err)
	want := counter.snapshot()
	counting := host.FailAt(counter.machine, 0)
	counter.through(counting)
	_, err = counter.back(t)
	must(t, err)
	for k := 1; k <= counting.Count(); k++ {
		for name, dying := range map[string]func(host.Host, int) *host.Failing{"before": host.FailAt, "after": host.FailAfter} {
			r := furnished(t)
			start := r.snapshot()
			_, err := r.Apply(t.Context(), stopping(t))
			stopped(t, err)
			die := func() {
				t.Helper()
				r.through(dying(r.machine, k))
				if _, err := r.back(t); !errors.Is(err, host.ErrInjected) {
					t.Fatalf("%s %d: %v", name, k, err)
				}
				r.through(r.machine)
			}
			die()
			_, err = r.Apply(t.Context(), stopping(t)) // the user changes their mind
			stopped(t, err)
			if diff := hosttest.Diff(want, r.snapshot()); diff != "" {
				t.Errorf("%s %d: applied again it differs:\n%s", name, k, diff)
			}
			die() // and again
			if _, err := r.back(t); err != nil {
				t.Fatalf("%s %d: %v", name, k, err)
			}
			if diff := hosttest.Diff(start, r.snapshot()); diff != "" {
				t.Errorf("%s %d: it is not as before:\n%s", name, k, diff)
			}
		}
	}
}

// stopping is changing with a last step that stops, so that the run stays open.
func stopping(t *testing.T) *plan.Plan {
	p := changing(t)
	p.Groups = append(p.Groups, plan.PlannedGroup{Phase: "two", Steps: []plan.PlannedStep{{ID: "two/x", Phase: "two", Step: stops()}}})
	return p
}

// What others changed between an interrupted rollback and the next apply is
// what was there before.
func TestRollbackTakesTheLatestRecord(t *testing.T) {
	r := newRig(t)
	p := list(t, phase("one", serial(file("a", "ours")), serial(dir("d"), file("b", "ours"), stops())))
	r.machine.Put("/etc/b", "first", 0o600)
	_, err := r.Apply(t.Context(), p)
	stopped(t, err)
	r.through(host.FailAt(r.machine, 2))
	if _, err := r.back(t); !errors.Is(err, host.ErrInjected) {
		t.Fatal(err)
	}
	r.through(r.machine)
	r.machine.Put("/etc/b", "second", 0o600)
	_, err = r.Apply(t.Context(), p)
	stopped(t, err)
	if !strings.Contains(r.journal(t), "reverted one/b@n1; intent one/b@n1") {
		t.Fatalf("the journal is %s", r.journal(t))
	}
	if _, err := r.back(t); err != nil {
		t.Fatal(err)
	}
	if got, _ := r.machine.Content("/etc/b"); got != "second" {
		t.Errorf("/etc/b is %q", got)
	}
}

// stops is a step that fails before it changes anything.
func stops() plan.Step {
	s := step("x", nil)
	s.Needs = []plan.Condition{await(time.Second, func(context.Context, int) error { return errBoom })}
	return s
}

func TestRollbackEndsWhereThereIsNoWayBack(t *testing.T) {
	noUndo := file("b", "new")
	noUndo.NoUndo = "it runs"
	for name, c := range map[string]struct {
		step   plan.Step
		id     string
		reason string
	}{
		"a step that says so":       {noUndo, "one/b@n1", "it runs"},
		"an effect without records": {step("x", nil), "one/x", "what was there before is not recorded"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			_, err := r.Apply(t.Context(), list(t, phase("one", serial(file("a", "a")), together(c.step), serial(file("c", "c")))))
			must(t, err)
			for range 2 {
				result, err := r.back(t)
				var end *engine.NoWayBackError
				if !errors.As(err, &end) || end.Step != c.id || end.Reason != c.reason || err.Error() != "roll back "+c.id+": "+c.reason {
					t.Errorf("%+v, %v", result, err)
				}
			}
			if _, ok := r.machine.Content("/etc/a"); !ok {
				t.Error("what came before it was taken back")
			}
			if _, ok := r.machine.Content("/etc/c"); ok {
				t.Error("what came after it stands")
			}
			if strings.Contains(r.journal(t), "rolled-back") {
				t.Errorf("the journal is %s", r.journal(t))
			}
		})
	}
}

func TestCancelledRollbackChangesNothing(t *testing.T) {
	r := furnished(t)
	_, err := r.Apply(t.Context(), changing(t))
	must(t, err)
	before := r.machine.Snapshot()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	journal, err := r.runs.Reopen()
	must(t, err)
	defer journal.Close()
	if result, err := r.Rollback(ctx, journal); !errors.Is(err, context.Canceled) || result.Changed != 0 {
		t.Errorf("%+v, %v", result, err)
	}
	if r.machine.Snapshot() != before {
		t.Error("something was changed")
	}
}

// Content from before stays on its host, for root alone, and is in no journal.
func TestContentIsKeptOnItsHost(t *testing.T) {
	r := furnished(t)
	result, err := r.Apply(t.Context(), changing(t))
	must(t, err)
	run := journals + "/runs/" + result.Run
	for _, p := range []string{run, run + "/blobs"} {
		info, err := r.machine.Stat(t.Context(), p)
		must(t, err)
		if info.Mode != fs.ModeDir|0o700 {
			t.Errorf("%s has mode %v", p, info.Mode)
		}
	}
	blobs, err := r.machine.ReadDir(t.Context(), run+"/blobs")
	must(t, err)
	if len(blobs) != 3 { // old, gone and empty
		t.Errorf("%d blobs are kept", len(blobs))
	}
	for _, b := range blobs {
		if b.Mode != 0o600 {
			t.Errorf("%s has mode %v", b.Name, b.Mode)
		}
	}
	text, err := os.ReadFile(filepath.Join(r.dir, result.Run, "journal.jsonl"))
	must(t, err)
	for _, secret := range []string{canary, base64.StdEncoding.EncodeToString([]byte("old " + canary)), base64.StdEncoding.EncodeToString([]byte(canary))} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the journal holds a secret:\n%s", text)
		}
	}
	for _, e := range r.events {
		if strings.Contains(e.Message+e.Error+e.Hint, canary) {
			t.Errorf("an event holds a secret: %+v", e)
		}
	}

	must(t, r.machine.Remove(t.Context(), run+"/blobs"))
	before := r.snapshot()
	if _, err := r.back(t); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "roll back one/empty@n1: ") {
		t.Errorf("without the content: %v", err)
	}
	if r.snapshot() != before {
		t.Error("without the content something was changed")
	}
}
