package hosttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/clusteradm/clusteradm/internal/host"
)

// WriteFiles fails before it changes anything if a directory is missing, as
// the real ones do when they make their temporary files.
func (m *Machine) WriteFiles(ctx context.Context, files []host.File) error {
	for _, f := range files {
		if err := m.on(ctx, "write", f.Path, func() error { return m.mayCreate(f.Path) }); err != nil {
			return err
		}
	}
	for _, f := range files {
		if err := m.on(ctx, "write", f.Path, func() error { return m.replace(f) }); err != nil {
			return err
		}
		m.tell(f.Path)
	}
	return nil
}

// mayCreate tells whether a file can be made next to p.
func (m *Machine) mayCreate(p string) error {
	_, dir, err := m.resolve(path.Dir(path.Clean(p)), true)
	switch {
	case err != nil:
		return err
	case dir == nil:
		return fs.ErrNotExist
	case !dir.mode.IsDir():
		return syscall.ENOTDIR
	}
	return nil
}

// replace is the rename: it takes the place of a file or a link.
func (m *Machine) replace(f host.File) error {
	at, n, err := m.resolve(f.Path, false)
	if err != nil {
		return err
	}
	if n != nil && n.mode.IsDir() {
		return syscall.EISDIR
	}
	m.put(at, &node{mode: f.Mode.Perm(), uid: f.UID, gid: f.GID, content: bytes.Clone(f.Content)})
	return nil
}

// Upload replaces one file by what r yields, if that has the right sum.
func (m *Machine) Upload(ctx context.Context, p string, r io.Reader, attr host.Attr, sum string) error {
	if err := m.on(ctx, "upload", p, func() error { return m.mayCreate(p) }); err != nil {
		return err
	}
	content, err := io.ReadAll(r)
	return m.on(ctx, "upload", p, func() error {
		if err != nil {
			return err
		}
		got := sha256.Sum256(content)
		if hex := hex.EncodeToString(got[:]); !strings.EqualFold(hex, sum) {
			return fmt.Errorf("sha256 is %s, not %s: %w", hex, sum, host.ErrSumMismatch)
		}
		return m.replace(host.File{Path: p, Content: content, Attr: attr})
	})
}

// Rename moves or exchanges two paths with all below them.
func (m *Machine) Rename(ctx context.Context, old, new string, exchange bool) error {
	return m.on(ctx, "rename", old+" to "+new, func() error {
		from, a, err := m.find(old, false)
		if err != nil {
			return err
		}
		to, b, err := m.resolve(new, false)
		switch {
		case err != nil:
			return err
		case from == to:
			return nil
		case strings.HasPrefix(to, from+"/"), exchange && strings.HasPrefix(from, to+"/"):
			return syscall.EINVAL
		case exchange && b == nil:
			return fs.ErrNotExist
		case exchange || b == nil:
		case a.mode.IsDir() && !b.mode.IsDir():
			return syscall.ENOTDIR
		case !a.mode.IsDir() && b.mode.IsDir():
			return syscall.EISDIR
		case b.mode.IsDir() && len(m.children(to)) > 0:
			return syscall.ENOTEMPTY
		}
		moved, back := m.take(from), m.take(to)
		m.give(to, moved)
		if exchange {
			m.give(from, back)
		}
		now := m.clock()
		a.changed = now
		if exchange {
			b.changed = now
		}
		m.touch(path.Dir(from), now)
		m.touch(path.Dir(to), now)
		return nil
	})
}

// take cuts a tree off; give hangs it up elsewhere. Its keys are relative.
func (m *Machine) take(root string) map[string]*node {
	tree := map[string]*node{}
	for _, p := range m.below(root) {
		tree[strings.TrimPrefix(p, root)] = m.tree[p]
		delete(m.tree, p)
	}
	return tree
}

func (m *Machine) give(root string, tree map[string]*node) {
	for rel, n := range tree {
		m.tree[root+rel] = n
	}
}

// Mkdir makes a directory and its missing parents.
func (m *Machine) Mkdir(ctx context.Context, p string, attr host.Attr) error {
	return m.on(ctx, "make directory", p, func() error {
		_, n, err := m.mkdirAll(p)
		if err != nil {
			return err
		}
		if n.mode.Perm() != attr.Mode.Perm() || n.uid != attr.UID || n.gid != attr.GID {
			n.mode, n.uid, n.gid = fs.ModeDir|attr.Mode.Perm(), attr.UID, attr.GID
			n.changed = m.clock()
		}
		return nil
	})
}

// Remove removes a path and all below it.
func (m *Machine) Remove(ctx context.Context, p string) error {
	err := m.on(ctx, "remove", p, func() error {
		if path.Clean(p) == "/" {
			return fs.ErrInvalid
		}
		at, _, err := m.find(p, false)
		if err == fs.ErrNotExist {
			return nil
		}
		if err != nil {
			return err
		}
		m.take(at)
		m.touch(path.Dir(at), m.clock())
		return nil
	})
	if err == nil {
		m.tell(p)
	}
	return err
}
