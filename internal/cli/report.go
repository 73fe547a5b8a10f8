package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/joincmd"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/diagnosis"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/pki"
	"github.com/clusteradm/clusteradm/preflight"
)

// failure is the last line of a command that failed, with -o json.
type failure struct {
	Kind      string              `json:"kind"`
	Error     string              `json:"error"`
	Code      int                 `json:"code"`
	Hints     []string            `json:"hints,omitempty"`
	Findings  []preflight.Finding `json:"findings,omitempty"`  // code 4
	Diagnosis []diagnosis.Finding `json:"diagnosis,omitempty"` // of a join
	Errors    config.Errors       `json:"errors,omitempty"`    // of a configuration, code 2
	Run       string              `json:"run,omitempty"`       // stopped part-way
	Changed   int                 `json:"changed,omitempty"`
	Left      int                 `json:"left,omitempty"`
}

// report prints an error with what to do about it.
func report(s *session.Session, err error, code int) {
	f := failure{Kind: "error", Error: err.Error(), Code: code, Hints: hintsOf(err)}
	var checks *preflight.FailedError
	if errors.As(err, &checks) {
		f.Findings = checks.Findings
	}
	if code != exit.Preflight && errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
		f.Hints = append(f.Hints, "run it as root: sudo clusteradm …")
	}
	errors.As(err, &f.Errors)
	var diagnosed *joincmd.DiagnosedError
	if errors.As(err, &diagnosed) {
		f.Diagnosis = diagnosed.Findings
	}
	var stopped *engine.StoppedError
	if errors.As(err, &stopped) && stopped.Changed > 0 {
		f.Run, f.Changed, f.Left = stopped.Run, stopped.Changed, stopped.Left
		f.Hints = append(f.Hints, "run the same command again to go on")
		// A reset has no way back, nor has what left no journal.
		if stopped.Run != "" && !strings.Contains(stopped.Run, "-reset") {
			f.Hints = append(f.Hints, "clusteradm rollback   # to take back what was done")
		}
	}
	if s.Format == "json" {
		_ = json.NewEncoder(s.Streams.Out).Encode(f)
	}
	out := s.Streams.Err
	if code == exit.Interrupted {
		fmt.Fprintln(out, "interrupted")
	}
	hints := f.Hints
	if len(f.Errors) > 1 && f.Errors.Error() == err.Error() {
		hints = each(s, f.Errors, hints)
	} else {
		fmt.Fprintln(out, s.Streams.Fit("error: "+err.Error()))
	}
	if f.Run != "" {
		fmt.Fprintf(out, "stopped part-way: %d steps done, %d left; run %s\n", f.Changed, f.Left, f.Run)
	}
	for _, hint := range hints {
		fmt.Fprintln(out, "hint:", hint)
	}
	for _, found := range f.Diagnosis {
		fmt.Fprintln(out, s.Streams.Fit("diagnosis: "+found.Name+": "+found.Message))
		if found.Proof != "" {
			fmt.Fprintln(out, s.Streams.Fit("  proof: "+found.Proof))
		}
		fmt.Fprintln(out, "  hint:", found.Hint)
	}
}

// each prints what is wrong with a configuration, each with its own hint, and
// returns the hints that belong to none of it.
func each(s *session.Session, errs config.Errors, hints []string) []string {
	for _, e := range errs {
		fmt.Fprintln(s.Streams.Err, s.Streams.Fit("error: "+e.Error()))
		if e.Hint != "" {
			fmt.Fprintln(s.Streams.Err, "hint:", e.Hint)
		}
	}
	return slices.DeleteFunc(slices.Clone(hints), func(hint string) bool { return slices.Contains(errs.Hints(), hint) })
}

// hintsOf collects the commands that help from err and all that it wraps.
func hintsOf(err error) []string {
	var hints []string
	add := func(list ...string) {
		for _, hint := range list {
			if hint != "" && !slices.Contains(hints, hint) {
				hints = append(hints, hint)
			}
		}
	}
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case *pki.CheckError:
			add(e.Hint)
		case interface{ Hint() string }:
			add(e.Hint())
		case interface{ Hints() []string }:
			add(e.Hints()...)
			return
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				walk(inner)
			}
		}
	}
	walk(err)
	return hints
}
