package state_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/state"
)

var now = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func begin(t *testing.T, s state.Store, list string, at time.Time) *state.Run {
	t.Helper()
	r, err := s.Begin(list, at)
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func add(t *testing.T, r *state.Run, kind state.Kind, steps ...string) {
	t.Helper()
	entries := []state.Entry{}
	for _, s := range steps {
		entries = append(entries, state.Entry{Time: now, Kind: kind, Step: s})
	}
	if len(steps) == 0 {
		entries = append(entries, state.Entry{Time: now, Kind: kind})
	}
	must(t, r.Append(entries...))
}

// said is the entries in short: "begin:init intent:a done:a".
func said(r *state.Run) string {
	var words []string
	for _, e := range r.Entries {
		words = append(words, string(e.Kind)+":"+e.List+e.Step)
	}
	return strings.Join(words, " ")
}

// read is what a later process finds.
func read(t *testing.T, s state.Store) *state.Run {
	t.Helper()
	r, err := s.Latest()
	must(t, err)
	if r == nil {
		t.Fatal("there is no run")
	}
	return r
}

func journal(dir string, r *state.Run) string { return filepath.Join(dir, r.ID, "journal.jsonl") }

func TestWhatIsWrittenIsRead(t *testing.T) {
	s := state.Open(filepath.Join(t.TempDir(), "not", "there"))
	if r, err := s.Latest(); r != nil || err != nil {
		t.Fatalf("an empty store has %v, %v", r, err)
	}
	if r, err := s.Reopen(); r != nil || err != nil {
		t.Fatalf("an empty store reopens %v, %v", r, err)
	}
	r := begin(t, s, "init", now)
	entry := state.Entry{Time: now, Kind: state.Intent, Step: "certs/ca@n1", Verb: plan.Create,
		Undo: &plan.Undo{Kind: "file", Host: "n1", Key: "/x", Data: json.RawMessage(`{"existed":true}`), Blob: []byte("secret"), Sum: "5e"}}
	must(t, r.Append(entry))
	must(t, r.Append(state.Entry{Time: now, Kind: state.Intent, Step: "kubelet", NoUndo: "it runs"}))
	got := read(t, s)
	if got.ID != r.ID || got.List() != "init" || !got.Unfinished() || said(got) != "begin:init intent:certs/ca@n1 intent:kubelet" {
		t.Fatalf("%s: %s", got.ID, said(got))
	}
	undo := got.Entries[1].Undo
	if undo.Kind != "file" || undo.Host != "n1" || undo.Key != "/x" || string(undo.Data) != `{"existed":true}` || undo.Sum != "5e" || undo.Blob != nil {
		t.Errorf("undo %+v", undo)
	}
	if !got.Entries[1].Time.Equal(now) || got.Entries[1].Verb != plan.Create || got.Entries[2].NoUndo != "it runs" {
		t.Errorf("entries %+v", got.Entries)
	}
	if want := "/var/lib/clusteradm/runs/" + r.ID + "/blobs"; r.Blobs() != want || got.Blobs() != want {
		t.Errorf("blobs are in %s", r.Blobs())
	}
	must(t, got.Close()) // never opened
}

func TestBeginContinues(t *testing.T) {
	for name, c := range map[string]struct {
		ending    state.Kind
		list      string
		continues bool
	}{
		"an unfinished run":             {state.Done, "init", true},
		"one whose rollback stopped":    {state.Reverted, "init", true},
		"not one of another list":       {state.Done, "join", false},
		"not one that is complete":      {state.Complete, "init", false},
		"not one that was rolled back":  {state.RolledBack, "init", false},
		"not one of a list in its name": {state.Done, "ini", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := state.Open(t.TempDir())
			first := begin(t, s, "init", now)
			add(t, first, state.Intent, "a")
			add(t, first, c.ending, "a")
			must(t, first.Close())
			second := begin(t, s, c.list, now.Add(time.Hour))
			if (second.ID == first.ID) != c.continues {
				t.Fatalf("the run is %s after %s", second.ID, first.ID)
			}
			add(t, second, state.Intent, "b")
			want := "begin:" + c.list + " intent:b"
			if c.continues {
				want = "begin:init intent:a " + string(c.ending) + ":a intent:b"
			}
			if got := read(t, s); got.ID != second.ID || said(got) != want {
				t.Errorf("%s: %s, want %s", got.ID, said(got), want)
			}
		})
	}
}

// A crash leaves any prefix of what was being written, or blocks of zeros.
func TestTornEndIsCutOff(t *testing.T) {
	const line = `{"time":"2026-11-21T06:00:00Z","kind":"intent","step":"torn"}`
	for name, tail := range map[string]string{
		"half a line":                   line[:20],
		"a line without its end":        line,
		"zeros":                         string(make([]byte, 512)),
		"zeros, then a later line":      string(make([]byte, 16)) + "\n" + line + "\n",
		"half a line, then a whole one": line[:20] + "\n" + line + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := state.Open(dir)
			r := begin(t, s, "init", now)
			add(t, r, state.Intent, "a")
			must(t, r.Close())
			f, err := os.OpenFile(journal(dir, r), os.O_WRONLY|os.O_APPEND, 0)
			must(t, err)
			_, err = f.WriteString(tail)
			must(t, err)
			must(t, f.Close())
			if got := said(read(t, s)); got != "begin:init intent:a" {
				t.Errorf("read: %s", got)
			}
			again := begin(t, s, "init", now)
			if again.ID != r.ID {
				t.Fatalf("%s does not continue %s", again.ID, r.ID)
			}
			add(t, again, state.Intent, "b")
			if got := said(read(t, s)); got != "begin:init intent:a intent:b" {
				t.Errorf("after the next entry: %s", got)
			}
			data, err := os.ReadFile(journal(dir, r))
			must(t, err)
			if strings.Count(string(data), "\n") != 3 || strings.ContainsAny(string(data), "\x00") || strings.Contains(string(data), "torn") {
				t.Errorf("the journal is\n%q", data)
			}
		})
	}
}

// Killed before the first entry, a run has no list and is nobody's.
func TestRunWithoutBeginning(t *testing.T) {
	for name, content := range map[string]string{"no journal": "-", "an empty one": "", "a torn beginning": `{"time":"2026-11-21T06:00:00Z","kind":"begin","list":"init"}`} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := state.Open(dir)
			dead := &state.Run{ID: "20261121T050000.000000Z-init"}
			must(t, os.Mkdir(filepath.Join(dir, dead.ID), 0o700))
			if content != "-" {
				must(t, os.WriteFile(journal(dir, dead), []byte(content), 0o600))
			}
			if r := begin(t, s, "init", now); r.ID == dead.ID {
				t.Error("it is continued")
			} else if got := said(read(t, s)); got != "begin:init" {
				t.Errorf("the new run: %s", got)
			}
		})
	}
}

func TestTheLastThreeAreKept(t *testing.T) {
	dir := t.TempDir()
	s := state.Open(dir)
	must(t, os.WriteFile(filepath.Join(dir, "note"), []byte("not a run"), 0o600))
	var ids []string
	for i := range 5 {
		r := begin(t, s, "init", now.Add(time.Duration(i)*time.Hour))
		must(t, os.MkdirAll(filepath.Join(dir, r.ID, "blobs", "x"), 0o700))
		add(t, r, state.Complete)
		ids = append(ids, r.ID)
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := append(ids[2:], "note"); fmt.Sprint(left) != fmt.Sprint(want) {
		t.Errorf("left are %v, want %v", left, want)
	}
}

// Some lists are called as the command was, with a path.
func TestAnyListHasADirectoryOfItsOwn(t *testing.T) {
	s := state.Open(t.TempDir())
	for _, list := range []string{"endpoint set --config /root/../etc/endpoint.yaml", "endpoint set --config /" + strings.Repeat("é", 300), "init"} {
		r := begin(t, s, list, now)
		add(t, r, state.Complete)
		if got := read(t, s); got.ID != r.ID || got.List() != list || strings.Contains(r.ID, "/") {
			t.Errorf("%q is kept as %q", got.List(), got.ID)
		}
	}
}

// A machine without a good clock: the newest run is the last one begun.
func TestTheClockIsSetBack(t *testing.T) {
	s := state.Open(t.TempDir())
	for _, at := range []time.Duration{0, 0, -24 * time.Hour, -48 * time.Hour, -72 * time.Hour} {
		r := begin(t, s, "init", now.Add(at).In(time.FixedZone("", -3600)))
		if got := read(t, s); got.ID != r.ID {
			t.Fatalf("the newest is %s, begun was %s", got.ID, r.ID)
		}
		if !strings.HasSuffix(r.ID, "-init") || !strings.HasPrefix(r.ID, "20261121T060000.0000") {
			t.Errorf("ID %s", r.ID)
		}
		add(t, r, state.Complete)
	}
}

func TestReopen(t *testing.T) {
	s := state.Open(t.TempDir())
	r := begin(t, s, "init", now)
	add(t, r, state.Intent, "a")
	add(t, r, state.Complete)
	must(t, r.Close())
	again, err := s.Reopen()
	must(t, err)
	defer again.Close()
	if again.ID != r.ID || again.Unfinished() {
		t.Errorf("%s, unfinished %t", again.ID, again.Unfinished())
	}
	add(t, again, state.Reverted, "a")
	if got := said(read(t, s)); got != "begin:init intent:a complete: reverted:a" || said(again) != got {
		t.Errorf("read: %s", got)
	}
}

func TestOnlyRootReads(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := t.TempDir()
	s := state.Open(filepath.Join(dir, "clusteradm", "runs"))
	r := begin(t, s, "init", now)
	for path, want := range map[string]fs.FileMode{
		"clusteradm": 0o700, "clusteradm/runs": 0o700, "clusteradm/runs/" + r.ID: 0o700, "clusteradm/runs/" + r.ID + "/journal.jsonl": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, path))
		must(t, err)
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
		}
	}
}

func TestManyAppendAtOnce(t *testing.T) {
	s := state.Open(t.TempDir())
	r := begin(t, s, "init", now)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 10 {
				step := fmt.Sprintf("%d-%d", i, j)
				if err := r.Append(state.Entry{Kind: state.Intent, Step: step}, state.Entry{Kind: state.Done, Step: step}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got := read(t, s); said(got) != said(r) || len(got.Entries) != 161 {
		t.Errorf("%d entries were read, %d written", len(got.Entries), len(r.Entries))
	}
}

func TestClosedJournalTakesNothing(t *testing.T) {
	r := begin(t, state.Open(t.TempDir()), "init", now)
	must(t, r.Close())
	if err := r.Append(state.Entry{Kind: state.Intent}); err == nil || len(r.Entries) != 1 {
		t.Errorf("error %v, %d entries", err, len(r.Entries))
	}
}

// What a full disk tears is written over by what comes next.
func TestFailedAppendLeavesNoGap(t *testing.T) {
	var old syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	s := state.Open(t.TempDir())
	r := begin(t, s, "init", now)
	limited := old
	limited.Cur = 100
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limited))
	err := r.Append(state.Entry{Time: now, Kind: state.Intent, Step: strings.Repeat("long", 100)})
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old))
	if err == nil {
		t.Fatal("it was written past the limit")
	}
	add(t, r, state.Intent, "b")
	if got := said(read(t, s)); got != "begin:init intent:b" {
		t.Errorf("read: %s", got)
	}
}
