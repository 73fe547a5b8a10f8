package ui

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/clusteradm/clusteradm/internal/event"
)

var at = time.Date(2026, 11, 21, 6, 7, 8, 0, time.UTC)

func TestPlainLines(t *testing.T) {
	for name, c := range map[string]struct {
		event event.Event
		want  string // empty: no line
	}{
		"plan started":   {event.Event{Kind: event.PlanStarted, Message: "init", Total: 3}, ""},
		"phase started":  {event.Event{Kind: event.PhaseStarted, Phase: "certs/ca"}, ""},
		"phase finished": {event.Event{Kind: event.PhaseFinished, Phase: "certs/ca"}, ""},
		"a long phase":   {event.Event{Kind: event.PhaseFinished, Phase: "wait-control-plane", Elapsed: 12340 * time.Millisecond}, "06:07:08 wait-control-plane: took 12.3s\n"},
		"step started":   {event.Event{Kind: event.StepStarted, Phase: "certs/ca", Message: "file /x"}, ""},
		"created":        {event.Event{Kind: event.StepFinished, Phase: "certs/ca", Verb: "create", Message: "file /x"}, "06:07:08 certs/ca: created file /x\n"},
		"updated":        {event.Event{Kind: event.StepFinished, Phase: "certs/ca", Verb: "update", Message: "file /x"}, "06:07:08 certs/ca: updated file /x\n"},
		"removed":        {event.Event{Kind: event.StepFinished, Phase: "a", Verb: "delete", Message: "file /x"}, "06:07:08 a: removed file /x\n"},
		"restarted":      {event.Event{Kind: event.StepFinished, Phase: "a", Verb: "restart", Message: "kubelet"}, "06:07:08 a: restarted kubelet\n"},
		"taken back":     {event.Event{Kind: event.StepFinished, Step: "certs/ca/x@h", Verb: "revert", Message: "/x"}, "06:07:08 certs/ca/x@h: took back /x\n"},
		"failed":         {event.Event{Kind: event.StepFinished, Phase: "a", Step: "a/x@h", Error: "disk full"}, "06:07:08 a/x@h: failed: disk full\n"},
		"waiting":        {event.Event{Kind: event.Waiting, Phase: "a", Message: "the API server"}, "06:07:08 a: waiting for the API server\n"},
		"warning":        {event.Event{Kind: event.Warning, Message: "not Ready"}, "06:07:08 warning: not Ready\n"},
		"with a hint":    {event.Event{Kind: event.Warning, Message: "not Ready", Hint: "kubectl get node"}, "06:07:08 warning: not Ready; hint: kubectl get node\n"},
		"nothing to do":  {event.Event{Kind: event.Finished, Message: "init", Total: 3, Elapsed: 1234 * time.Millisecond}, "06:07:08 init: nothing to change, all of 3 steps are already so (1.23s)\n"},
		"done":           {event.Event{Kind: event.Finished, Message: "init", Changed: 2, Total: 3, Elapsed: 61234 * time.Millisecond}, "06:07:08 init: done, 2 of 3 steps changed something (1m1.2s)\n"},
		"finished badly": {event.Event{Kind: event.Finished, Message: "init", Error: "told by the command itself"}, ""},
	} {
		var out bytes.Buffer
		sink, done := Streams{Err: &out}.Sink("text")
		c.event.Time = at
		sink.Emit(c.event)
		done()
		if out.String() != c.want {
			t.Errorf("%s: %q, want %q", name, out.String(), c.want)
		}
	}
}

func TestJSONIsOneEventALine(t *testing.T) {
	var out, narration bytes.Buffer
	sink, done := Streams{Out: &out, Err: &narration, Terminal: true}.Sink("json")
	var parallel sync.WaitGroup
	for range 50 {
		parallel.Go(func() {
			sink.Emit(event.Event{Time: at, Kind: event.Waiting, Message: "two\nlines", Elapsed: time.Second})
		})
	}
	parallel.Wait()
	done()
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 50 || narration.Len() > 0 {
		t.Fatalf("%d lines, narration %q", len(lines), narration.String())
	}
	for _, line := range lines {
		var e struct {
			Kind, Message string
			Elapsed       int64 `json:"elapsedNanoseconds"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Kind != "waiting" || e.Message != "two\nlines" || e.Elapsed != 1e9 {
			t.Errorf("%s: %+v, %v", line, e, err)
		}
	}
}

// A reader that went away must not end a run half way.
func TestJSONWithoutReader(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	NewJSON(w).Emit(event.Event{Kind: event.Finished})
}

// screen is what a terminal would show: it understands what live writes.
type screen struct {
	mu      sync.Mutex
	raw     strings.Builder
	lines   []string // finished ones
	current string
	longest int // columns of a line that was to be redrawn
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw.Write(p)
	text := strings.NewReplacer("\x1b[32m", "", "\x1b[31m", "", "\x1b[33m", "", "\x1b[0m", "").Replace(string(p))
	for text != "" {
		switch {
		case strings.HasPrefix(text, clearLine):
			s.current, text = "", text[len(clearLine):]
		case text[0] == '\n':
			s.lines, s.current, text = append(s.lines, s.current), "", text[1:]
		default:
			_, size := utf8.DecodeRuneInString(text)
			s.current, text = s.current+text[:size], text[size:]
		}
	}
	s.longest = max(s.longest, utf8.RuneCountInString(s.current))
	return len(p), nil
}

func (s *screen) now() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// until waits for the redrawn line to show want.
func (s *screen) until(t *testing.T, want string) {
	t.Helper()
	for range 200 {
		if strings.Contains(s.now(), want) {
			return
		}
		time.Sleep(redrawEvery / 5)
	}
	t.Fatalf("the screen shows %q and not %q", s.now(), want)
}

func TestLive(t *testing.T) {
	s := &screen{}
	sink, done := Streams{Err: s, Terminal: true}.Sink("text")
	emit := func(e event.Event) { e.Time = time.Now(); sink.Emit(e) }
	emit(event.Event{Kind: event.PlanStarted, Message: "init", Total: 3})
	emit(event.Event{Kind: event.PhaseStarted, Phase: "certs/ca"})
	s.until(t, "certs/ca (")
	emit(event.Event{Kind: event.StepStarted, Phase: "certs/ca", Message: "file /x"})
	s.until(t, "certs/ca: file /x (")
	emit(event.Event{Kind: event.StepFinished, Phase: "certs/ca", Verb: "create", Message: "file /x"})
	emit(event.Event{Kind: event.PhaseFinished, Phase: "certs/ca", Elapsed: 30 * time.Millisecond})
	emit(event.Event{Kind: event.PhaseStarted, Phase: "wait"})
	emit(event.Event{Kind: event.Waiting, Phase: "wait", Message: "the API server to be healthy"})
	s.until(t, "wait: waiting for the API server to be healthy (")
	emit(event.Event{Kind: event.Warning, Message: "node is not Ready", Hint: "kubectl get node"})
	emit(event.Event{Kind: event.PhaseFinished, Phase: "wait", Elapsed: 3 * time.Second})
	emit(event.Event{Kind: event.StepFinished, Phase: "addon", Step: "addon/x@h", Error: "a cause"})
	emit(event.Event{Kind: event.StepFinished, Step: "certs/ca/x@h", Verb: "revert", Message: "/x"})
	emit(event.Event{Kind: event.PhaseStarted, Phase: "under way"})
	s.until(t, "under way")
	emit(event.Event{Kind: event.Finished, Message: "init", Error: "a cause"})
	done()

	want := []string{
		"✓ certs/ca                           1 changed        30ms",
		"! warning: node is not Ready",
		"  hint: kubectl get node",
		"✓ wait                               waited             3s",
		"✗ addon                              failed",
		"  certs/ca/x@h: took back /x",
	}
	if got := strings.Join(s.lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("lines are\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if s.current != "" || !strings.HasSuffix(s.raw.String(), clearLine) {
		t.Errorf("a half line is left: %q", s.current)
	}
}

// A line that wrapped could not be cleared and would fill the screen.
func TestLiveNeverWraps(t *testing.T) {
	for _, width := range []int{20, 80} {
		s := &screen{}
		sink, done := Streams{Err: s, Terminal: true, Width: func() int { return width }}.Sink("text")
		sink.Emit(event.Event{Kind: event.Waiting, Time: time.Now().Add(-100 * time.Second), Phase: "wait-control-plane",
			Message: "the API server to be healthy:\n" + strings.Repeat("é long ", 40) + "\x1b[2J"})
		s.until(t, "… (1m4")
		done()
		if s.longest+len("^C") >= width || len(s.lines) > 0 || strings.Contains(s.raw.String(), "\x1b[2J") {
			t.Errorf("width %d: a line of %d columns; finished lines %q", width, s.longest, s.lines)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  string
	}{
		{"short", 80, "short"}, {"exact", 5, "exact"}, {"longer", 5, "long…"}, {"ends in a space", 8, "ends in…"},
		{"two\nlines\t", 80, "two lines "}, {"x", 0, "…"}, {"x", -5, "…"},
	} {
		if got := shorten(c.in, c.width); got != c.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", c.in, c.width, got, c.want)
		}
	}
}

func TestWidth(t *testing.T) {
	for want, s := range map[int]Streams{80: {}, 132: {Width: func() int { return 132 }}} {
		if got := s.width(); got != want {
			t.Errorf("width is %d, want %d", got, want)
		}
	}
	if got := (Streams{Width: func() int { return 0 }}).width(); got != 80 {
		t.Errorf("an unknown width is %d", got)
	}
}

// Images are pulled at once and take minutes: each says that it is there and
// how long it took, and what is still under way stays in sight.
func TestLiveShowsPulls(t *testing.T) {
	s := &screen{}
	l := newLive(s, func() int { return 80 })
	from := time.Now()
	start := func(name string) {
		l.Emit(event.Event{Time: from, Kind: event.StepStarted, Phase: "preflight", Step: "preflight/image-" + name, Verb: "pull", Message: "r/" + name})
	}
	for _, name := range []string{"a", "b", "c"} {
		start(name)
	}
	s.until(t, "preflight: r/a and 2 more (")
	l.Emit(event.Event{Kind: event.StepFinished, Phase: "preflight", Step: "preflight/image-a", Verb: "pull", Message: "r/a", Elapsed: 2300 * time.Millisecond})
	s.until(t, "preflight: r/b and 1 more (")
	l.Emit(event.Event{Kind: event.StepFinished, Phase: "preflight", Step: "preflight/image-c", Verb: "pull", Error: "no such image"})
	s.until(t, "preflight: r/b (")
	l.Emit(event.Event{Kind: event.StepFinished, Phase: "preflight", Step: "preflight/image-b", Verb: "pull", Message: "r/b", Elapsed: time.Minute})
	l.Emit(event.Event{Kind: event.PhaseFinished, Phase: "preflight", Elapsed: time.Minute})
	l.close()
	for i, want := range []string{"preflight: pulled r/a (2.3s)", "failed", "preflight: pulled r/b (1m0s)", "2 changed"} {
		if len(s.lines) != 4 || !strings.Contains(s.lines[i], want) {
			t.Fatalf("the lines are %q, want %q", s.lines, want)
		}
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "",
		"short":                   "short",
		"one two  three\nfour":    "one two|three four",
		"ärger über öl":           "ärger über|öl",
		"a word-that-is-too-long": "a|word-that-is-too-long",
	} {
		if got := strings.Join(Wrap(text, 10), "|"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	const text = "error: a message of many words\n  indented too, and so on\nshort"
	if got := (Streams{}).Fit(text); got != text {
		t.Errorf("in a log: %q", got)
	}
	got := Streams{Terminal: true, Width: func() int { return 20 }}.Fit(text)
	if want := "error: a message\n  of many words\n  indented too,\n    and so on\nshort"; got != want {
		t.Errorf("on a terminal:\n%s\nwant\n%s", got, want)
	}
}
