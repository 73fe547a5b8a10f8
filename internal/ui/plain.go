package ui

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/clusteradm/clusteradm/internal/event"
)

// plain writes lines for a log: what changed, what is waited for, how long.
type plain struct {
	mu sync.Mutex // parallel steps
	w  io.Writer
}

// Emit implements event.Sink.
func (p *plain) Emit(e event.Event) {
	if line := text(e); line != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		fmt.Fprintf(p.w, "%s %s\n", e.Time.Format(time.TimeOnly), line)
	}
}

// worthALine is how long a phase takes at least for a log to say so.
const worthALine = time.Second

// text is an event in words, empty for one that is not worth a line.
func text(e event.Event) string {
	switch e.Kind {
	case event.StepFinished:
		if e.Error != "" {
			return fmt.Sprintf("%s: failed: %s", e.Step, e.Error)
		}
		line := fmt.Sprintf("%s: %s %s", phaseOf(e), past(e.Verb), e.Message)
		if e.Verb == pull {
			line += fmt.Sprintf(" (%s)", round(e.Elapsed))
		}
		return line
	case event.Waiting:
		return fmt.Sprintf("%s: waiting for %s", phaseOf(e), e.Message)
	case event.PhaseFinished:
		if e.Elapsed >= worthALine {
			return fmt.Sprintf("%s: took %s", e.Phase, round(e.Elapsed))
		}
	case event.Warning:
		line := "warning: " + e.Message
		if e.Hint != "" {
			line += "; hint: " + e.Hint
		}
		return line
	case event.Finished:
		switch {
		case e.Error != "":
			return ""
		case e.Changed == 0:
			return fmt.Sprintf("%s: nothing to change, all of %d steps are already so (%s)", e.Message, e.Total, round(e.Elapsed))
		}
		return fmt.Sprintf("%s: done, %d of %d steps changed something (%s)", e.Message, e.Changed, e.Total, round(e.Elapsed))
	}
	return ""
}

func phaseOf(e event.Event) string {
	if e.Phase != "" {
		return e.Phase
	}
	return e.Step
}

// pull is the verb of what takes the network's time, so each says how long.
const pull = "pull"

func past(verb string) string {
	switch verb {
	case "create":
		return "created"
	case "update":
		return "updated"
	case "delete":
		return "removed"
	case "restart":
		return "restarted"
	case pull:
		return "pulled"
	case "start":
		return "started"
	case "revert":
		return "took back"
	}
	return verb
}

func round(d time.Duration) time.Duration {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(time.Millisecond)
	case d < 10*time.Second:
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}
