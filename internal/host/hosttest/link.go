package hosttest

import (
	"context"
	"io/fs"
	"path"
	"syscall"
)

// Link makes a symbolic link in place of a file or link that is there.
func (m *Machine) Link(ctx context.Context, p, target string) error {
	return m.on(ctx, "link", p, func() error {
		at, n, err := m.resolve(p, false)
		if err != nil {
			return err
		}
		if n != nil && n.mode.IsDir() {
			return syscall.EISDIR
		}
		now := m.clock()
		m.put(at, &node{mode: fs.ModeSymlink | 0o777, target: target, mtime: now, changed: now})
		m.touch(path.Dir(at), now)
		return nil
	})
}
