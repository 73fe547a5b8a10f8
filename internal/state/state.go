// Package state is the run directory: a journal of what a run was about to do
// and did, as JSON lines. It makes rollback and explanation possible and is
// never needed to go on: a lost journal loses nothing else.
//
// The journal of a run is /var/lib/clusteradm/runs/<run>/journal.jsonl, mode
// 0600 in directories of mode 0700. It holds no secret: content from before a
// change stays beside it as a blob, on the host that it came from.
package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clusteradm/clusteradm/internal/plan"
)

// Dir is where runs are kept on a host.
const Dir = "/var/lib/clusteradm/runs"

// keep is how many runs stay.
const keep = 3

// Kind of an entry.
type Kind string

// The kinds. A run that has no Complete and no RolledBack is unfinished.
const (
	Begin      Kind = "begin"
	Intent     Kind = "intent"   // durable before the change
	Done       Kind = "done"     // the change was observed
	Reverted   Kind = "reverted" // the change was taken back
	Complete   Kind = "complete"
	RolledBack Kind = "rolled-back"
)

// Entry is one line of a journal.
type Entry struct {
	Time   time.Time  `json:"time"`
	Kind   Kind       `json:"kind"`
	List   string     `json:"list,omitempty"` // of Begin: "init", "join"
	Step   string     `json:"step,omitempty"`
	Verb   plan.Verb  `json:"verb,omitempty"`
	NoUndo string     `json:"noUndo,omitempty"`
	Undo   *plan.Undo `json:"undo,omitempty"`
}

// Store is a directory of runs.
type Store struct{ dir string }

// Open returns the store in dir, which need not exist yet.
func Open(dir string) Store { return Store{dir} }

// Run is one run's journal, open for appending.
type Run struct {
	ID      string
	Entries []Entry
	dir     string
	mu      sync.Mutex
	file    *os.File
	size    int64 // of the entries; what is behind them in the file is torn
}

// Latest reads the newest run, nil when there is none.
func (s Store) Latest() (*Run, error) {
	ids, err := s.ids()
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return s.load(ids[len(ids)-1])
}

// Begin opens a run of a list: the newest one if it was of the same list and
// did not finish, so that its undo records stay in one place, else a new one.
func (s Store) Begin(list string, now time.Time) (*Run, error) {
	latest, err := s.Latest()
	if err != nil {
		return nil, err
	}
	if latest != nil && latest.Unfinished() && latest.List() == list {
		return latest, latest.open()
	}
	r := &Run{ID: nextID(latest, list, now)}
	r.dir = filepath.Join(s.dir, r.ID)
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return nil, fmt.Errorf("begin run %s: %w", r.ID, err)
	}
	if err := r.open(); err != nil {
		return nil, err
	}
	if err := r.Append(Entry{Time: now, Kind: Begin, List: list}); err != nil {
		return nil, err
	}
	for _, dir := range []string{r.dir, s.dir, filepath.Dir(s.dir)} {
		if err := syncDir(dir); err != nil {
			return nil, fmt.Errorf("begin run %s: %w", r.ID, err)
		}
	}
	return r, s.prune()
}

const idTime = "20060102T150405.000000Z"

// nextID sorts after the latest one's also when the clock was set back since.
func nextID(latest *Run, list string, now time.Time) string {
	now = now.UTC().Truncate(time.Microsecond)
	if latest != nil {
		stamp, _, _ := strings.Cut(latest.ID, "-")
		if t, err := time.Parse(idTime, stamp); err == nil && !now.After(t) {
			now = t.Add(time.Microsecond)
		}
	}
	return now.Format(idTime) + "-" + dirName(list)
}

// nameLength is less than any file system's limit.
const nameLength = 100

// dirName is a list as a part of a directory's name: some are called as the
// command was, with a path.
func dirName(list string) string {
	name := strings.Map(func(r rune) rune {
		if r == ' ' || r == '/' {
			return '-'
		}
		return r
	}, list)
	return strings.ToValidUTF8(name[:min(len(name), nameLength)], "")
}

// Reopen opens the newest run for appending, nil when there is none.
func (s Store) Reopen() (*Run, error) {
	latest, err := s.Latest()
	if err != nil || latest == nil {
		return nil, err
	}
	return latest, latest.open()
}

func (s Store) ids() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() {
			ids = append(ids, e.Name())
		}
	}
	slices.Sort(ids)
	return ids, nil
}

func (s Store) prune() error {
	ids, err := s.ids()
	if err != nil {
		return err
	}
	for len(ids) > keep {
		if err := os.RemoveAll(filepath.Join(s.dir, ids[0])); err != nil {
			return fmt.Errorf("remove run %s: %w", ids[0], err)
		}
		ids = ids[1:]
	}
	return nil
}

func (s Store) load(id string) (*Run, error) {
	r := &Run{ID: id, dir: filepath.Join(s.dir, id)}
	data, err := os.ReadFile(r.path())
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil // killed between the directory and the journal
	}
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", id, err)
	}
	for line := range bytes.Lines(data) {
		var e Entry
		// A torn last line is what a crash leaves: its change was not made.
		if !bytes.HasSuffix(line, []byte("\n")) || json.Unmarshal(line, &e) != nil {
			break
		}
		r.Entries = append(r.Entries, e)
		r.size += int64(len(line))
	}
	return r, nil
}

func (r *Run) path() string { return filepath.Join(r.dir, "journal.jsonl") }

// Blobs is the directory on a host where this run keeps content from before.
func (r *Run) Blobs() string { return filepath.Join(Dir, r.ID, "blobs") }

// List is the list of phases that the run is of.
func (r *Run) List() string {
	for _, e := range r.Entries {
		if e.Kind == Begin {
			return e.List
		}
	}
	return ""
}

// TakenBack reports whether the run was rolled back.
func (r *Run) TakenBack() bool {
	return slices.ContainsFunc(r.Entries, func(e Entry) bool { return e.Kind == RolledBack })
}

// Unfinished reports whether the run neither completed nor was rolled back.
func (r *Run) Unfinished() bool {
	for _, e := range r.Entries {
		if e.Kind == Complete || e.Kind == RolledBack {
			return false
		}
	}
	return true
}

// open opens the journal for appending, first cutting off a torn end.
func (r *Run) open() error {
	f, err := os.OpenFile(r.path(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open run %s: %w", r.ID, err)
	}
	if err := f.Truncate(r.size); err != nil {
		f.Close()
		return fmt.Errorf("open run %s: %w", r.ID, err)
	}
	r.file = f
	return nil
}

// Append adds entries. Begin, Intent and the closing kinds are durable when it
// returns; a lost Done or Reverted costs one more look.
func (r *Run) Append(entries ...Entry) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var buf []byte
	durable := false
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("write journal: %w", err)
		}
		buf = append(append(buf, line...), '\n')
		durable = durable || e.Kind != Done && e.Kind != Reverted
	}
	// At its place, so that the next ones overwrite what a full disk tears.
	if _, err := r.file.WriteAt(buf, r.size); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	r.size += int64(len(buf))
	if durable {
		if err := r.file.Sync(); err != nil {
			return fmt.Errorf("write journal: %w", err)
		}
	}
	r.Entries = append(r.Entries, entries...)
	return nil
}

// Close closes the journal.
func (r *Run) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
