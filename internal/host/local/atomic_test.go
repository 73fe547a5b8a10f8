package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/clusteradm/clusteradm/internal/host"
)

// symlink has its target on disk as soon as its name is: both are in the
// journal of the file system.
func (c *crashFS) symlink(target, path string) error {
	if err := c.op(); err != nil {
		return err
	}
	if c.now[path] != nil {
		return fs.ErrExist
	}
	s := linkTo(target)
	n := &inode{s, s}
	c.change(path, func(m map[string]*inode) { m[path] = n })
	return nil
}

func linkTo(target string) state { return state{content: target, mode: fs.ModeSymlink | 0o777} }

// tracedFS writes down every operation on a crashFS, "sync /a/key" with the
// path that a temporary file is for, and lets the test fail any of them.
type tracedFS struct {
	*crashFS
	trace []string
	fail  func(n int, verb string) error // n counts from 1
}

func (t *tracedFS) step(verb, path string) error {
	t.trace = append(t.trace, verb+" "+target(path))
	if t.fail == nil {
		return nil
	}
	return t.fail(len(t.trace), verb)
}

// target is the path that a temporary file is for.
func target(temp string) string {
	dir, base := filepath.Split(temp)
	if name, ok := strings.CutPrefix(base, "."); ok {
		base = name[:strings.LastIndex(name, tempMark)]
	}
	return dir + base
}

func (t *tracedFS) create(path string) (tempFile, error) {
	if err := t.step("create", path); err != nil {
		return nil, err
	}
	f, err := t.crashFS.create(path)
	return &tracedFile{f, t, path}, err
}

func (t *tracedFS) symlink(target, path string) error {
	if err := t.step("symlink", path); err != nil {
		return err
	}
	return t.crashFS.symlink(target, path)
}

func (t *tracedFS) rename(old, new string) error {
	if err := t.step("rename", new); err != nil {
		return err
	}
	return t.crashFS.rename(old, new)
}

func (t *tracedFS) remove(path string) error {
	if err := t.step("remove", path); err != nil {
		return err
	}
	return t.crashFS.remove(path)
}

func (t *tracedFS) list(dir string) ([]string, error) {
	if err := t.step("list", dir); err != nil {
		return nil, err
	}
	return t.crashFS.list(dir)
}

func (t *tracedFS) syncDir(dir string) error {
	if err := t.step("syncdir", dir); err != nil {
		return err
	}
	return t.crashFS.syncDir(dir)
}

type tracedFile struct {
	tempFile
	fs   *tracedFS
	path string
}

// Write leaves half of it behind when it fails, as a full disk does.
func (f *tracedFile) Write(p []byte) (int, error) {
	if err := f.fs.step("write", f.path); err != nil {
		n, _ := f.tempFile.Write(p[:len(p)/2])
		return n, err
	}
	return f.tempFile.Write(p)
}

func (f *tracedFile) Chown(uid, gid int) error {
	if err := f.fs.step(fmt.Sprintf("chown %d:%d", uid, gid), f.path); err != nil {
		return err
	}
	return f.tempFile.Chown(uid, gid)
}

func (f *tracedFile) Chmod(mode fs.FileMode) error {
	if err := f.fs.step(fmt.Sprintf("chmod %o", mode), f.path); err != nil {
		return err
	}
	return f.tempFile.Chmod(mode)
}

func (f *tracedFile) Sync() error {
	if err := f.fs.step("sync", f.path); err != nil {
		return err
	}
	return f.tempFile.Sync()
}

func (f *tracedFile) Close() error {
	if err := f.fs.step("close", f.path); err != nil {
		return err
	}
	return f.tempFile.Close()
}

// replaceOn replaces the files of order, one after the other.
func replaceOn(ctx context.Context, fsys fileSystem) error {
	r := newReplacer(fsys)
	r.limit = 1
	var files []*replacement
	for _, path := range order() {
		want := after(path)
		files = append(files, &replacement{path: path, name: path, attr: host.Attr{Mode: want.mode, UID: want.uid, GID: 9},
			body: func(w io.Writer) error { _, err := io.WriteString(w, want.content); return err }})
	}
	return r.replace(ctx, files)
}

// held is what is in memory.
func (c *crashFS) held() map[string]state {
	tree := map[string]state{}
	for path, n := range c.now {
		tree[path] = n.now
	}
	return tree
}

// wholeTrace is that of a run in which nothing fails.
func wholeTrace(t *testing.T) []string {
	t.Helper()
	whole := &tracedFS{crashFS: newCrashFS(before())}
	if err := replaceOn(t.Context(), whole); err != nil {
		t.Fatal(err)
	}
	return whole.trace
}

func TestOrderOfOperations(t *testing.T) {
	var want []string
	for _, path := range order() {
		if dir := filepath.Dir(path) + "/"; !slices.Contains(want, "list "+dir) {
			want = append(want, "list "+dir)
		}
		if path == "/a/key" {
			want = append(want, "remove /a/key") // the stale one
		}
	}
	for _, path := range order() {
		// The owner before the mode: never readable for a group of someone else's.
		for _, op := range []string{"create ", "write ", "chown 7:9 ", "chmod 640 ", "sync ", "close "} {
			want = append(want, op+path)
		}
	}
	want = append(want, "rename /a/key", "rename /a/crt", "syncdir /a", "rename /b/conf", "syncdir /b",
		"rename /a/late", "syncdir /a", "rename /b/conf.clusteradm-x", "syncdir /b")
	if got := wholeTrace(t); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// errno is how an operation fails in practice.
func errno(verb string) error {
	switch verb, _, _ := strings.Cut(verb, " "); verb {
	case "create", "write":
		return syscall.ENOSPC
	case "rename", "remove", "symlink":
		return syscall.EROFS
	case "chown", "chmod":
		return syscall.EPERM
	}
	return syscall.EIO
}

// The error says which file or directory it is about; no temporary file is
// left, no matter how the power goes then; what was renamed lasts; and no sync
// is tried again: after a failed one the kernel may have dropped the data and
// say that all is well.
func TestErrorAtEveryOperation(t *testing.T) {
	for k, op := range wholeTrace(t) {
		if strings.HasPrefix(op, "remove") {
			continue // it is the stale file itself that is not removable then
		}
		words := strings.Fields(op)
		cause := errno(words[0])
		c := &tracedFS{crashFS: newCrashFS(before()), fail: func(n int, verb string) error {
			if n == k+1 {
				return cause
			}
			return nil
		}}
		err := replaceOn(t.Context(), c)
		where := fmt.Sprintf("%v at %d (%s)", cause, k+1, op)
		about := strings.TrimSuffix(words[len(words)-1], "/")
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), about) || strings.Contains(err.Error(), "/.") {
			t.Errorf("%s: %v", where, err)
		}
		renamed := checkPrefix(t, where, c.held())
		allowed := 0
		if words[0] == "list" {
			allowed = 1 // the stale one, which was not found
		}
		if left := temps(c.held()); len(left) > allowed {
			t.Errorf("%s leaves %v", where, left)
		}
		for what, tree := range c.remains() {
			n := checkPrefix(t, where+", then a crash, "+what, tree)
			if n < renamed && words[0] != "syncdir" {
				t.Errorf("%s: %d were renamed, after a crash, %s, %d last", where, renamed, what, n)
			}
		}
		if words[0] == "sync" || words[0] == "syncdir" {
			if again := slices.Index(c.trace[k+1:], op); again >= 0 {
				t.Errorf("%s: tried again at %d", where, k+2+again)
			}
		}
		if strings.HasPrefix(op, "sync ") && slices.ContainsFunc(c.trace, func(op string) bool { return strings.HasPrefix(op, "rename") }) {
			t.Errorf("%s: renamed all the same", where)
		}
	}
}

// From operation k on the disk can only be read: nothing can be tidied up, and
// the error names what was left.
func TestDiskTurnsReadOnly(t *testing.T) {
	for k := range wholeTrace(t) {
		c := &tracedFS{crashFS: newCrashFS(before()), fail: func(n int, verb string) error {
			if n > k && verb != "list" && verb != "close" {
				return syscall.EROFS
			}
			return nil
		}}
		err := replaceOn(t.Context(), c)
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("read-only from %d on: %v", k+1, err)
			continue
		}
		for what, tree := range c.remains() {
			checkPrefix(t, fmt.Sprintf("read-only from %d on, %s", k+1, what), tree)
		}
		for _, temp := range temps(c.held()) {
			if !strings.Contains(err.Error(), "remove temporary file "+temp) {
				t.Errorf("read-only from %d on: %s is left, the error is only %v", k+1, temp, err)
			}
		}
	}
}

func TestCancelledAtEveryOperation(t *testing.T) {
	trace := wholeTrace(t)
	last := len(trace) - 1 // its directory's sync; the rename before is the last to be asked
	for k, op := range trace {
		ctx, cancel := context.WithCancel(t.Context())
		c := &tracedFS{crashFS: newCrashFS(before()), fail: func(n int, _ string) error {
			if n == k+1 {
				cancel()
			}
			return nil
		}}
		err := replaceOn(ctx, c)
		cancel()
		where := fmt.Sprintf("cancelled at %d (%s)", k+1, op)
		if (k < last-1) != errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", where, err)
		}
		renamed := checkPrefix(t, where, c.held())
		for what, tree := range c.remains() {
			if n := checkPrefix(t, where+", "+what, tree); n != renamed {
				t.Errorf("%s: %d were renamed, after a crash, %s, %d last", where, renamed, what, n)
			}
		}
		left := temps(c.held())
		if stale := slices.Index(left, "/a/.key.clusteradm-0123456789abcdef"); stale >= 0 && k == 0 {
			left = slices.Delete(left, stale, stale+1) // it was not yet looked for
		}
		if len(left) > 0 {
			t.Errorf("%s leaves %v", where, left)
		}
	}
}

// The model is worth something only if it finds what is wrong with a replacer
// that forgets a sync, or renames too early.
func TestModelFindsMissingSyncs(t *testing.T) {
	broken := func(t *testing.T, fsys func(*crashFS) fileSystem) (found bool) {
		for k := 1; !found; k++ {
			c := newCrashFS(before())
			c.failAt, c.crash = k, true
			err := replaceOn(t.Context(), fsys(c))
			for _, tree := range c.remains() {
				n, whole := judge(tree)
				found = found || !whole || err == nil && n != len(order())
			}
			if err == nil {
				break
			}
		}
		return found
	}
	for name, fsys := range map[string]func(*crashFS) fileSystem{
		"no fsync":              func(c *crashFS) fileSystem { return noFileSync{c} },
		"no fsync of directory": func(c *crashFS) fileSystem { return noDirSync{c} },
	} {
		if !broken(t, fsys) {
			t.Errorf("%s: not noticed", name)
		}
	}
	if broken(t, func(c *crashFS) fileSystem { return c }) {
		t.Error("the replacer itself is found wanting")
	}
}

// judge is checkPrefix without a test to fail.
func judge(tree map[string]state) (renamed int, whole bool) {
	old, ended := before(), false
	for _, path := range order() {
		got, there := tree[path]
		was, had := old[path]
		switch {
		case there && got == after(path) && !ended:
			renamed++
		case there == had && got == was:
			ended = true
		default:
			return renamed, false
		}
	}
	return renamed, true
}

type noFileSync struct{ *crashFS }

func (f noFileSync) create(path string) (tempFile, error) {
	file, err := f.crashFS.create(path)
	if err != nil {
		return nil, err
	}
	return unsyncedFile{file}, nil
}

type unsyncedFile struct{ tempFile }

func (unsyncedFile) Sync() error { return nil }

type noDirSync struct{ *crashFS }

func (noDirSync) syncDir(string) error { return nil }

// Only what was left for the very files that are now written goes.
func TestStaleTempsOfOtherFilesStay(t *testing.T) {
	dir := t.TempDir()
	ours := []string{".x.clusteradm-0123456789abcdef", ".x.clusteradm-fedcba9876543210"}
	others := []string{".xx.clusteradm-0123456789abcdef", ".x.clusteradm-0123", ".x", "x.clusteradm-0123456789abcdef",
		".x.clusteradm-0123456789abcdef.clusteradm-0123456789abcdef"}
	for _, name := range append(slices.Clone(ours), others...) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("key"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := New("local", Options{Root: dir})
	attr := host.Attr{Mode: 0o640, UID: os.Geteuid(), GID: os.Getegid()}
	if err := h.WriteFiles(t.Context(), []host.File{{Path: "/x", Content: []byte("new"), Attr: attr}}); err != nil {
		t.Fatal(err)
	}
	names, err := osFS{}.list(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	want := append(others, "x")
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("there are %v, want %v", names, want)
	}
}

// Many at once, one of which fails: none is renamed, nothing is left.
func TestOneOfManyFails(t *testing.T) {
	dir := t.TempDir()
	r := newReplacer(osFS{})
	cause := errors.New("body")
	var files []*replacement
	for i := range 5 * writeLimit {
		path := filepath.Join(dir, fmt.Sprint(i))
		files = append(files, &replacement{path: path, name: path, attr: host.Attr{Mode: 0o600, UID: os.Geteuid(), GID: os.Getegid()},
			body: func(w io.Writer) error {
				if i == 2*writeLimit {
					return cause
				}
				_, err := io.WriteString(w, path)
				return err
			}})
	}
	if err := r.replace(t.Context(), files); !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if names, err := (osFS{}).list(dir); err != nil || len(names) > 0 {
		t.Errorf("left: %v, %v", names, err)
	}
}

// lateFS fails to sync a directory, but not the files in it.
type lateFS struct{ osFS }

func (lateFS) syncDir(string) error { return syscall.EIO }

func TestFailedSyncOfDirectoryIsReportedByAll(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h := New("local", Options{Root: root})
	h.files.fs = lateFS{}
	attr := host.Attr{Mode: 0o600, UID: os.Geteuid(), GID: os.Getegid()}
	ctx := t.Context()
	const sumOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, test := range []struct {
		name, about string
		err         error
	}{
		{"WriteFiles", "sync directory /a", h.WriteFiles(ctx, []host.File{{Path: "/a/x", Attr: attr}})},
		{"Upload", "sync directory /a", h.Upload(ctx, "/a/y", strings.NewReader(""), attr, sumOfNothing)},
		{"Link", "sync directory /a", h.Link(ctx, "/a/l", "x")},
		{"Rename", "sync directory /b", h.Rename(ctx, "/a/x", "/b/x", false)},
		{"Mkdir", "make directory /a/d", h.Mkdir(ctx, "/a/d", attr)},
		{"Remove", "remove /a/y", h.Remove(ctx, "/a/y")},
	} {
		if !errors.Is(test.err, syscall.EIO) || test.err.Error() != test.about+": "+syscall.EIO.Error() {
			t.Errorf("%s: %v", test.name, test.err)
		}
	}
}

// Before a crash and after it there is a whole link, or what it replaces.
func TestCrashAtEveryOperationOfLink(t *testing.T) {
	const path, temp = "/a/l", "/a/.l.clusteradm-link"
	for name, start := range map[string]map[string]state{
		"nothing":        {},
		"a file":         {path: {"content", 0o600, 1}},
		"a link":         {path: linkTo("old")},
		"and stale temp": {path: linkTo("old"), temp: linkTo("stale")},
	} {
		run := func(fsys fileSystem) error {
			h := &Host{files: newReplacer(fsys)}
			return h.Link(t.Context(), path, "new")
		}
		whole := func(tree map[string]state) bool { return tree[path] == start[path] || tree[path] == linkTo("new") }
		failAt := func(k int, crash bool) (*crashFS, error) {
			c := newCrashFS(maps.Clone(start))
			c.failAt, c.crash = k, crash
			return c, run(c)
		}
		k := 1
		for ; ; k++ {
			c, err := failAt(k, true)
			for what, tree := range c.remains() {
				if err == nil && tree[path] != linkTo("new") {
					t.Errorf("%s: done, but with %s it is %+v", name, what, tree[path])
				}
				if !whole(tree) {
					t.Errorf("%s: crash at %d, %s: %+v", name, k, what, tree[path])
				}
				again := newCrashFS(tree)
				if err := run(again); err != nil {
					t.Errorf("%s: crash at %d, %s: again: %v", name, k, what, err)
				}
				for what, tree := range again.remains() {
					if tree[path] != linkTo("new") || len(tree) != 1 {
						t.Errorf("%s: crash at %d, again, %s: %v", name, k, what, tree)
					}
				}
			}
			if err == nil {
				break
			}
			if c, err = failAt(k, false); !errors.Is(err, errCrashed) || !whole(c.held()) {
				t.Errorf("%s: failure at %d: %v, %v", name, k, err, c.held())
			}
			// The first two find and remove what is stale.
			_, stale := start[temp]
			if _, left := c.held()[temp]; left && (k > 2 || !stale) {
				t.Errorf("%s: failure at %d leaves the temporary link", name, k)
			}
		}
		if k < 4 {
			t.Errorf("%s: only %d operations", name, k-1)
		}
	}
}
