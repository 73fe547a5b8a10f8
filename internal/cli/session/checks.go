package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/preflight"
)

// Checked is everything that the checks of one list need.
type Checked struct {
	List    string // "init"
	Checks  []preflight.Check
	Subject preflight.Subject
	Ignore  []string
}

// Preflight runs checks, shows their warnings and returns their errors.
func (s *Session) Preflight(c Checked) error {
	findings, err := preflight.Run(c.Checks, c.Subject, c.Ignore)
	s.warnOf(append(preflight.Unknown(c.Ignore), findings...))
	return err
}

func (s *Session) warnOf(findings []preflight.Finding) {
	for _, f := range findings {
		if f.Level == preflight.Warning {
			s.warn(event.Event{Phase: "preflight", Step: f.Check, Message: f.Message, Hint: f.Hint}, " "+f.Check)
		}
	}
}

// checked is the result of `clusteradm preflight`.
type checked struct {
	Kind     string              `json:"kind"` // "preflight"
	List     string              `json:"list"`
	Findings []preflight.Finding `json:"findings"`
	Passed   []string            `json:"passed"`
	Fixed    []string            `json:"fixed,omitempty"`
}

// Report runs checks and prints all that they found, and what passed. The error
// is theirs, without what is printed already.
func (s *Session) Report(c Checked, fixed []string) error {
	findings, err := preflight.Run(c.Checks, c.Subject, c.Ignore)
	result := checked{Kind: "preflight", List: c.List, Fixed: fixed,
		Findings: append(preflight.Unknown(c.Ignore), findings...), Passed: preflight.Passed(c.Checks, findings)}
	var failed *preflight.FailedError
	if errors.As(err, &failed) {
		failed.Shown = true
	}
	if s.Format == "json" {
		if result.Findings == nil {
			result.Findings = []preflight.Finding{}
		}
		return errors.Join(json.NewEncoder(s.Streams.Out).Encode(result), err)
	}
	count := map[preflight.Level]int{}
	for _, f := range result.Findings {
		count[f.Level]++
		fmt.Fprintf(s.Streams.Out, "[%s %s] %s\n", f.Level.Label(), f.Check, f.Message)
		if f.Hint != "" {
			fmt.Fprintln(s.Streams.Out, "  hint:", f.Hint)
		}
	}
	fmt.Fprintf(s.Streams.Out, "preflight %s: %d checks passed, %s, %s\n", c.List, len(result.Passed),
		plural(count[preflight.Warning], "warning"), plural(count[preflight.Error], "error"))
	return err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Fix does what is safe to fix before the checks, or says what it would do.
// What it returns is what was fixed, or, of a dry run, nothing.
func (s *Session) Fix(ctx context.Context, in plan.Input, dryRun bool) ([]string, error) {
	p, err := plan.Build("fix", phases.Fix(), in, nil)
	if err != nil || len(p.Groups) == 0 {
		return nil, err
	}
	changes, err := s.Plan(ctx, world.Parts{}, p)
	if err != nil {
		return nil, err
	}
	if dryRun {
		return nil, s.ShowPlan(p.Name, changes)
	}
	if _, err := s.Apply(ctx, world.Parts{}, p); err != nil {
		return nil, err
	}
	var fixed []string
	for _, c := range changes {
		if !c.Change.Empty() && c.Phase != "record" {
			fixed = append(fixed, c.Change.Summary)
		}
	}
	return slices.Compact(fixed), nil
}

// Prepared is what a command knows before it plans.
type Prepared interface {
	Input() plan.Input
	Checks(s *Session, dryFix bool) Checked
}

// Fixed prepares, and where --fix changed something, again: facts are of
// before. What it returns besides is what was fixed.
func Fixed[P Prepared](ctx context.Context, s *Session, fix, dryRun bool, prepare func() (P, error)) (P, []string, error) {
	p, err := prepare()
	if err != nil || !fix {
		return p, nil, err
	}
	fixed, err := s.Fix(ctx, p.Input(), dryRun)
	if err != nil || len(fixed) == 0 {
		return p, nil, err
	}
	p, err = prepare()
	return p, fixed, err
}

// Asked is what a command that makes checks alone was asked.
type Asked struct {
	Fix, DryRun bool
	Warnings    config.Errors
	Unused      []string
}

// CheckAlone prepares under the machine's lock, makes the checks and reports
// what they found.
func CheckAlone[P Prepared](ctx context.Context, s *Session, a Asked, prepare func() (P, error)) error {
	release, err := s.Lock("preflight", a.DryRun || !a.Fix)
	if err != nil {
		return err
	}
	defer release()
	s.Warn(a.Warnings, a.Unused)
	p, fixed, err := Fixed(ctx, s, a.Fix, a.DryRun, prepare)
	if err != nil {
		return err
	}
	return s.Report(p.Checks(s, a.Fix && a.DryRun), fixed)
}

// Ignoring is what a run passes over: what the user named, and in a dry run
// what --fix would mend.
func Ignoring(in plan.Input, dryFix bool) []string {
	if !dryFix {
		return in.Node.IgnorePreflight
	}
	return append(slices.Clone(in.Node.IgnorePreflight), phases.Fixable(in)...)
}
