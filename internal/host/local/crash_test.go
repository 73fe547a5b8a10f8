package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/host"
)

var errCrashed = errors.New("crashed")

// inode has what is in memory and what is on disk.
type inode struct {
	now, synced state
}

type state struct {
	content string
	mode    fs.FileMode
	uid     int
}

// crashFS forgets at a crash what was not synced. Changes of a directory reach
// the disk in order: with its sync, or any number of the first ones before it.
type crashFS struct {
	ops, failAt int  // the failAt-th operation and, after a crash, all later ones fail
	crash       bool // false: that one operation fails and the process lives
	now, disk   map[string]*inode
	pending     []change
}

type change struct {
	dir   string
	apply func(map[string]*inode)
}

func newCrashFS(files map[string]state) *crashFS {
	c := &crashFS{now: map[string]*inode{}, disk: map[string]*inode{}}
	for path, s := range files {
		n := &inode{s, s}
		c.now[path], c.disk[path] = n, n
	}
	return c
}

func (c *crashFS) op() error {
	c.ops++
	if c.failAt > 0 && (c.ops == c.failAt || c.crash && c.ops > c.failAt) {
		return errCrashed
	}
	return nil
}

func (c *crashFS) change(path string, apply func(map[string]*inode)) {
	apply(c.now)
	c.pending = append(c.pending, change{filepath.Dir(path), apply})
}

func (c *crashFS) create(path string) (tempFile, error) {
	if err := c.op(); err != nil {
		return nil, err
	}
	if c.now[path] != nil {
		return nil, fs.ErrExist
	}
	n := &inode{now: state{mode: 0o600}}
	c.change(path, func(m map[string]*inode) { m[path] = n })
	return &crashFile{c, n}, nil
}

func (c *crashFS) rename(old, new string) error {
	if err := c.op(); err != nil {
		return err
	}
	n := c.now[old]
	if n == nil {
		return fs.ErrNotExist
	}
	c.change(new, func(m map[string]*inode) { delete(m, old); m[new] = n })
	return nil
}

func (c *crashFS) remove(path string) error {
	if err := c.op(); err != nil {
		return err
	}
	if c.now[path] == nil {
		return fs.ErrNotExist
	}
	c.change(path, func(m map[string]*inode) { delete(m, path) })
	return nil
}

func (c *crashFS) list(dir string) ([]string, error) {
	var names []string
	for path := range c.now {
		if filepath.Dir(path) == filepath.Clean(dir) {
			names = append(names, filepath.Base(path))
		}
	}
	return names, nil
}

func (c *crashFS) syncDir(dir string) error {
	if err := c.op(); err != nil {
		return err
	}
	var rest []change
	for _, p := range c.pending {
		if p.dir == dir {
			p.apply(c.disk)
		} else {
			rest = append(rest, p)
		}
	}
	c.pending = rest
	return nil
}

type crashFile struct {
	fs *crashFS
	n  *inode
}

func (f *crashFile) Write(p []byte) (int, error) {
	if err := f.fs.op(); err != nil {
		return 0, err
	}
	f.n.now.content += string(p)
	return len(p), nil
}

func (f *crashFile) Chown(uid, _ int) error {
	f.n.now.uid = uid
	return f.fs.op()
}

func (f *crashFile) Chmod(mode fs.FileMode) error {
	f.n.now.mode = mode
	return f.fs.op()
}

func (f *crashFile) Sync() error {
	if err := f.fs.op(); err != nil {
		return err
	}
	f.n.synced = f.n.now
	return nil
}

func (f *crashFile) Close() error { return nil }

// remains returns every state in which a machine may come up again: all, none
// or the first few of the unsynced changes reached the disk, those of one
// directory possibly not at all, and unsynced content did or did not.
func (c *crashFS) remains() map[string]map[string]state {
	lost := map[string]bool{"": true}
	for _, p := range c.pending {
		lost[p.dir] = true
	}
	all := map[string]map[string]state{}
	for kept := 0; kept <= len(c.pending); kept++ {
		for without := range lost {
			disk := maps.Clone(c.disk)
			for _, p := range c.pending[:kept] {
				if p.dir != without {
					p.apply(disk)
				}
			}
			for _, data := range []bool{true, false} {
				tree := map[string]state{}
				for path, n := range disk {
					tree[path] = n.synced
					if data {
						tree[path] = n.now
					}
				}
				all[fmt.Sprintf("%d changes kept without those in %q, unsynced data kept: %v", kept, without, data)] = tree
			}
		}
	}
	return all
}

// order has two directories in turn, and a name that looks like another's
// temporary one but for the length.
func order() []string {
	return []string{"/a/key", "/a/crt", "/b/conf", "/a/late", "/b/conf.clusteradm-x"}
}

// before lacks /a/late, which is new, and has what a killed run left.
func before() map[string]state {
	return map[string]state{
		"/a/key": {"old key", 0o600, 1}, "/a/crt": {"old crt", 0o644, 1}, "/b/conf": {"old conf", 0o600, 1},
		"/b/conf.clusteradm-x":                {"old x", 0o600, 1},
		"/a/.key.clusteradm-0123456789abcdef": {"left by a killed run", 0o600, 0},
	}
}

func after(path string) state { return state{"new " + filepath.Base(path), 0o640, 7} }

func replaceAll(ctx context.Context, c *crashFS) error {
	r := newReplacer(c)
	r.limit = 1 // so that operation k is the same one in every run
	n := 0
	r.random = func() string { n++; return fmt.Sprintf("%016x", n) }
	var files []*replacement
	for _, path := range order() {
		want := after(path)
		files = append(files, &replacement{path: path, name: path, attr: host.Attr{Mode: want.mode, UID: want.uid},
			body: func(w io.Writer) error { _, err := w.Write([]byte(want.content)); return err }})
	}
	return r.replace(ctx, files)
}

// checkPrefix fails unless the first so many files are new and the rest old.
func checkPrefix(t *testing.T, what string, tree map[string]state) (renamed int) {
	t.Helper()
	old, ended := before(), false
	for _, path := range order() {
		got, there := tree[path]
		was, had := old[path]
		switch {
		case there && got == after(path):
			if ended {
				t.Errorf("%s: %s is new after one that is old", what, path)
			}
			renamed++
		case there == had && got == was:
			ended = true
		default:
			t.Errorf("%s: %s is neither old nor new: %+v", what, path, got)
		}
	}
	return renamed
}

func temps(tree map[string]state) (list []string) {
	for path := range tree {
		if strings.HasPrefix(filepath.Base(path), ".") {
			list = append(list, path)
		}
	}
	return list
}

// operations is how many a whole run takes.
func operations(t *testing.T) int {
	t.Helper()
	whole := newCrashFS(before())
	if err := replaceAll(t.Context(), whole); err != nil {
		t.Fatal(err)
	}
	for what, tree := range whole.remains() {
		if n := checkPrefix(t, what, tree); n != len(order()) {
			t.Errorf("%s: done, but only %d files last", what, n)
		}
	}
	return whole.ops
}

func TestCrashAtEveryOperation(t *testing.T) {
	for k := range operations(t) {
		c := newCrashFS(before())
		c.failAt, c.crash = k+1, true
		if err := replaceAll(t.Context(), c); !errors.Is(err, errCrashed) {
			t.Fatalf("operation %d: %v, want the crash", k+1, err)
		}
		for what, tree := range c.remains() {
			what = fmt.Sprintf("crash at %d, %s", k+1, what)
			checkPrefix(t, what, tree)
			again := newCrashFS(tree)
			if err := replaceAll(t.Context(), again); err != nil {
				t.Errorf("%s: again: %v", what, err)
			}
			for _, tree := range again.remains() {
				if left := temps(tree); len(left) > 0 {
					t.Errorf("%s: left after the next run: %v", what, left)
				}
			}
		}
	}
}

// A failing operation is no crash: the process tidies up behind itself.
func TestFailureAtEveryOperationLeavesNoTemp(t *testing.T) {
	for k := 2; k <= operations(t); k++ { // the first one removes the stale file
		c := newCrashFS(before())
		c.failAt = k
		if err := replaceAll(t.Context(), c); !errors.Is(err, errCrashed) {
			t.Fatalf("operation %d: %v", k, err)
		}
		tree := map[string]state{}
		for path, n := range c.now {
			tree[path] = n.now
		}
		checkPrefix(t, fmt.Sprintf("failure at %d", k), tree)
		if left := temps(tree); len(left) > 0 {
			t.Errorf("failure at %d leaves %v", k, left)
		}
	}
}

func TestIsTempOf(t *testing.T) {
	for name, want := range map[string]bool{
		".a.clusteradm-0123456789abcdef":              true,
		".a.clusteradm-x.clusteradm-0123456789abcdef": false,
		".a.clusteradm-0123":                          false,
		"a.clusteradm-0123456789abcdef":               false,
		".ab.clusteradm-0123456789abcdef":             false,
		".a.clusteradm-0123456789abcdeg":              false,
	} {
		if got := isTempOf(name, "a"); got != want {
			t.Errorf("isTempOf(%q, a) = %v", name, got)
		}
	}
}

func TestBoundedMarksWhatItDrops(t *testing.T) {
	var b bounded
	b.Write(bytes.Repeat([]byte("x"), outputLimit-1))
	b.Write([]byte("yz"))
	if len(b.bytes()) != outputLimit || !bytes.HasSuffix(b.marked(), []byte("y\n[truncated: 1 more bytes]\n")) {
		t.Errorf("kept %d bytes, dropped %d", len(b.bytes()), b.dropped)
	}
}
