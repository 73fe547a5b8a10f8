package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// LockFile is the host's lock. It is below /run: it must not survive a boot.
const LockFile = "/run/clusteradm/lock"

// ErrLocked reports that another clusteradm is working on this machine.
var ErrLocked = errors.New("another clusteradm is working on this machine")

// Lock takes the lock at path or fails at once with ErrLocked, naming the
// holder. The kernel lets go of it when the process ends, however it ends.
func Lock(path, holder string) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("take lock: %w", err)
	}
	// 0600: who can open a file can lock it.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("take lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			by, _ := os.ReadFile(path)
			return nil, fmt.Errorf("take lock: %w: %s", ErrLocked, strings.TrimSpace(string(by)))
		}
		return nil, fmt.Errorf("take lock: %w", err)
	}
	// Written before it is cut: whoever loses the race meanwhile reads a name.
	line := []byte(holder + "\n")
	if _, err = f.WriteAt(line, 0); err == nil {
		err = f.Truncate(int64(len(line)))
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("take lock: %w", err)
	}
	return func() { f.Close() }, nil
}
