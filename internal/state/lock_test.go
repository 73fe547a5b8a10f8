package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/clusteradm/clusteradm/internal/state"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "lock")
	release, err := state.Lock(path, "init, process 1, since six o'clock and a long time")
	must(t, err)
	for range 2 { // the one refused does not name itself
		_, err = state.Lock(path, "join, process 2")
		if !errors.Is(err, state.ErrLocked) || !strings.Contains(err.Error(), "init, process 1") {
			t.Errorf("taken twice: %v", err)
		}
	}
	release()
	release, err = state.Lock(path, "join, process 2")
	must(t, err)
	defer release()
	if _, err = state.Lock(path, "x"); err == nil || !strings.HasSuffix(err.Error(), ": join, process 2") {
		t.Errorf("the second holder: %v", err)
	}
	other, err := state.Lock(path+"-of-another-machine", "x")
	must(t, err)
	other()
}

// Who can open the file can lock it.
func TestOnlyRootLocks(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := filepath.Join(t.TempDir(), "run", "lock")
	release, err := state.Lock(path, "init")
	must(t, err)
	defer release()
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode().Perm())
	}
}

func TestLockThatCannotBeTaken(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	for _, path := range []string{dir, filepath.Join(dir, "file", "lock")} {
		if _, err := state.Lock(path, "init"); err == nil || errors.Is(err, state.ErrLocked) || !strings.HasPrefix(err.Error(), "take lock: ") {
			t.Errorf("lock %s: %v", path, err)
		}
	}
}
