// Package event is what the engine says while it works. Names and fields are
// public API: `-o json` prints one event a line.
package event

import "time"

// Kind names what happened.
type Kind string

// The kinds of events.
const (
	PlanStarted   Kind = "plan-started"
	PhaseStarted  Kind = "phase-started"
	PhaseFinished Kind = "phase-finished"
	StepStarted   Kind = "step-started"
	StepFinished  Kind = "step-finished"
	Waiting       Kind = "waiting"
	Warning       Kind = "warning"
	Finished      Kind = "finished"
)

// Event is one thing that happened.
type Event struct {
	Time    time.Time     `json:"time"`
	Kind    Kind          `json:"kind"`
	Run     string        `json:"run,omitempty"`
	Phase   string        `json:"phase,omitempty"`
	Step    string        `json:"step,omitempty"` // "phase/step@host"
	Host    string        `json:"host,omitempty"`
	Verb    string        `json:"verb,omitempty"` // create, update, delete, start, restart, pull, revert, unknown
	Message string        `json:"message,omitempty"`
	Hint    string        `json:"hint,omitempty"` // a command
	Elapsed time.Duration `json:"elapsedNanoseconds,omitempty"`
	Error   string        `json:"error,omitempty"`
	Changed int           `json:"changed,omitempty"` // Finished: steps that changed something
	Total   int           `json:"total,omitempty"`
}

// Sink takes events, one at a time.
type Sink interface{ Emit(Event) }

// Discard drops every event.
type Discard struct{}

// Emit does nothing.
func (Discard) Emit(Event) {}
