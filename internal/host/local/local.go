// Package local is the machine that this process runs on as a host.Host.
//
// Files are replaced atomically and durably (see atomic.go), commands are run
// without a shell and in a process group of their own, which is killed when
// the context ends. It decides nothing: no retry, no default, no repair.
package local

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/clusteradm/clusteradm/internal/host"
	"golang.org/x/sys/unix"
)

// Options of a Host. The zero value is the machine as it is.
type Options struct {
	// Root is put before every path of a file and of a unix socket, for tests.
	// It is no jail: links and commands see the whole machine.
	Root string
	// Env is the environment of commands; nil is that of this process.
	Env []string
}

// Host is this machine. Its methods may be called concurrently.
type Host struct {
	name  string
	root  string
	env   []string
	files replacer
	drain time.Duration
	// replacing keeps writers of one path from taking each other's temporary
	// file for a stale one.
	replacing sync.Mutex
}

var (
	_ host.Host   = (*Host)(nil)
	_ host.Dialer = (*Host)(nil)
)

// New returns this machine under the given name.
func New(name string, opts Options) *Host {
	return &Host{name: name, root: opts.Root, env: opts.Env, files: newReplacer(osFS{}), drain: drainTime}
}

// Name returns the name given to New.
func (h *Host) Name() string { return h.name }

// DialHost connects to a TCP address or a unix socket.
func (h *Host) DialHost(ctx context.Context, network, addr string) (net.Conn, error) {
	if network == "unix" {
		var err error
		if addr, err = h.path(addr); err != nil {
			return nil, fmt.Errorf("dial unix socket: %w", err)
		}
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

// path is where the path of a caller lies in the file system of this process.
func (h *Host) path(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("path %q is not absolute: %w", path, fs.ErrInvalid)
	}
	return filepath.Join(h.root, filepath.Clean(path)), nil
}

// begin is what every method on a path starts with.
func (h *Host) begin(ctx context.Context, verb, path string) (string, error) {
	real, err := h.path(path)
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", verb, path, err)
	}
	return real, nil
}

// failed says what was tried on which path, once: the path and the system call
// that the standard library adds would repeat it, and show the root.
func failed(verb, path string, err error) error {
	switch e := err.(type) {
	case nil:
		return nil
	case *fs.PathError:
		err = e.Err
	}
	return explain(fmt.Errorf("%s %s: %w", verb, path, err), path)
}

// absent makes "a parent is a file" what it means to one who asks for a path:
// nothing is there.
func absent(err error) error {
	if pe, ok := err.(*fs.PathError); ok && pe.Err == unix.ENOTDIR {
		return fs.ErrNotExist
	}
	return err
}
