package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/plan/plantest"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/internal/state"
)

const journals = "/var/lib/clusteradm" // not what a list is about

// rig is an engine over a fake machine, and all that it left behind.
type rig struct {
	*engine.Engine
	machine *hosttest.Machine
	world   *plantest.World
	log     *host.Log
	events  []event.Event // without a lock: the engine gives them one at a time
	runs    state.Store
	dir     string
}

func (r *rig) Emit(e event.Event) { r.events = append(r.events, e) }

func newRig(t *testing.T) *rig {
	t.Helper()
	m := hosttest.New("n1", hosttest.Options{})
	r := &rig{machine: m, world: plantest.New(m), log: &host.Log{}, dir: t.TempDir()}
	r.runs = state.Open(r.dir)
	r.world.Through = host.Record(m, r.log)
	r.Engine = &engine.Engine{World: r.world, Sink: r, Now: time.Now,
		Begin: func(list string) (*state.Run, error) { return r.runs.Begin(list, time.Now()) }}
	return r
}

// through sends the mutations to h, recorded.
func (r *rig) through(h host.Host) { r.world.Through = host.Record(h, r.log) }

// changed is what was done to the machine, the journal's blobs left out.
func (r *rig) changed() string {
	var lines []string
	for _, e := range r.log.Mutations() {
		if line := e.String(); !strings.Contains(line, journals) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

func (r *rig) snapshot() string { return r.machine.Snapshot(journals) }

// journal is the newest run's entries in short.
func (r *rig) journal(t *testing.T) string {
	t.Helper()
	run, err := r.runs.Latest()
	must(t, err)
	if run == nil {
		return ""
	}
	var words []string
	for _, e := range run.Entries {
		words = append(words, strings.TrimSuffix(string(e.Kind)+" "+e.Step, " "))
	}
	return strings.Join(words, "; ")
}

func (r *rig) kinds(kind event.Kind) []event.Event {
	var found []event.Event
	for _, e := range r.events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, phases ...plan.Phase) *plan.Plan {
	t.Helper()
	p, err := plan.Build("list", phases, plan.Input{}, nil)
	must(t, err)
	return p
}

func phase(name string, groups ...plan.Group) plan.Phase {
	return plan.Phase{Name: name, Plan: func(plan.Input) ([]plan.Group, error) { return groups, nil }}
}

func serial(steps ...plan.Step) plan.Group { return plan.Group{Mode: plan.Serial, Steps: steps} }

func together(steps ...plan.Step) plan.Group { return plan.Group{Mode: plan.Parallel, Steps: steps} }

// file is a step that holds /etc/<name>.
func file(name, content string) plan.Step {
	return plan.Step{Name: name, Host: "n1", Effect: effect.File{Host: "n1", Path: "/etc/" + name,
		Content: secret.NewBytes([]byte(content)), Attr: host.Attr{Mode: 0o600}}}
}

func dir(name string) plan.Step {
	return plan.Step{Name: name, Host: "n1", Effect: effect.Dir{Host: "n1", Path: "/etc/" + name, Attr: host.Attr{Mode: 0o700}}}
}

// thing is an effect of a test: it is so once it was applied.
type thing struct {
	name string
	look func() (plan.Change, error) // nil: create until applied
	do   func(ctx context.Context) error

	mu   sync.Mutex
	done bool
}

func (e *thing) Key() string { return "thing " + e.name }

func (e *thing) Observe(context.Context, plan.View) (plan.Observed, error) {
	if e.look != nil {
		return e.look()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done {
		return plan.Change{}, nil
	}
	return plan.Change{Verb: plan.Create, Summary: e.name}, nil
}

func (e *thing) Diff(o plan.Observed) plan.Change { return o.(plan.Change) }

func (e *thing) Apply(ctx context.Context, _ plan.World, _ plan.Observed) error {
	if e.do != nil {
		if err := e.do(ctx); err != nil {
			return err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.done = true
	return nil
}

func step(name string, do func(context.Context) error) plan.Step {
	return plan.Step{Name: name, Effect: &thing{name: name, do: do}}
}

// await is a condition asked through check, which is told how often before.
func await(within time.Duration, check func(ctx context.Context, n int) error) plan.Condition {
	n := 0
	return plan.Condition{Name: "the thing", Within: within, Hint: "look at it", Check: func(ctx context.Context, _ plan.View) error {
		n++
		return check(ctx, n)
	}}
}

func notYet(what any) error { return fmt.Errorf("%w: %v", plan.ErrNotYet, what) }
