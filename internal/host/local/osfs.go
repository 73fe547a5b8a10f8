package local

import (
	"os"

	"golang.org/x/sys/unix"
)

// osFS is the real file system.
type osFS struct{}

func (osFS) create(path string) (tempFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err // not f: a nil *os.File would be a non-nil tempFile
	}
	return f, nil
}

func (osFS) symlink(target, path string) error { return unix.Symlink(target, path) }

func (osFS) rename(old, new string) error { return unix.Rename(old, new) }

func (osFS) remove(path string) error { return unix.Unlink(path) }

func (osFS) list(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

func (osFS) syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
