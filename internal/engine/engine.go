// Package engine is the one loop that turns a plan into changes: observe,
// diff, journal, apply, wait, observe again. Plan, dry-run, drift, resume and
// rollback are the same loop stopped early or run backwards. It is the only
// caller of Apply and Revert, and knows nothing of Kubernetes.
package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/state"
)

// Engine interprets plans.
type Engine struct {
	World plan.World
	Sink  event.Sink
	Now   func() time.Time
	// Begin opens the run's journal; it is called before the first change, so
	// a run that changes nothing leaves nothing. Nil is for plans of what is
	// never taken back, such as images: they leave no journal at all.
	Begin func(list string) (*state.Run, error)

	emitting sync.Mutex // steps of a Parallel group report at once, a Sink takes one at a time
}

// StepChange is one step of a plan and what it would do. One with an empty
// Change only waits.
type StepChange struct {
	Step   string      `json:"step"`
	Phase  string      `json:"phase"`
	Host   string      `json:"host,omitempty"`
	Change plan.Change `json:"change"`
	// Waits are the conditions that the step would wait for.
	Waits []string `json:"waits,omitempty"`
}

// Result is how a run ended.
type Result struct {
	Run     string // empty when nothing was to be changed
	Steps   int
	Changed int
}

// StoppedError reports a run that stopped part-way: what was changed stands.
type StoppedError struct {
	Run     string
	Step    string
	Changed int // steps that changed something, the failing one too if it did
	Left    int // steps not reached, the failing one included
	// Failed are the steps that failed: several, if they are done at once or all
	// tried.
	Failed []*StepError
	Err    error
}

func (e *StoppedError) Error() string { return fmt.Sprintf("%s: %v", e.Step, e.Err) }
func (e *StoppedError) Unwrap() error { return e.Err }

// Plan says what Apply would do and changes nothing.
func (e *Engine) Plan(ctx context.Context, p *plan.Plan) ([]StepChange, error) {
	var changes []StepChange
	changing := false
	for _, g := range p.Groups {
		for _, s := range g.Steps {
			_, change, err := e.look(ctx, s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.ID, err)
			}
			if change.Verb == plan.Unknown && !changing {
				return nil, fmt.Errorf("%s: %s", s.ID, change.Summary)
			}
			sc := StepChange{Step: s.ID, Phase: s.Phase, Host: s.Host, Change: change}
			for _, c := range s.Until {
				// What holds now may have to be waited for after a change.
				if !change.Empty() || c.Check(ctx, e.World) != nil {
					sc.Waits = append(sc.Waits, c.Name)
				}
			}
			if !change.Empty() || len(sc.Waits) > 0 {
				changes = append(changes, sc)
			}
			changing = changing || !change.Empty()
		}
	}
	return changes, nil
}

// Apply makes the plan so. Run again after any interruption, it goes on.
func (e *Engine) Apply(ctx context.Context, p *plan.Plan) (Result, error) {
	r := &run{Engine: e, list: p.Name}
	for _, g := range p.Groups {
		r.total += len(g.Steps)
	}
	started := e.Now()
	e.emit(event.Event{Kind: event.PlanStarted, Message: p.Name, Total: r.total})
	err := r.phases(ctx, p)
	if err == nil && r.journal != nil {
		err = r.journal.Append(state.Entry{Time: e.Now(), Kind: state.Complete})
	}
	result := Result{Steps: r.total, Changed: r.changed}
	finished := event.Event{Kind: event.Finished, Message: p.Name, Changed: r.changed, Total: r.total, Elapsed: e.Now().Sub(started)}
	if r.journal != nil {
		result.Run = r.journal.ID
		finished.Run = r.journal.ID
		r.journal.Close()
	}
	if err != nil {
		var failed *StepError
		step := p.Name
		if errors.As(err, &failed) {
			step = failed.Step
		}
		err = &StoppedError{Run: result.Run, Step: step, Changed: r.changed, Left: r.total - r.passed, Failed: r.failed, Err: err}
		finished.Error = err.Error()
	}
	e.emit(finished)
	return result, err
}

func (e *Engine) emit(ev event.Event) {
	e.emitting.Lock()
	defer e.emitting.Unlock()
	ev.Time = e.Now()
	e.Sink.Emit(ev)
}

// look observes a step and says what is to be done.
func (e *Engine) look(ctx context.Context, s plan.PlannedStep) (plan.Observed, plan.Change, error) {
	observed, err := s.Effect.Observe(ctx, e.World)
	if err != nil {
		return nil, plan.Change{}, err
	}
	return observed, s.Effect.Diff(observed), nil
}

// StepError is why one step failed.
type StepError struct {
	Step string
	Err  error
}

func (e *StepError) Error() string { return e.Err.Error() }
func (e *StepError) Unwrap() error { return e.Err }
