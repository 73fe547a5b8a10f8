package hosttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"syscall"

	"github.com/clusteradm/clusteradm/internal/host"
)

// on runs do under the lock and says in an error what was tried on which path.
func (m *Machine) on(ctx context.Context, verb, p string, do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := context.Cause(ctx)
	if err == nil && !path.IsAbs(p) {
		err = fmt.Errorf("path is not absolute: %w", fs.ErrInvalid)
	}
	if err == nil {
		err = do()
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", verb, p, err)
	}
	return nil
}

// Stat describes a path without following a link there.
func (m *Machine) Stat(ctx context.Context, p string) (info host.Info, err error) {
	err = m.on(ctx, "stat", p, func() error {
		at, n, err := m.find(p, false)
		if err != nil {
			return err
		}
		info = n.info(path.Base(at))
		info.Target = n.target
		return nil
	})
	return info, err
}

// ReadFile returns a whole file.
func (m *Machine) ReadFile(ctx context.Context, p string) (content []byte, err error) {
	err = m.on(ctx, "read", p, func() error {
		_, n, err := m.find(p, true)
		if err != nil {
			return err
		}
		if n.mode.IsDir() {
			return syscall.EISDIR
		}
		content = bytes.Clone(n.content)
		return nil
	})
	return content, err
}

// ReadDir lists a directory.
func (m *Machine) ReadDir(ctx context.Context, p string) (infos []host.Info, err error) {
	err = m.on(ctx, "read directory", p, func() error {
		at, n, err := m.find(p, true)
		if err != nil {
			return err
		}
		if !n.mode.IsDir() {
			return syscall.ENOTDIR
		}
		for _, child := range m.children(at) {
			infos = append(infos, m.tree[child].info(path.Base(child)))
		}
		return nil
	})
	return infos, err
}

// Open streams the content that a file has now.
func (m *Machine) Open(ctx context.Context, p string) (io.ReadCloser, error) {
	content, err := m.ReadFile(ctx, p)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

// Digest describes paths and sums the regular files among them.
func (m *Machine) Digest(ctx context.Context, paths []string) (map[string]host.Digest, error) {
	found := make(map[string]host.Digest, len(paths))
	for _, p := range paths {
		err := m.on(ctx, "digest", p, func() error {
			at, n, err := m.find(p, false)
			if err == nil {
				found[p] = host.Digest{Info: n.info(path.Base(at)), Sum: n.sum()}
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return found, nil
}
