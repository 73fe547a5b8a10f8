package local

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// obstacle is what stands in the way and not in the error: the hint is the
// command that shows it.
type obstacle struct {
	error
	hint string
}

func (o *obstacle) Unwrap() error { return o.error }

// Hint is a command.
func (o *obstacle) Hint() string { return o.hint }

func explain(err error, path string) error {
	dir := filepath.Dir(path)
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return &obstacle{err, "df -h " + dir + "; df -i " + dir}
	case errors.Is(err, unix.EROFS):
		return &obstacle{err, "findmnt -T " + dir}
	case errors.Is(err, unix.EPERM):
		return &obstacle{err, "lsattr -d " + dir + " " + path + "   # i is immutable, a is append only; chattr takes them away"}
	}
	return err
}
