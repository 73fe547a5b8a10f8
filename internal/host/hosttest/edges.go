package hosttest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/host"
)

// names lists /conf.
func names(t *testing.T, h host.Host) string {
	t.Helper()
	entries, err := h.ReadDir(t.Context(), "/conf")
	must(t, err)
	list := make([]string, len(entries))
	for i, e := range entries {
		list[i] = e.Name
	}
	return strings.Join(list, " ")
}

func fileAsParent(t *testing.T, h host.Host) {
	ctx := t.Context()
	const below = "/conf/file/below"
	must(t, h.WriteFiles(ctx, []host.File{file("/conf/file", "x", 0o644)}))
	_, stat := h.Stat(ctx, below)
	_, read := h.ReadFile(ctx, below)
	_, dir := h.ReadDir(ctx, below)
	_, open := h.Open(ctx, below)
	for name, err := range map[string]error{"Stat": stat, "ReadFile": read, "ReadDir": dir, "Open": open,
		"Rename": h.Rename(ctx, below, "/conf/other", false)} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want ErrNotExist", name, err)
		}
	}
	if got, err := h.Digest(ctx, []string{below}); err != nil || len(got) > 0 {
		t.Errorf("Digest: %v, %v", got, err)
	}
	must(t, h.Remove(ctx, below))
	for name, err := range map[string]error{
		"WriteFiles": h.WriteFiles(ctx, []host.File{file(below, "x", 0o644)}),
		"Mkdir":      h.Mkdir(ctx, below, attr(0o755)),
		"Link":       h.Link(ctx, below, "x"),
		"Rename":     h.Rename(ctx, "/conf/file", below, false),
	} {
		if err == nil {
			t.Errorf("%s made something below a file", name)
		}
	}
	if got := names(t, h); got != "file" {
		t.Errorf("there are %s", got)
	}
}

// What comes before the directory in the list is new, what comes after is not.
func directoryInTheWay(t *testing.T, h host.Host) {
	ctx := t.Context()
	must(t, h.Mkdir(ctx, "/conf/dir", attr(0o755)))
	if h.WriteFiles(ctx, []host.File{file("/conf/a", "a", 0o644), file("/conf/dir", "d", 0o644), file("/conf/e", "e", 0o644)}) == nil {
		t.Error("a file took the place of a directory")
	}
	if got := names(t, h); got != "a dir" {
		t.Errorf("there are %s, want what was before it in the list", got)
	}
	// That is no fs.ErrExist: it would read as "it is already so".
	if err := h.Link(ctx, "/conf/dir", "a"); err == nil || errors.Is(err, fs.ErrExist) {
		t.Errorf("Link: %v", err)
	}
	for name, read := range map[string]func() error{
		"ReadFile": func() error { _, err := h.ReadFile(ctx, "/conf/dir"); return err },
		"Open":     func() error { _, err := h.Open(ctx, "/conf/dir"); return err },
		"ReadDir":  func() error { _, err := h.ReadDir(ctx, "/conf/a"); return err },
		"Mkdir":    func() error { return h.Mkdir(ctx, "/conf/a", attr(0o755)) },
	} {
		if err := read(); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func danglingLink(t *testing.T, h host.Host) {
	ctx := t.Context()
	must(t, h.Link(ctx, "/conf/link", "nothing"))
	for _, p := range []string{"/conf/link", "/conf/link/below"} {
		if err := h.Mkdir(ctx, p, attr(0o755)); err == nil {
			t.Errorf("%s was made", p)
		}
	}
	if err := h.WriteFiles(ctx, []host.File{file("/conf/link/x", "x", 0o644)}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("WriteFiles: %v", err)
	}
	if _, err := h.ReadDir(ctx, "/conf/link"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadDir: %v", err)
	}
	if got := names(t, h); got != "link" {
		t.Errorf("there are %s", got)
	}
}

func followedLinks(t *testing.T, h host.Host) {
	ctx := t.Context()
	must(t, h.Mkdir(ctx, "/conf/dir", attr(0o755)))
	must(t, h.WriteFiles(ctx, []host.File{file("/conf/dir/x", "x", 0o644)}))
	must(t, h.Link(ctx, "/conf/link", "dir"))
	must(t, h.WriteFiles(ctx, []host.File{file("/conf/link/y", "y", 0o644)}))
	if content(t, h, "/conf/link/x") != "x" || content(t, h, "/conf/dir/y") != "y" {
		t.Error("a link in a path was not followed")
	}
	if entries, err := h.ReadDir(ctx, "/conf/link"); err != nil || len(entries) != 2 {
		t.Errorf("ReadDir: %v, %v", entries, err)
	}
	must(t, h.Mkdir(ctx, "/conf/link", attr(0o700)))
	if info, err := h.Stat(ctx, "/conf/dir"); err != nil || info.Mode.Perm() != 0o700 {
		t.Errorf("Mkdir gave its attributes to something else: %v, %v", info.Mode, err)
	}
	got, err := h.Digest(ctx, []string{"/conf/link", "/conf/link/x"})
	must(t, err)
	if d := got["/conf/link"]; len(got) != 2 || d.Sum != "" || d.Mode&fs.ModeSymlink == 0 || got["/conf/link/x"].Sum == "" {
		t.Errorf("Digest: %v", got)
	}
	must(t, h.Rename(ctx, "/conf/link", "/conf/moved", false))
	must(t, h.Remove(ctx, "/conf/moved"))
	if got := names(t, h); got != "dir" || content(t, h, "/conf/dir/x") != "x" {
		t.Errorf("there are %s", got)
	}
}

func renameOnto(t *testing.T, h host.Host) {
	ctx := t.Context()
	for _, dir := range []string{"empty", "full", "other"} {
		must(t, h.Mkdir(ctx, "/conf/"+dir, attr(0o755)))
	}
	must(t, h.WriteFiles(ctx, []host.File{file("/conf/full/x", "x", 0o644), file("/conf/other/y", "y", 0o644),
		file("/conf/a", "A", 0o644), file("/conf/b", "B", 0o644)}))
	for _, refused := range [][2]string{{"a", "full"}, {"full", "a"}, {"full", "other"}, {"full", "full/below"}, {"a", "none/a"}} {
		if h.Rename(ctx, "/conf/"+refused[0], "/conf/"+refused[1], false) == nil {
			t.Errorf("%s was moved to %s", refused[0], refused[1])
		}
	}
	if err := h.Rename(ctx, "/conf/a", "/conf/none", true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("exchange with nothing: %v", err)
	}
	if got := names(t, h); got != "a b empty full other" {
		t.Fatalf("there are %s", got)
	}
	must(t, h.Rename(ctx, "/conf/a", "/conf/a", false))
	must(t, h.Rename(ctx, "/conf/a", "/conf/b", false))
	must(t, h.Rename(ctx, "/conf/full", "/conf/empty", false))
	must(t, h.Rename(ctx, "/conf/b", "/conf/other", true))
	if got := names(t, h); got != "b empty other" || content(t, h, "/conf/other") != "A" ||
		content(t, h, "/conf/b/y") != "y" || content(t, h, "/conf/empty/x") != "x" {
		t.Errorf("there are %s", got)
	}
}

func twice(t *testing.T, h host.Host) {
	must(t, h.WriteFiles(t.Context(), []host.File{file("/conf/a", "first", 0o600), file("/conf/a", "second", 0o644)}))
	info, err := h.Stat(t.Context(), "/conf/a")
	must(t, err)
	if got := content(t, h, "/conf/a"); got != "second" || info.Mode.Perm() != 0o644 || names(t, h) != "a" {
		t.Errorf("%q, %v", got, info.Mode)
	}
}

func relative(t *testing.T, h host.Host) {
	ctx := t.Context()
	_, stat := h.Stat(ctx, "x")
	_, read := h.ReadFile(ctx, "x")
	_, dir := h.ReadDir(ctx, "x")
	_, open := h.Open(ctx, "x")
	_, digest := h.Digest(ctx, []string{"x"})
	for name, err := range map[string]error{
		"Stat": stat, "ReadFile": read, "ReadDir": dir, "Open": open, "Digest": digest,
		"WriteFiles": h.WriteFiles(ctx, []host.File{file("/conf/a", "a", 0o644), file("x", "x", 0o644)}),
		"Rename old": h.Rename(ctx, "x", "/conf/x", false),
		"Rename new": h.Rename(ctx, "/conf", "x", false),
		"Upload":     h.Upload(ctx, "x", strings.NewReader(""), attr(0o644), ""),
		"Mkdir":      h.Mkdir(ctx, "x", attr(0o755)),
		"Remove":     h.Remove(ctx, "x"),
		"Link":       h.Link(ctx, "x", "/conf"),
	} {
		if !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	if got := names(t, h); got != "" {
		t.Errorf("there are %s", got)
	}
}

func uploadOnto(t *testing.T, h host.Host) {
	ctx := t.Context()
	must(t, h.WriteFiles(ctx, []host.File{file("/conf/real", "real", 0o644)}))
	must(t, h.Link(ctx, "/conf/link", "real"))
	sum := fmt.Sprintf("%X", sha256.Sum256([]byte("new"))) // in capitals
	must(t, h.Upload(ctx, "/conf/link", strings.NewReader("new"), attr(0o600), sum))
	info, err := h.Stat(ctx, "/conf/link")
	must(t, err)
	if !info.Mode.IsRegular() || info.Mode.Perm() != 0o600 || content(t, h, "/conf/link") != "new" || content(t, h, "/conf/real") != "real" {
		t.Errorf("a link was written through: %v", info.Mode)
	}
	if err := h.Upload(ctx, "/conf/link", strings.NewReader("other"), attr(0o600), sum); !errors.Is(err, host.ErrSumMismatch) {
		t.Errorf("%v, want ErrSumMismatch", err)
	}
	if err := h.Upload(ctx, "/conf/none/x", strings.NewReader("new"), attr(0o600), sum); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want ErrNotExist", err)
	}
}
