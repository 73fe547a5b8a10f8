package hosttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"testing"

	"github.com/clusteradm/clusteradm/internal/host"
)

// RunConformance is what every implementation of host.Host must pass. open
// returns a fresh host on which /conf may be made and used.
func RunConformance(t *testing.T, open func(t *testing.T) host.Host) {
	for name, test := range map[string]func(*testing.T, host.Host){
		"nothing there is ErrNotExist":              missingPaths,
		"written files have content and attributes": writtenFiles,
		"a file is replaced, a link too":            replacement,
		"a missing directory is an error":           missingDirectory,
		"a cancelled context changes nothing":       cancelled,
		"upload verifies its sum":                   upload,
		"rename moves and exchanges":                rename,
		"remove is idempotent":                      remove,
		"mkdir makes parents and sets attributes":   mkdir,
		"link is made and replaced":                 link,
		"digest looks at many":                      digest,
		"query refuses what may change":             query,
		"a file is no parent":                       fileAsParent,
		"a directory is not replaced":               directoryInTheWay,
		"a link to nothing is no directory":         danglingLink,
		"links are followed where it says so":       followedLinks,
		"rename replaces what rename(2) does":       renameOnto,
		"the last of a path written twice wins":     twice,
		"relative paths are invalid":                relative,
		"upload replaces a link":                    uploadOnto,
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			must(t, h.Mkdir(t.Context(), "/conf", attr(0o755)))
			test(t, h)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func attr(mode fs.FileMode) host.Attr { return host.Attr{Mode: mode} }

func file(path, content string, mode fs.FileMode) host.File {
	return host.File{Path: path, Content: []byte(content), Attr: attr(mode)}
}

func content(t *testing.T, h host.Host, path string) string {
	t.Helper()
	data, err := h.ReadFile(t.Context(), path)
	must(t, err)
	return string(data)
}

func missingPaths(t *testing.T, h host.Host) {
	ctx := t.Context()
	_, stat := h.Stat(ctx, "/conf/none")
	_, read := h.ReadFile(ctx, "/conf/none")
	_, dir := h.ReadDir(ctx, "/conf/none")
	_, open := h.Open(ctx, "/conf/none")
	for name, err := range map[string]error{"Stat": stat, "ReadFile": read, "ReadDir": dir, "Open": open,
		"Rename": h.Rename(ctx, "/conf/none", "/conf/other", false)} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of nothing: %v, want ErrNotExist", name, err)
		}
	}
}

func writtenFiles(t *testing.T, h host.Host) {
	must(t, h.WriteFiles(t.Context(), []host.File{file("/conf/a", "alpha", 0o600), file("/conf/b", "", 0o644)}))
	for path, want := range map[string]fs.FileMode{"/conf/a": 0o600, "/conf/b": 0o644} {
		info, err := h.Stat(t.Context(), path)
		must(t, err)
		if !info.Mode.IsRegular() || info.Mode.Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode, want)
		}
	}
	if got := content(t, h, "/conf/a"); got != "alpha" {
		t.Errorf("content %q", got)
	}
	stream, err := h.Open(t.Context(), "/conf/a")
	must(t, err)
	defer stream.Close()
	if data, err := io.ReadAll(stream); err != nil || string(data) != "alpha" {
		t.Errorf("streamed %q, %v", data, err)
	}
	entries, err := h.ReadDir(t.Context(), "/conf")
	must(t, err)
	if len(entries) != 2 || entries[0].Name != "a" || entries[1].Name != "b" {
		t.Errorf("the directory holds %v: a temporary file is left, or the order is wrong", entries)
	}
}

func replacement(t *testing.T, h host.Host) {
	ctx := t.Context()
	must(t, h.WriteFiles(ctx, []host.File{file("/conf/real", "old", 0o644)}))
	must(t, h.Link(ctx, "/conf/link", "real"))
	must(t, h.WriteFiles(ctx, []host.File{file("/conf/link", "new", 0o600), file("/conf/real", "newer", 0o640)}))
	info, err := h.Stat(ctx, "/conf/link")
	must(t, err)
	if !info.Mode.IsRegular() || content(t, h, "/conf/link") != "new" {
		t.Errorf("a link was written through: %v", info.Mode)
	}
	if info, err = h.Stat(ctx, "/conf/real"); err != nil || info.Mode.Perm() != 0o640 || content(t, h, "/conf/real") != "newer" {
		t.Errorf("a file was not replaced: %v %v", info.Mode, err)
	}
}

func missingDirectory(t *testing.T, h host.Host) {
	err := h.WriteFiles(t.Context(), []host.File{file("/conf/a", "x", 0o644), file("/conf/none/b", "x", 0o644)})
	if !errors.Is(err, fs.ErrNotExist) || !bytes.Contains([]byte(err.Error()), []byte("/conf/none")) {
		t.Errorf("error %v, want ErrNotExist that names the directory", err)
	}
	if _, err := h.Stat(t.Context(), "/conf/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("temporary files come first: nothing may be renamed when one cannot be written")
	}
}

func cancelled(t *testing.T, h host.Host) {
	must(t, h.WriteFiles(t.Context(), []host.File{file("/conf/a", "old", 0o644)}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sum := sha256.Sum256([]byte("x"))
	for name, err := range map[string]error{
		"WriteFiles": h.WriteFiles(ctx, []host.File{file("/conf/a", "new", 0o644)}),
		"Rename":     h.Rename(ctx, "/conf/a", "/conf/b", false),
		"Upload":     h.Upload(ctx, "/conf/b", bytes.NewReader([]byte("x")), attr(0o644), hex.EncodeToString(sum[:])),
		"Mkdir":      h.Mkdir(ctx, "/conf/dir", attr(0o755)),
		"Remove":     h.Remove(ctx, "/conf/a"),
		"Link":       h.Link(ctx, "/conf/b", "a"),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
	entries, err := h.ReadDir(t.Context(), "/conf")
	must(t, err)
	if len(entries) != 1 || content(t, h, "/conf/a") != "old" {
		t.Errorf("something was changed: %v", entries)
	}
}

func upload(t *testing.T, h host.Host) {
	sum := sha256.Sum256([]byte("whole"))
	good := hex.EncodeToString(sum[:])
	must(t, h.Upload(t.Context(), "/conf/up", bytes.NewReader([]byte("whole")), attr(0o640), good))
	if err := h.Upload(t.Context(), "/conf/up", bytes.NewReader([]byte("who")), attr(0o640), good); err == nil {
		t.Error("a truncated upload was taken")
	}
	if got := content(t, h, "/conf/up"); got != "whole" {
		t.Errorf("content is %q", got)
	}
	entries, err := h.ReadDir(t.Context(), "/conf")
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("something is left: %v", entries)
	}
}

func rename(t *testing.T, h host.Host) {
	ctx := t.Context()
	must(t, h.WriteFiles(ctx, []host.File{file("/conf/a", "A", 0o600), file("/conf/b", "B", 0o644)}))
	must(t, h.Rename(ctx, "/conf/a", "/conf/b", true))
	if content(t, h, "/conf/a") != "B" || content(t, h, "/conf/b") != "A" {
		t.Error("the two were not exchanged")
	}
	must(t, h.Rename(ctx, "/conf/a", "/conf/c", false))
	if _, err := h.Stat(ctx, "/conf/a"); !errors.Is(err, fs.ErrNotExist) || content(t, h, "/conf/c") != "B" {
		t.Error("it was not moved")
	}
}

func remove(t *testing.T, h host.Host) {
	ctx := t.Context()
	must(t, h.Mkdir(ctx, "/conf/d/e", attr(0o755)))
	must(t, h.WriteFiles(ctx, []host.File{file("/conf/d/e/f", "x", 0o644)}))
	must(t, h.Remove(ctx, "/conf/d"))
	if _, err := h.Stat(ctx, "/conf/d"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the tree is still there: %v", err)
	}
	must(t, h.Remove(ctx, "/conf/d"))
}

func mkdir(t *testing.T, h host.Host) {
	ctx := t.Context()
	must(t, h.Mkdir(ctx, "/conf/p/q", attr(0o700)))
	for path, want := range map[string]fs.FileMode{"/conf/p": 0o755, "/conf/p/q": 0o700} {
		info, err := h.Stat(ctx, path)
		must(t, err)
		if !info.Mode.IsDir() || info.Mode.Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode, want)
		}
	}
	must(t, h.Mkdir(ctx, "/conf/p/q", attr(0o750)))
	if info, err := h.Stat(ctx, "/conf/p/q"); err != nil || info.Mode.Perm() != 0o750 {
		t.Errorf("an existing directory kept mode %v, %v", info.Mode, err)
	}
}

func link(t *testing.T, h host.Host) {
	ctx := t.Context()
	for _, target := range []string{"one", "two"} {
		must(t, h.WriteFiles(ctx, []host.File{file("/conf/"+target, target, 0o644)}))
		must(t, h.Link(ctx, "/conf/link", target))
		info, err := h.Stat(ctx, "/conf/link")
		must(t, err)
		if info.Mode&fs.ModeSymlink == 0 || info.Target != target || content(t, h, "/conf/link") != target {
			t.Errorf("the link is %v -> %q", info.Mode, info.Target)
		}
	}
}

func digest(t *testing.T, h host.Host) {
	ctx := t.Context()
	must(t, h.WriteFiles(ctx, []host.File{file("/conf/a", "alpha", 0o600)}))
	got, err := h.Digest(ctx, []string{"/conf", "/conf/a", "/conf/none"})
	must(t, err)
	sum := sha256.Sum256([]byte("alpha"))
	if len(got) != 2 || got["/conf/a"].Sum != hex.EncodeToString(sum[:]) || got["/conf"].Sum != "" || got["/conf/a"].Mode.Perm() != 0o600 {
		t.Errorf("digests %v", got)
	}
}

func query(t *testing.T, h host.Host) {
	for _, args := range [][]string{{"touch", "/conf/x"}, {"systemctl", "start", "x"}, {"systemctl"}} {
		if _, err := h.Query(t.Context(), host.Cmd{Args: args}); !errors.Is(err, host.ErrNotReadOnly) {
			t.Errorf("query %v: %v, want ErrNotReadOnly", args, err)
		}
	}
	if res, err := h.Query(t.Context(), host.Cmd{Args: []string{"uname", "-r"}}); err != nil || len(res.Stdout) == 0 {
		t.Errorf("uname -r: %q, %v", res.Stdout, err)
	}
}
