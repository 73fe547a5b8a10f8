package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// ErrInjected reports a mutation refused, or said to have failed, by FailAt or
// FailAfter.
var ErrInjected = errors.New("injected failure")

// Failing is a Host whose process dies at one chosen mutation: from then on no
// mutation gets through. Queries and reads still work, for they leave no trace.
//
// Mutations are counted from 1. A WriteFiles of n files is n of them, because
// a crash may fall between any two of its renames; every other call is one.
type Failing struct {
	Host
	fuse *fuse
}

// FailAt lets the first k-1 mutations through and dies in place of the k-th.
// With k = 0 it never dies and only counts.
func FailAt(h Host, k int) *Failing { return &Failing{h, &fuse{at: k}} }

// FailAfter dies when the k-th mutation has been done, before its caller hears
// of it.
func FailAfter(h Host, k int) *Failing { return &Failing{h, &fuse{at: k, after: true}} }

// Share is another machine driven by the same process: it counts and dies
// together with f.
func (f *Failing) Share(h Host) *Failing { return &Failing{h, f.fuse} }

// Count returns how many mutations were tried before the process died,
// including the one it died at.
func (f *Failing) Count() int {
	f.fuse.mu.Lock()
	defer f.fuse.mu.Unlock()
	return f.fuse.count
}

type fuse struct {
	mu    sync.Mutex
	at    int
	after bool
	count int
	blown bool
}

// take asks for n mutations and is told how many may be done, and whether the
// process is dead afterwards.
func (u *fuse) take(n int) (granted int, dead bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.blown {
		return 0, true
	}
	if u.at == 0 || u.count+n < u.at {
		u.count += n
		return n, false
	}
	granted = u.at - u.count
	u.count, u.blown = u.at, true
	if !u.after {
		granted--
	}
	return granted, true
}

// one does a mutation that is done as a whole or not at all.
func (f *Failing) one(verb, object string, do func() error) error {
	granted, dead := f.fuse.take(1)
	if granted > 0 {
		if err := do(); err != nil {
			return err
		}
	}
	if dead {
		return injected(verb, object)
	}
	return nil
}

func injected(verb, object string) error {
	return fmt.Errorf("%s %s: %w", verb, object, ErrInjected)
}

// WriteFiles writes the files before the one it dies at, as a crash between
// two renames would leave them.
func (f *Failing) WriteFiles(ctx context.Context, files []File) error {
	if len(files) == 0 {
		return f.Host.WriteFiles(ctx, files)
	}
	granted, dead := f.fuse.take(len(files))
	if granted > 0 {
		if err := f.Host.WriteFiles(ctx, files[:granted]); err != nil {
			return err
		}
	}
	if dead {
		return injected("write", files[min(granted, len(files)-1)].Path)
	}
	return nil
}

func (f *Failing) Rename(ctx context.Context, old, new string, exchange bool) error {
	return f.one("rename", old, func() error { return f.Host.Rename(ctx, old, new, exchange) })
}

func (f *Failing) Upload(ctx context.Context, path string, body io.Reader, attr Attr, sum string) error {
	return f.one("upload", path, func() error { return f.Host.Upload(ctx, path, body, attr, sum) })
}

func (f *Failing) Mkdir(ctx context.Context, path string, attr Attr) error {
	return f.one("make directory", path, func() error { return f.Host.Mkdir(ctx, path, attr) })
}

func (f *Failing) Remove(ctx context.Context, path string) error {
	return f.one("remove", path, func() error { return f.Host.Remove(ctx, path) })
}

func (f *Failing) Run(ctx context.Context, cmd Cmd) (res Result, err error) {
	err = f.one("run", cmd.String(), func() error {
		res, err = f.Host.Run(ctx, cmd)
		return err
	})
	if errors.Is(err, ErrInjected) {
		return Result{}, err
	}
	return res, err
}

// DialHost is for a decorated host that is a Dialer.
func (f *Failing) DialHost(ctx context.Context, network, addr string) (net.Conn, error) {
	return dialThrough(ctx, f.Host, network, addr)
}
