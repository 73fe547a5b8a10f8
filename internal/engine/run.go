package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/state"
)

// parallel is how many steps of a Parallel group are under way at once.
const parallel = 8

// run is one Apply under way.
type run struct {
	*Engine
	list    string
	mu      sync.Mutex // guards what follows
	journal *state.Run
	total   int
	passed  int
	changed int
	failed  []*StepError
}

// phases runs the groups. Neighbours of one mode are run as one sequence, so
// that files of several phases are written together and independent objects of
// several phases at once.
func (r *run) phases(ctx context.Context, p *plan.Plan) error {
	progress := &progress{run: r}
	for groups := p.Groups; len(groups) > 0; {
		first, steps := groups[0], []plan.PlannedStep(nil)
		for len(groups) > 0 && groups[0].Mode == first.Mode && groups[0].TryAll == first.TryAll {
			steps = append(steps, groups[0].Steps...)
			groups = groups[1:]
		}
		if first.Mode == plan.Parallel || first.TryAll {
			progress.enter(steps)
			if err := r.together(ctx, first, steps); err != nil {
				return err
			}
			continue
		}
		for len(steps) > 0 {
			n := batch(steps)
			progress.enter(steps[:n])
			if err := r.steps(ctx, steps[:n]); err != nil {
				return err
			}
			steps = steps[n:]
		}
	}
	progress.finish()
	return nil
}

// progress says which phases are under way. A batch can be of several.
type progress struct {
	run     *run
	current []underWay
}

type underWay struct {
	phase   string
	started time.Time
}

func (p *progress) enter(steps []plan.PlannedStep) {
	var names []string
	for _, s := range steps {
		if !slices.Contains(names, s.Phase) {
			names = append(names, s.Phase)
		}
	}
	kept := p.current[:0:0]
	for _, c := range p.current {
		if slices.Contains(names, c.phase) {
			kept = append(kept, c)
		} else {
			p.finished(c)
		}
	}
	p.current = kept
	for _, name := range names {
		if !slices.ContainsFunc(kept, func(c underWay) bool { return c.phase == name }) {
			p.current = append(p.current, underWay{name, p.run.Now()})
			p.run.emit(event.Event{Kind: event.PhaseStarted, Phase: name})
		}
	}
}

func (p *progress) finished(c underWay) {
	p.run.emit(event.Event{Kind: event.PhaseFinished, Phase: c.phase, Elapsed: p.run.Now().Sub(c.started)})
}

func (p *progress) finish() {
	for _, c := range p.current {
		p.finished(c)
	}
}

// together runs steps that do not depend on one another. When one fails, those
// under way finish and no new ones start, unless all are to be tried; every
// error is reported.
func (r *run) together(ctx context.Context, how plan.PlannedGroup, steps []plan.PlannedStep) error {
	var g errgroup.Group
	g.SetLimit(parallel)
	if how.Mode == plan.Serial {
		g.SetLimit(1)
	}
	var mu sync.Mutex
	var errs []error
	for _, s := range steps {
		g.Go(func() error {
			mu.Lock()
			stop := len(errs) > 0 && !how.TryAll
			mu.Unlock()
			if stop {
				return nil
			}
			if err := r.steps(ctx, []plan.PlannedStep{s}); err != nil {
				mu.Lock()
				if len(errs) > 0 { // the first one's step is named by the StoppedError
					err = fmt.Errorf("%s: %w", s.ID, err)
				}
				errs = append(errs, err)
				mu.Unlock()
			}
			return nil
		})
	}
	_ = g.Wait() // every error is in errs
	return errors.Join(errs...)
}

// batch is how many of the first steps can be done as one write: consecutive
// files of one host with nothing to wait for in between.
func batch(steps []plan.PlannedStep) int {
	for i, s := range steps {
		_, file := s.Effect.(plan.FileEffect)
		if !file || s.Host != steps[0].Host || len(s.Needs) > 0 {
			return max(i, 1)
		}
		if len(s.Until) > 0 {
			return i + 1
		}
	}
	return len(steps)
}

// due is a step that has something to change.
type due struct {
	plan.PlannedStep
	observed plan.Observed
	change   plan.Change
}

// steps runs one step, or several files as one write.
func (r *run) steps(ctx context.Context, steps []plan.PlannedStep) error {
	fail := func(s plan.PlannedStep, err error) error {
		r.emit(event.Event{Kind: event.StepFinished, Phase: s.Phase, Step: s.ID, Host: s.Host, Error: err.Error()})
		failed := &StepError{Step: s.ID, Err: err}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.failed = append(r.failed, failed)
		return failed
	}
	var todo []due
	for _, s := range steps {
		if err := ctx.Err(); err != nil {
			return fail(s, err)
		}
		observed, change, err := r.look(ctx, s)
		if err == nil && change.Verb == plan.Unknown {
			// The step that makes it knowable is behind us: wait, then look again.
			if err = r.waitAll(ctx, s, s.Needs); err == nil {
				if observed, change, err = r.look(ctx, s); err == nil && change.Verb == plan.Unknown {
					err = errors.New(change.Summary)
				}
			}
		}
		if err != nil {
			return fail(s, err)
		}
		if change.Empty() {
			if err := r.waitAll(ctx, s, s.Until); err != nil {
				return fail(s, err)
			}
			r.count(0, 1)
			continue
		}
		todo = append(todo, due{s, observed, change})
	}
	if len(todo) == 0 {
		return nil
	}
	started := r.Now()
	for _, d := range todo {
		r.emit(event.Event{Kind: event.StepStarted, Phase: d.Phase, Step: d.ID, Host: d.Host, Verb: string(d.change.Verb), Message: d.change.Summary})
	}
	if at, err := r.change(ctx, todo); err != nil {
		return fail(at, err)
	}
	for _, d := range todo {
		r.count(0, 1)
		r.emit(event.Event{Kind: event.StepFinished, Phase: d.Phase, Step: d.ID, Host: d.Host, Verb: string(d.change.Verb), Message: d.change.Summary, Elapsed: r.Now().Sub(started)})
	}
	return nil
}

// change does what is due. With an error it says which step it is of.
func (r *run) change(ctx context.Context, todo []due) (plan.PlannedStep, error) {
	for _, d := range todo {
		if err := r.waitAll(ctx, d.PlannedStep, d.Needs); err != nil {
			return d.PlannedStep, err
		}
	}
	journal, err := r.begin()
	if err != nil {
		return todo[0].PlannedStep, err
	}
	if journal != nil {
		if at, err := r.intend(ctx, journal, todo); err != nil {
			return at, err
		}
	}
	err = r.apply(ctx, todo)
	if errors.Is(err, plan.ErrNotYet) && len(todo) == 1 && len(todo[0].Needs) > 0 {
		err = r.contend(ctx, todo[0], err)
	}
	if err != nil {
		return r.appliedUpTo(ctx, todo), err
	}
	r.count(len(todo), 0)
	done := make([]state.Entry, 0, len(todo))
	for _, d := range todo {
		if err := r.waitAll(ctx, d.PlannedStep, d.Until); err != nil {
			return d.PlannedStep, err
		}
		_, after, err := r.look(ctx, d.PlannedStep)
		if err != nil {
			return d.PlannedStep, fmt.Errorf("look again: %w", err)
		}
		if after.Verb == plan.Unknown {
			return d.PlannedStep, fmt.Errorf("look again: %s", after.Summary)
		}
		if !after.Empty() {
			return d.PlannedStep, fmt.Errorf("did not converge: after it was done there is still to %s %s", after.Verb, after.Summary)
		}
		done = append(done, state.Entry{Time: r.Now(), Kind: state.Done, Step: d.ID})
	}
	if journal == nil {
		return todo[0].PlannedStep, nil
	}
	return todo[0].PlannedStep, journal.Append(done...)
}

// appliedUpTo counts what a failed apply has changed all the same, such as the
// first files of several, and returns the first step that is not so.
func (r *run) appliedUpTo(ctx context.Context, todo []due) plan.PlannedStep {
	for _, d := range todo {
		if _, after, err := r.look(ctx, d.PlannedStep); err != nil || !after.Empty() {
			return d.PlannedStep
		}
		r.count(1, 0)
	}
	return todo[len(todo)-1].PlannedStep
}

func (r *run) apply(ctx context.Context, todo []due) error {
	if len(todo) == 1 {
		return todo[0].Effect.Apply(ctx, r.World, todo[0].observed)
	}
	files := make([]host.File, 0, len(todo))
	for _, d := range todo {
		files = append(files, d.Effect.(plan.FileEffect).File())
	}
	return r.World.Mutate(todo[0].Host).WriteFiles(ctx, files)
}

// intend journals, durably, how each change is taken back.
func (r *run) intend(ctx context.Context, journal *state.Run, todo []due) (plan.PlannedStep, error) {
	entries := make([]state.Entry, 0, len(todo))
	for _, d := range todo {
		entry := state.Entry{Time: r.Now(), Kind: state.Intent, Step: d.ID, Verb: d.change.Verb, NoUndo: d.NoUndo}
		if undoer, ok := d.Effect.(plan.Undoer); ok && d.NoUndo == "" {
			undo, err := undoer.Undo(d.observed)
			if err == nil {
				err = r.keepBlob(ctx, journal, &undo)
			}
			if err != nil {
				return d.PlannedStep, err
			}
			entry.Undo = &undo
		}
		entries = append(entries, entry)
	}
	return todo[0].PlannedStep, journal.Append(entries...)
}

func (r *run) begin() (*state.Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.journal == nil && r.Begin != nil {
		journal, err := r.Begin(r.list)
		if err != nil {
			return nil, err
		}
		r.journal = journal
	}
	return r.journal, nil
}

func (r *run) count(changed, passed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed += changed
	r.passed += passed
}
