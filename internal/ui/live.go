package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/clusteradm/clusteradm/internal/event"
)

// live shows one line a phase, and below them what is under way and for how
// long, redrawn in place.
type live struct {
	w     io.Writer
	width func() int // columns, asked at each redraw
	mu    sync.Mutex
	now   string // what is under way
	from  time.Time
	// running are the steps under way, oldest first.
	running []event.Event
	// changed counts the steps of the current phases that changed something.
	changed map[string]int
	stop    chan struct{}
	done    chan struct{}
}

const (
	redrawEvery = 100 * time.Millisecond
	clearLine   = "\r\x1b[K"
)

func newLive(w io.Writer, width func() int) *live {
	l := &live{w: w, width: width, changed: map[string]int{}, stop: make(chan struct{}), done: make(chan struct{})}
	go l.redraw()
	return l
}

// Emit implements event.Sink.
func (l *live) Emit(e event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case event.PhaseStarted:
		l.show(e.Phase, e.Time)
	case event.StepStarted:
		l.running = append(l.running, e)
		l.showRunning()
	case event.Waiting:
		l.show(e.Phase+": waiting for "+e.Message, e.Time)
	case event.StepFinished:
		l.running = slices.DeleteFunc(l.running, func(s event.Event) bool { return s.Step == e.Step })
		switch {
		case e.Error != "": // the command ends with the error itself
			l.line(mark(e) + fmt.Sprintf("%-34s %s", phaseOf(e), "failed"))
		case e.Phase == "":
			l.line(mark(e) + text(e))
		case e.Verb == pull:
			l.changed[e.Phase]++
			l.line(mark(e) + text(e))
		default:
			l.changed[e.Phase]++
		}
		l.showRunning()
	case event.PhaseFinished:
		changed := l.changed[e.Phase]
		delete(l.changed, e.Phase)
		what := "already so"
		if e.Elapsed >= redrawEvery {
			what = "waited"
		}
		if changed > 0 {
			what = fmt.Sprintf("%d changed", changed)
		}
		l.line(fmt.Sprintf("\x1b[32m✓\x1b[0m %-34s %-12s %8s", e.Phase, what, round(e.Elapsed)))
	case event.Warning:
		hint := e.Hint
		e.Hint = ""
		l.line(mark(e) + text(e))
		if hint != "" {
			l.line("  hint: " + hint) // by itself, to be copied
		}
	case event.Finished:
		if t := text(e); t != "" {
			l.line(mark(e) + t)
		}
	}
}

func mark(e event.Event) string {
	switch {
	case e.Error != "":
		return "\x1b[31m✗\x1b[0m "
	case e.Kind == event.Warning:
		return "\x1b[33m!\x1b[0m "
	}
	return "  "
}

// showRunning shows the oldest step under way, which others may wait for.
func (l *live) showRunning() {
	if len(l.running) == 0 {
		return
	}
	oldest := l.running[0]
	what := oldest.Phase + ": " + oldest.Message
	if n := len(l.running) - 1; n > 0 {
		what += fmt.Sprintf(" and %d more", n)
	}
	l.show(what, oldest.Time)
}

func (l *live) show(what string, from time.Time) {
	if what != l.now {
		l.now, l.from = what, from
	}
}

// line prints a line that stays, as long as it is.
func (l *live) line(s string) {
	fmt.Fprint(l.w, clearLine, s, "\n")
	l.now = ""
}

var frames = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

func (l *live) redraw() {
	defer close(l.done)
	ticker := time.NewTicker(redrawEvery)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-l.stop:
			fmt.Fprint(l.w, clearLine)
			return
		case now := <-ticker.C:
			l.mu.Lock()
			if l.now != "" {
				elapsed := fmt.Sprintf(" (%s)", now.Sub(l.from).Round(100*time.Millisecond))
				// A line that wraps could not be cleared. Some terminals wrap at
				// the last column already, and they echo an interrupt's ^C.
				room := l.width() - len("- ") - len(elapsed) - len("^C") - 1
				fmt.Fprint(l.w, clearLine, frames[i%len(frames)], " ", shorten(l.now, room), elapsed)
			}
			l.mu.Unlock()
		}
	}
}

// shorten makes s one line of at most width columns.
func shorten(s string, width int) string {
	r := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
	if len(r) <= width {
		return string(r)
	}
	return strings.TrimSpace(string(r[:max(width-1, 0)])) + "…"
}

func (l *live) close() {
	close(l.stop)
	<-l.done
}
