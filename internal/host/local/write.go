package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/clusteradm/clusteradm/internal/host"
	"golang.org/x/sys/unix"
)

// WriteFiles replaces files as host.Host says.
func (h *Host) WriteFiles(ctx context.Context, files []host.File) error {
	list := make([]*replacement, len(files))
	for i, f := range files {
		real, err := h.begin(ctx, "write", f.Path)
		if err != nil {
			return err
		}
		list[i] = &replacement{path: real, name: f.Path, attr: f.Attr, body: func(w io.Writer) error {
			_, err := w.Write(f.Content)
			return err
		}}
	}
	h.replacing.Lock()
	defer h.replacing.Unlock()
	return h.files.replace(ctx, list)
}

// Upload replaces one file by what r yields, if that has the right sum.
func (h *Host) Upload(ctx context.Context, path string, r io.Reader, attr host.Attr, sum string) error {
	real, err := h.begin(ctx, "upload", path)
	if err != nil {
		return err
	}
	body := func(w io.Writer) error {
		hash := sha256.New()
		if _, err := io.Copy(io.MultiWriter(w, hash), contextReader{ctx, r}); err != nil {
			return err
		}
		if got := hex.EncodeToString(hash.Sum(nil)); !strings.EqualFold(got, sum) {
			return fmt.Errorf("sha256 is %s, not %s: %w", got, sum, host.ErrSumMismatch)
		}
		return nil
	}
	h.replacing.Lock()
	defer h.replacing.Unlock()
	return h.files.replace(ctx, []*replacement{{path: real, name: path, attr: attr, body: body}})
}

// Rename moves or exchanges, and syncs the directory of new first: a crash in
// between may show a file in both places, never in none.
func (h *Host) Rename(ctx context.Context, old, new string, exchange bool) error {
	realOld, err := h.begin(ctx, "rename", old)
	if err != nil {
		return err
	}
	realNew, err := h.begin(ctx, "rename", new)
	if err != nil {
		return err
	}
	flags := uint(0)
	if exchange {
		flags = unix.RENAME_EXCHANGE
	}
	if err := unix.Renameat2(unix.AT_FDCWD, realOld, unix.AT_FDCWD, realNew, flags); err != nil {
		if _, statErr := os.Lstat(realOld); statErr != nil {
			err = absent(statErr)
		}
		return failed("rename", old+" to "+new, err)
	}
	if err := h.syncParent(new, realNew); err != nil || filepath.Dir(realNew) == filepath.Dir(realOld) {
		return err
	}
	return h.syncParent(old, realOld)
}

func (h *Host) syncParent(path, real string) error {
	return failed("sync directory", filepath.Dir(path), h.files.fs.syncDir(filepath.Dir(real)))
}

// Mkdir makes what is missing, top down, and syncs the parent of each.
func (h *Host) Mkdir(ctx context.Context, path string, attr host.Attr) error {
	real, err := h.begin(ctx, "make directory", path)
	if err != nil {
		return err
	}
	return failed("make directory", path, h.mkdir(ctx, real, attr, true))
}

func (h *Host) mkdir(ctx context.Context, real string, attr host.Attr, last bool) error {
	fi, err := os.Stat(real)
	if err == nil {
		if !fi.IsDir() {
			return unix.ENOTDIR
		}
		if !last {
			return nil
		}
		return setAttr(ctx, real, info(fi), attr)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(real)
	if err := h.mkdir(ctx, parent, host.Attr{Mode: 0o755, UID: os.Geteuid(), GID: os.Getegid()}, false); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	mode := attr.Mode.Perm()
	if last {
		mode &= 0o700 // never wider than asked for while its owner is not set
	}
	if err := os.Mkdir(real, mode); err != nil {
		return err
	}
	if fi, err = os.Lstat(real); err != nil {
		return err
	}
	if err := setAttr(ctx, real, info(fi), attr); err != nil {
		return err
	}
	return h.files.fs.syncDir(parent)
}

// setAttr leaves a directory alone that is already right: its ctime tells when
// it was last changed.
func setAttr(ctx context.Context, real string, have host.Info, want host.Attr) error {
	if have.Mode.Perm() == want.Mode.Perm() && have.UID == want.UID && have.GID == want.GID {
		return nil
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	d, err := os.OpenFile(real, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Chown(want.UID, want.GID); err != nil {
		return err
	}
	if err := d.Chmod(want.Mode.Perm()); err != nil {
		return err
	}
	return d.Sync()
}

// Remove removes a file or a tree, without following links.
func (h *Host) Remove(ctx context.Context, path string) error {
	real, err := h.begin(ctx, "remove", path)
	if err != nil {
		return err
	}
	if filepath.Clean(path) == "/" {
		return fmt.Errorf("remove /: %w", fs.ErrInvalid)
	}
	if _, err := os.Lstat(real); errors.Is(absent(err), fs.ErrNotExist) {
		return nil
	}
	if err := removeTree(real); err != nil {
		return failed("remove", path, err)
	}
	return failed("remove", path, h.files.fs.syncDir(filepath.Dir(real)))
}
