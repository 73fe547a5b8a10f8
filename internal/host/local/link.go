package local

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
)

// Link makes the new link under a temporary name and renames it into place.
func (h *Host) Link(ctx context.Context, path, target string) error {
	real, err := h.begin(ctx, "link", path)
	if err != nil {
		return err
	}
	h.replacing.Lock()
	defer h.replacing.Unlock()
	if err := h.files.link(real, target); err != nil {
		return failed("link", path, err)
	}
	return h.syncParent(path, real)
}

// link leaves its rename to be synced.
func (r replacer) link(path, target string) error {
	// One name a path: what a killed run left is replaced by the next.
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".clusteradm-link")
	err := r.fs.symlink(target, temp)
	if errors.Is(err, fs.ErrExist) {
		if err = r.discard(temp); err == nil {
			err = r.fs.symlink(target, temp)
		}
	}
	if err != nil {
		return err
	}
	if err := r.fs.rename(temp, path); err != nil {
		return errors.Join(err, r.discard(temp))
	}
	return nil
}
