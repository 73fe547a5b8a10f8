package local

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRemoveTreeGoesIntoNoMount(t *testing.T) {
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(root)
	if _, err := enter(root, "proc"); !errors.Is(err, unix.EBUSY) { // mounted everywhere
		t.Errorf("a mount point: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/etc", link); err != nil {
		t.Fatal(err)
	}
	if _, err := enter(root, link[1:]); err == nil {
		t.Error("a link was followed")
	}
}

func TestRemoveTree(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	tree := filepath.Join(dir, "tree")
	for _, p := range []string{outside, filepath.Join(tree, "a/b/c"), filepath.Join(tree, "d")} {
		if err := os.MkdirAll(p, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p, "file"), nil, 0o400); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink(outside, filepath.Join(tree, "link")), unix.Mkfifo(filepath.Join(tree, "d/fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing
		if err := removeTree(tree); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(tree); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(outside, "file")); err != nil {
		t.Errorf("what a link leads to: %v", err)
	}
	if err := removeTree(filepath.Join(dir, "none/none")); !errors.Is(err, unix.ENOENT) {
		t.Errorf("without its parent: %v", err)
	}
}
