// Package preflight says what on a machine would make an init or a join fail,
// before anything is changed: all findings at once, each with a hint that is a
// command. A check is a pure function of the facts. Names are kubeadm's, which
// users already have in their --ignore-preflight-errors.
//
// What belongs to this very node of this very cluster (a port held by its own
// API server, a manifest of an interrupted init) is no finding: see Subject.Ours.
package preflight

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// Subject is what is checked.
type Subject struct {
	Cluster *cluster.Cluster
	Node    cluster.Node
	Facts   cluster.HostFacts
	// Ours reports that what is on the machine was made for this node of this
	// cluster: its kubelet.conf has our CA, node name and address.
	Ours bool
	Now  time.Time
	// APIServer is the host that a joining node reaches the API server at;
	// empty: the node's own address.
	APIServer string
	// Newest is the newest version of Kubernetes that this clusteradm is made
	// for.
	Newest string
	// Remains is what reset finds.
	Remains cluster.Remains
}

// Level of a finding.
type Level string

// An error stops the run unless its check is ignored; a warning is shown.
const (
	Error   Level = "error"
	Warning Level = "warning"
)

// Label is how a level is shown in front of a check's name.
func (l Level) Label() string { return strings.ToUpper(string(l)) }

// Finding is one thing that is wrong.
type Finding struct {
	Check   string `json:"check"`
	Level   Level  `json:"level"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // a command
}

// Check is one named check.
type Check struct {
	Name string
	Find func(Subject) []Finding
}

// FailedError reports the findings that stop a run.
type FailedError struct {
	Findings []Finding
	Shown    bool // they were printed already
}

func (e *FailedError) Error() string {
	if e.Shown {
		return fmt.Sprintf("preflight: the machine fails %d of the checks", len(e.Findings))
	}
	lines := make([]string, 0, len(e.Findings)+1)
	lines = append(lines, fmt.Sprintf("preflight: the machine fails %d of the checks", len(e.Findings)))
	for _, f := range e.Findings {
		lines = append(lines, fmt.Sprintf("  [ERROR %s] %s", f.Check, f.Message))
	}
	return strings.Join(lines, "\n")
}

// Hints are a command a finding, and last the way past them. There is none past
// a missing right.
func (e *FailedError) Hints() []string {
	if e.Shown {
		return nil
	}
	var hints, names []string
	for _, f := range e.Findings {
		if f.Hint != "" {
			hints = append(hints, f.Hint+"   # "+f.Check)
		}
		if f.Check != privilege && !slices.Contains(names, f.Check) {
			names = append(names, f.Check)
		}
	}
	if len(names) == 0 {
		return hints
	}
	return append(hints, "--ignore-preflight-errors="+strings.Join(names, ",")+"   # to go on all the same")
}

// Run runs all checks. Errors of checks named in ignore ("all" for every one,
// case-insensitive) become warnings. Without root nothing else can be told, so
// a missing right is found alone. The error is a *FailedError or nil.
func Run(checks []Check, s Subject, ignore []string) ([]Finding, error) {
	var findings, failed []Finding
	ignored := func(name string) bool {
		return slices.ContainsFunc(ignore, func(i string) bool { return strings.EqualFold(i, name) || strings.EqualFold(i, "all") })
	}
	for _, check := range checks {
		for _, f := range check.Find(s) {
			f.Check = check.Name
			if f.Level == Error && ignored(check.Name) {
				f.Level = Warning
			}
			findings = append(findings, f)
			if f.Level == Error {
				failed = append(failed, f)
			}
		}
		if check.Name == privilege && len(failed) > 0 {
			break
		}
	}
	if len(failed) > 0 {
		return findings, &FailedError{Findings: failed}
	}
	return findings, nil
}

// Passed are the checks that found nothing. After a missing right no others
// were made.
func Passed(checks []Check, findings []Finding) []string {
	passed := []string{}
	for _, c := range checks {
		found := slices.ContainsFunc(findings, func(f Finding) bool { return f.Check == c.Name })
		if !found {
			passed = append(passed, c.Name)
		} else if c.Name == privilege && slices.ContainsFunc(findings, func(f Finding) bool { return f.Check == privilege && f.Level == Error }) {
			break
		}
	}
	return passed
}

func finding(level Level, hint, format string, args ...any) []Finding {
	return []Finding{{Level: level, Message: fmt.Sprintf(format, args...), Hint: hint}}
}
