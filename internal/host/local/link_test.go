package local_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/local"
)

func here(mode fs.FileMode) host.Attr {
	return host.Attr{Mode: mode, UID: os.Geteuid(), GID: os.Getegid()}
}

func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// What a killed run left under the temporary name does not stop the next one.
func TestLinkReplacesStaleTemp(t *testing.T) {
	root := t.TempDir()
	if err := os.Symlink("stale", filepath.Join(root, ".l.clusteradm-link")); err != nil {
		t.Fatal(err)
	}
	h := local.New("local", local.Options{Root: root})
	if err := h.Link(t.Context(), "/l", "/new/target"); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(filepath.Join(root, "l")); err != nil || target != "/new/target" {
		t.Errorf("%q, %v", target, err)
	}
	if names := entries(t, root); len(names) != 1 {
		t.Errorf("left: %v", names)
	}
}

func TestLinkThatCannotBeMadeLeavesNothing(t *testing.T) {
	root := t.TempDir()
	h := local.New("local", local.Options{Root: root})
	for _, dir := range []string{"dir", "full/below"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.WriteFiles(t.Context(), []host.File{{Path: "/file", Attr: here(0o600)}}); err != nil {
		t.Fatal(err)
	}
	before := entries(t, root)
	for _, path := range []string{"/dir", "/full", "/none/l", "/file/l"} {
		err := h.Link(t.Context(), path, "x")
		if err == nil || !strings.HasPrefix(err.Error(), "link "+path+": ") || strings.Contains(err.Error(), root) {
			t.Errorf("%s: %v", path, err)
		}
		if errors.Is(err, fs.ErrNotExist) != (path == "/none/l") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if after := entries(t, root); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("%v, before %v", after, before)
	}
}

// Writers of one path, by any method, do not take each other's temporary files.
func TestWritersOfOnePathAtOnce(t *testing.T) {
	root := t.TempDir()
	h := local.New("local", local.Options{Root: root})
	const sumOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 8 {
				if err := h.Link(t.Context(), "/x", "target"); err != nil {
					t.Error(err)
				}
				if err := h.WriteFiles(t.Context(), []host.File{{Path: "/x", Content: []byte("x"), Attr: here(0o600)}}); err != nil {
					t.Error(err)
				}
				if err := h.Upload(t.Context(), "/x", strings.NewReader(""), here(0o600), sumOfNothing); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if names := entries(t, root); len(names) != 1 {
		t.Errorf("left: %v", names)
	}
}
