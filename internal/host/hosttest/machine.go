// Package hosttest has a machine in memory and the suite that every
// implementation of host.Host passes. The machine is trusted in other tests
// because it passes what the real ones pass.
//
// It interprets the commands that clusteradm runs and refuses all others with
// "command not understood": a test never goes on with a command that did
// nothing.
package hosttest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/clusteradm/clusteradm/internal/host"
)

// Options of a Machine. The zero value gives a fresh Linux machine.
type Options struct {
	// Clock gives the times of files and units. The default starts in 2026 and
	// goes on by a second each time that it is asked.
	Clock func() time.Time
	// Kernel is what uname -r prints.
	Kernel string
	// Kubelet is the version that kubelet --version prints unless a fake
	// binary says otherwise (see KubeletBinary); empty: not installed.
	Kubelet string
}

// Machine is a host.Host in memory. It is safe for concurrent use; hooks and
// programs run without its lock and may use every method.
type Machine struct {
	name    string
	clock   func() time.Time
	kernel  string
	kubelet string

	mu        sync.Mutex
	tree      map[string]*node
	units     map[string]*unit
	loaded    time.Time // last daemon-reload
	dropIns   []string  // that systemd knows since then
	listeners []Listener
	programs  map[string]Program
	network   network
	swaps     map[string]string // lines of /proc/swaps that were switched off
	changed   func(path string) // see OnChange
}

var _ host.Host = (*Machine)(nil)

// Program interprets one more command. Its exit code alone is the Result's.
type Program func(m *Machine, cmd host.Cmd) (host.Result, error)

// New returns a machine with the directories of a Linux distribution, one
// swap device and no units.
func New(name string, opts Options) *Machine {
	m := &Machine{
		name: name, clock: opts.Clock, kernel: opts.Kernel, kubelet: opts.Kubelet,
		tree: map[string]*node{}, units: map[string]*unit{}, programs: map[string]Program{}, swaps: map[string]string{},
	}
	if m.clock == nil {
		m.clock = counter()
	}
	if m.kernel == "" {
		m.kernel = "6.12.0-fake"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.furnish()
	m.loaded = m.clock()
	return m
}

func counter() func() time.Time {
	var mu sync.Mutex
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

// Name returns the name given to New.
func (m *Machine) Name() string { return m.name }

// AddProgram makes the machine understand commands whose first word is name,
// before all that it understands by itself.
func (m *Machine) AddProgram(name string, run Program) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.programs[name] = run
}

// OnChange is called after each file that was written and each path that was
// removed, as a kubelet is told of its manifests.
func (m *Machine) OnChange(changed func(path string)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changed = changed
}

func (m *Machine) tell(p string) {
	m.mu.Lock()
	changed := m.changed
	m.mu.Unlock()
	if changed != nil {
		changed(p)
	}
}

// Query interprets a command of the read-only table.
func (m *Machine) Query(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	if err := cmd.CheckQuery(); err != nil {
		return host.Result{}, err
	}
	return m.run(ctx, cmd)
}

// Run interprets a command.
func (m *Machine) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	if err := cmd.Check(); err != nil {
		return host.Result{}, err
	}
	return m.run(ctx, cmd)
}

func (m *Machine) run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	if ctx.Err() != nil {
		return host.Result{}, fmt.Errorf("run %s: %w", cmd, context.Cause(ctx))
	}
	program, err := m.program(cmd.Args[0])
	if err != nil {
		return host.Result{}, fmt.Errorf("run %s: %w", cmd, err)
	}
	if program == nil {
		return host.Result{}, notUnderstood(cmd)
	}
	res, err := program(m, cmd)
	if err != nil {
		return host.Result{}, err
	}
	return res, cmd.Exited(res)
}

func notUnderstood(cmd host.Cmd) error {
	return fmt.Errorf("hosttest: command not understood: %s", cmd)
}

func printed(format string, args ...any) (host.Result, error) {
	return host.Result{Stdout: fmt.Appendf(nil, format, args...)}, nil
}

func exited(code int, format string, args ...any) (host.Result, error) {
	return host.Result{Exit: code, Stderr: fmt.Appendf(nil, format+"\n", args...)}, nil
}
