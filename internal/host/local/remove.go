package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// removeTree removes a file, or a directory with what is in it. Unlike
// os.RemoveAll it goes into nothing that is mounted: a kubelet that somebody
// starts again mounts users' volumes where a tree is just being removed, and
// looking at the mounts before does not tell.
func removeTree(real string) error {
	parent, err := unix.Open(filepath.Dir(real), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	err = removeAt(parent, filepath.Base(real))
	if errors.Is(err, unix.ENOSYS) { // Linux before 5.6
		return os.RemoveAll(real)
	}
	return err
}

// removeRounds is how often a directory is emptied that others fill meanwhile.
const removeRounds = 8

func removeAt(dir int, name string) error {
	if err := unix.Unlinkat(dir, name, 0); !errors.Is(err, unix.EISDIR) {
		return present(err)
	}
	var err error
	for range removeRounds {
		if err = emptyAt(dir, name); err != nil {
			return present(err)
		}
		if err = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR); !errors.Is(err, unix.ENOTEMPTY) {
			return present(err)
		}
	}
	return err
}

func emptyAt(dir int, name string) error {
	f, err := enter(dir, name)
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := removeAt(int(f.Fd()), n); err != nil {
			return err
		}
	}
	return nil
}

// enter opens a directory that is neither a link nor a mount point.
func enter(dir int, name string) (*os.File, error) {
	fd, err := unix.Openat2(dir, name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS,
	})
	if errors.Is(err, unix.EXDEV) {
		return nil, fmt.Errorf("%s in it is a mount point: %w", name, unix.EBUSY)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// present makes nothing of what is gone already.
func present(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
