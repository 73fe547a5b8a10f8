package local

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/clusteradm/clusteradm/internal/host"
	"golang.org/x/sync/errgroup"
)

// Thirty fsyncs one after the other cost 40 ms, eight at a time a quarter.
const writeLimit = 8

// fileSystem is what replacing files needs. A test stands in for it with one
// that forgets at a crash what was not synced.
type fileSystem interface {
	// create makes a new file, mode 0600, and fails if anything is there.
	create(path string) (tempFile, error)
	symlink(target, path string) error
	rename(old, new string) error
	remove(path string) error
	list(dir string) ([]string, error)
	syncDir(dir string) error
}

type tempFile interface {
	io.WriteCloser
	Chown(uid, gid int) error
	Chmod(mode fs.FileMode) error
	Sync() error
}

// replacer replaces whole files such that a crash leaves the old or the new.
type replacer struct {
	fs     fileSystem
	limit  int           // of temporary files written at once
	random func() string // 16 hex digits
}

func newReplacer(fsys fileSystem) replacer {
	return replacer{fs: fsys, limit: writeLimit, random: func() string {
		b := make([]byte, 8)
		rand.Read(b) // never fails
		return hex.EncodeToString(b)
	}}
}

// replacement is one file to be; path is real, name is what the caller calls it.
type replacement struct {
	path, name string
	attr       host.Attr
	body       func(w io.Writer) error
	temp       string // set once it may exist, empty again when renamed
}

const tempMark = ".clusteradm-"

// tempPath starts with a dot, so that the kubelet ignores it among manifests.
func (r replacer) tempPath(path string) string {
	dir, base := filepath.Split(path)
	return filepath.Join(dir, "."+base+tempMark+r.random())
}

// isTempOf tells whether name is of a temporary file for base. The length of
// the random part matters: base may itself be a name with the mark in it.
func isTempOf(name, base string) bool {
	random, ok := strings.CutPrefix(name, "."+base+tempMark)
	if !ok || len(random) != 16 {
		return false
	}
	_, err := hex.DecodeString(random)
	return err == nil
}

// replace writes and syncs all temporary files, then renames them in order. On
// an error the files renamed so far stay new and nothing else stays behind.
func (r replacer) replace(ctx context.Context, files []*replacement) (err error) {
	defer func() {
		for _, f := range files {
			if f.temp != "" {
				err = errors.Join(err, r.discard(f.temp))
			}
		}
	}()
	if err := r.removeStale(ctx, files); err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(r.limit)
	for _, f := range files {
		group.Go(func() error { return failed("write", f.name, r.writeTemp(groupCtx, f)) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return r.renameAll(ctx, files)
}

// renameAll syncs a directory before it renames in another one: only then do
// the renames survive a crash in order on every file system.
func (r replacer) renameAll(ctx context.Context, files []*replacement) error {
	unsynced, name := "", ""
	sync := func() error {
		if unsynced == "" {
			return nil
		}
		dir := unsynced
		unsynced = ""
		return failed("sync directory", name, r.fs.syncDir(dir))
	}
	for _, f := range files {
		dir := filepath.Dir(f.path)
		if dir != unsynced {
			if err := sync(); err != nil {
				return err
			}
		}
		err := context.Cause(ctx)
		if err == nil {
			err = r.fs.rename(f.temp, f.path)
		}
		if err != nil {
			// What was renamed is reported as done, so it must last.
			return errors.Join(failed("write", f.name, err), sync())
		}
		f.temp, unsynced, name = "", dir, filepath.Dir(f.name)
	}
	return sync()
}

// writeTemp ends with the content and the attributes on disk. They are set
// before the sync and through the open file: at no time can another read what
// he will not be allowed to.
func (r replacer) writeTemp(ctx context.Context, f *replacement) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	temp := r.tempPath(f.path)
	w, err := r.fs.create(temp)
	if err != nil {
		return err
	}
	f.temp = temp
	write := func() error {
		if err := f.body(w); err != nil {
			return err
		}
		if err := w.Chown(f.attr.UID, f.attr.GID); err != nil {
			return err
		}
		if err := w.Chmod(f.attr.Mode.Perm()); err != nil {
			return err
		}
		return w.Sync()
	}
	if err := write(); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}

// removeStale removes temporary files that a killed process left beside the
// files which are now written; they may hold keys.
func (r replacer) removeStale(ctx context.Context, files []*replacement) error {
	names := map[string][]string{}
	for _, f := range files {
		dir, base := filepath.Split(f.path)
		if _, listed := names[dir]; !listed {
			list, err := r.fs.list(dir)
			if err != nil {
				return failed("write", f.name, err)
			}
			names[dir] = list
		}
		for _, name := range names[dir] {
			if !isTempOf(name, base) {
				continue
			}
			if err := context.Cause(ctx); err != nil {
				return failed("write", f.name, err)
			}
			if err := r.discard(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r replacer) discard(temp string) error {
	if err := r.fs.remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove temporary file %s: %w", temp, err)
	}
	return nil
}
