package nodes

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stateRoot holds one directory per lab.
const stateRoot = "/run/clusteradm-lab"

// state is what a lab must remember to be used and taken down by another
// process. It is written before anything it names is made.
type state struct {
	Name    string      `json:"name"`
	Boot    string      `json:"boot"` // the kernel's boot id: another one means that all but files is gone
	Created time.Time   `json:"created"`
	Bundle  string      `json:"bundle"`
	Subnet  int         `json:"subnet"` // third byte of 10.210.x.0/24
	Storage Storage     `json:"storage"`
	Data    string      `json:"data"`  // containerd roots, and all of the nodes' data if storage is disk
	Lower   []string    `json:"lower"` // the overlays' lower directories, top first
	Images  string      `json:"images"`
	Nodes   []nodeState `json:"nodes"`
}

type nodeState struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	MAC     string `json:"mac"`
	UUID    string `json:"uuid"`
}

func stateDir(name string) string { return filepath.Join(stateRoot, name) }

func (s *state) save() error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("save state of lab %s: %w", s.Name, err)
	}
	path := filepath.Join(stateDir(s.Name), "state.json")
	if err := os.WriteFile(path+".tmp", data, 0o600); err != nil {
		return fmt.Errorf("save state of lab %s: %w", s.Name, err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("save state of lab %s: %w", s.Name, err)
	}
	return nil
}

// ErrNoLab is returned for a lab that is not there.
var ErrNoLab = errors.New("no such lab")

func loadState(name string) (*state, error) {
	data, err := os.ReadFile(filepath.Join(stateDir(name), "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open lab %s: %w", name, ErrNoLab)
	}
	if err != nil {
		return nil, fmt.Errorf("open lab %s: %w", name, err)
	}
	s := &state{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("open lab %s: %w", name, err)
	}
	return s, nil
}

// stale says that the machine was started again since the lab was made.
func (s *state) stale() bool { return s.Boot != bootID() }

func bootID() string {
	data, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(data))
}

// List names the labs that have state on this machine.
func List() ([]string, error) {
	entries, err := os.ReadDir(stateRoot)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list labs: %w", err)
	}
	var names []string
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(stateRoot, e.Name(), "state.json")); err == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// lock keeps two processes from taking the same name or subnet, or from
// making the same prepared root twice. It dies with the process.
func lock() (unlock func(), err error) {
	if err := os.MkdirAll(stateRoot, 0o755); err != nil {
		return nil, fmt.Errorf("lock labs: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(stateRoot, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock labs: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock labs: %w", err)
	}
	return func() { f.Close() }, nil
}
