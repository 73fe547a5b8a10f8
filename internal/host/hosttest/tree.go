package hosttest

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/clusteradm/clusteradm/internal/host"
)

// node is a file, a directory or a symbolic link.
type node struct {
	mode           fs.FileMode // with type
	uid, gid       int
	content        []byte
	target         string
	mtime, changed time.Time
}

func (n *node) info(name string) host.Info {
	i := host.Info{Name: name, Mode: n.mode, UID: n.uid, GID: n.gid, ModTime: n.mtime, Changed: n.changed}
	if n.mode.IsRegular() {
		i.Size = int64(len(n.content))
	}
	return i
}

func (n *node) sum() string {
	if !n.mode.IsRegular() {
		return ""
	}
	sum := sha256.Sum256(n.content)
	return hex.EncodeToString(sum[:])
}

// maxLinks is where Linux gives up, too.
const maxLinks = 40

// resolve follows the links in the parents of p, and one at p itself if last
// is set. The path returned may have nothing at its end, but has a directory
// as its parent.
func (m *Machine) resolve(p string, last bool) (string, *node, error) {
	if !path.IsAbs(p) {
		return "", nil, fs.ErrInvalid
	}
	for range maxLinks {
		next, at, n, err := m.step(path.Clean(p), last)
		if err != nil || next == "" {
			return at, n, err
		}
		p = next
	}
	return "", nil, syscall.ELOOP
}

// step walks down p until it is done or meets a link; then next is the path
// with that link replaced.
func (m *Machine) step(p string, last bool) (next, at string, n *node, err error) {
	at, n = "/", m.tree["/"]
	if p == "/" {
		return "", at, n, nil
	}
	parts := strings.Split(p[1:], "/")
	for i, part := range parts {
		end := i == len(parts)-1
		at = path.Join(at, part)
		n = m.tree[at]
		switch {
		case n == nil && end:
			return "", at, nil, nil
		case n == nil:
			return "", "", nil, fs.ErrNotExist
		case n.mode.Type() == fs.ModeSymlink && (!end || last):
			target := n.target
			if !path.IsAbs(target) {
				target = path.Join(path.Dir(at), target)
			}
			return path.Join(target, path.Join(parts[i+1:]...)), "", nil, nil
		case !end && !n.mode.IsDir():
			return "", "", nil, syscall.ENOTDIR
		}
	}
	return "", at, n, nil
}

// find is resolve for what has to be there; a parent that is a file means that
// nothing is.
func (m *Machine) find(p string, last bool) (string, *node, error) {
	at, n, err := m.resolve(p, last)
	if err == syscall.ENOTDIR || err == nil && n == nil {
		err = fs.ErrNotExist
	}
	return at, n, err
}

// children returns the paths directly below dir, sorted.
func (m *Machine) children(dir string) []string {
	var list []string
	for p := range m.tree {
		if p != "/" && path.Dir(p) == dir {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list
}

// below returns root and all paths under it.
func (m *Machine) below(root string) []string {
	var list []string
	for p := range m.tree {
		if p == root || strings.HasPrefix(p, strings.TrimSuffix(root, "/")+"/") {
			list = append(list, p)
		}
	}
	return list
}

// put sets what is at a resolved path, and touches its directory.
func (m *Machine) put(at string, n *node) {
	now := m.clock()
	if n.mtime.IsZero() {
		n.mtime = now
	}
	n.changed = now
	m.tree[at] = n
	m.touch(path.Dir(at), now)
}

func (m *Machine) touch(dir string, now time.Time) {
	if d := m.tree[dir]; d != nil {
		d.mtime, d.changed = now, now
	}
}

// mkdirAll makes at, a clean path, and its missing parents.
func (m *Machine) mkdirAll(p string) (string, *node, error) {
	at, n, err := m.resolve(p, true)
	if err == fs.ErrNotExist {
		if _, _, err := m.mkdirAll(path.Dir(path.Clean(p))); err != nil {
			return "", nil, err
		}
		at, n, err = m.resolve(p, true)
	}
	switch {
	case err != nil:
		return "", nil, err
	case n == nil:
		if _, link, _ := m.resolve(p, false); link != nil {
			return "", nil, fs.ErrExist // it points to nothing
		}
		n = &node{mode: fs.ModeDir | 0o755}
		m.put(at, n)
	case !n.mode.IsDir():
		return "", nil, syscall.ENOTDIR
	}
	return at, n, nil
}
