package local

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/clusteradm/clusteradm/internal/host"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// digests at once: enough to keep a disk and two cores busy.
const digestLimit = 8

// Stat describes a path without following a link there.
func (h *Host) Stat(ctx context.Context, path string) (host.Info, error) {
	real, err := h.begin(ctx, "stat", path)
	if err != nil {
		return host.Info{}, err
	}
	fi, err := os.Lstat(real)
	if err != nil {
		return host.Info{}, failed("stat", path, absent(err))
	}
	described := info(fi)
	if fi.Mode()&fs.ModeSymlink != 0 {
		if described.Target, err = os.Readlink(real); err != nil {
			return host.Info{}, failed("stat", path, absent(err))
		}
	}
	return described, nil
}

// ReadFile returns a whole file.
func (h *Host) ReadFile(ctx context.Context, path string) ([]byte, error) {
	real, err := h.begin(ctx, "read", path)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(real)
	if err != nil {
		return nil, failed("read", path, absent(err))
	}
	return content, nil
}

// ReadDir lists a directory.
func (h *Host) ReadDir(ctx context.Context, path string) ([]host.Info, error) {
	real, err := h.begin(ctx, "read directory", path)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(real)
	if err != nil {
		if _, statErr := os.Lstat(real); statErr != nil {
			err = absent(statErr)
		}
		return nil, failed("read directory", path, err)
	}
	infos := make([]host.Info, 0, len(entries))
	for _, e := range entries {
		fi, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since it was listed
		}
		if err != nil {
			return nil, failed("read directory", path, err)
		}
		infos = append(infos, info(fi))
	}
	slices.SortFunc(infos, func(a, b host.Info) int { return cmp.Compare(a.Name, b.Name) })
	return infos, nil
}

// Open streams a file until it is closed or ctx ends.
func (h *Host) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	real, err := h.begin(ctx, "open", path)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(real)
	if err != nil {
		return nil, failed("open", path, absent(err))
	}
	if fi, err := f.Stat(); err != nil || fi.IsDir() {
		f.Close()
		return nil, failed("open", path, cmp.Or(err, error(unix.EISDIR)))
	}
	return struct {
		io.Reader
		io.Closer
	}{contextReader{ctx, f}, f}, nil
}

// Digest describes paths and sums the regular files among them, several at once.
func (h *Host) Digest(ctx context.Context, paths []string) (map[string]host.Digest, error) {
	var mu sync.Mutex
	found := make(map[string]host.Digest, len(paths))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(digestLimit)
	for _, path := range paths {
		group.Go(func() error {
			real, err := h.begin(ctx, "digest", path)
			if err != nil {
				return err
			}
			d, err := digest(ctx, real)
			if err = absent(err); errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return failed("digest", path, err)
			}
			mu.Lock()
			defer mu.Unlock()
			found[path] = d
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return found, nil
}

func digest(ctx context.Context, real string) (host.Digest, error) {
	fi, err := os.Lstat(real)
	if err != nil || !fi.Mode().IsRegular() {
		return host.Digest{Info: infoOf(fi)}, err
	}
	f, err := os.OpenFile(real, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return host.Digest{}, err
	}
	defer f.Close()
	// Again, on the open file: it may have been replaced since.
	if fi, err = f.Stat(); err != nil {
		return host.Digest{}, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, contextReader{ctx, f}); err != nil {
		return host.Digest{}, err
	}
	return host.Digest{Info: info(fi), Sum: hex.EncodeToString(sum.Sum(nil))}, nil
}

func infoOf(fi fs.FileInfo) host.Info {
	if fi == nil {
		return host.Info{}
	}
	return info(fi)
}

func info(fi fs.FileInfo) host.Info {
	i := host.Info{Name: fi.Name(), Mode: fi.Mode(), ModTime: fi.ModTime()}
	if fi.Mode().IsRegular() {
		i.Size = fi.Size()
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		i.UID, i.GID = int(st.Uid), int(st.Gid)
		i.Changed = time.Unix(st.Ctim.Unix())
	}
	return i
}

// contextReader ends with the context, between two reads.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
