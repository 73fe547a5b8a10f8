package local

import (
	"context"
	"os"
	"path/filepath"
)

// Link makes the new link under a temporary name and renames it into place.
func (h *Host) Link(ctx context.Context, path, target string) error {
	real, err := h.begin(ctx, "link", path)
	if err != nil {
		return err
	}
	// One name a path: what a killed run left is replaced by the next.
	temp := filepath.Join(filepath.Dir(real), "."+filepath.Base(real)+".clusteradm-link")
	if err := os.Remove(temp); err != nil && !os.IsNotExist(err) {
		return failed("link", path, err)
	}
	if err := os.Symlink(target, temp); err != nil {
		return failed("link", path, absent(err))
	}
	if err := os.Rename(temp, real); err != nil {
		_ = os.Remove(temp)
		return failed("link", path, err)
	}
	if err := h.files.fs.syncDir(filepath.Dir(real)); err != nil {
		return failed("sync directory", filepath.Dir(path), err)
	}
	return nil
}
