package ui

import (
	"fmt"
	"io"
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
		l.show(e.Phase+": "+e.Message, e.Time)
	case event.Waiting:
		l.show(e.Phase+": waiting for "+e.Message, e.Time)
	case event.StepFinished:
		switch {
		case e.Error != "": // the command ends with the error itself
			l.line(mark(e) + fmt.Sprintf("%-34s %s", phaseOf(e), "failed"))
		case e.Phase == "":
			l.line(mark(e) + text(e))
		default:
			l.changed[e.Phase]++
		}
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
	case event.Warning, event.Finished:
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
