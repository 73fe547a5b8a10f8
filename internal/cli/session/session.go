// Package session is what every command on the host itself shares: this
// machine, its facts, its lock and journal, and the engine over them.
package session

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/etcd/client"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/host/local"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/state"
	"github.com/clusteradm/clusteradm/internal/ui"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/preflight"
)

// version is set by the linker: make build.
var version string

// Build says what this binary is.
type Build struct {
	Version    string `json:"version"`
	Go         string `json:"go"`
	Kubernetes string `json:"kubernetes"` // installed by default
}

// Session is one process's surroundings. System is the real one.
type Session struct {
	Streams  ui.Streams
	Format   string // "text" or "json"
	Build    Build
	Machine  world.Machine
	Hostname string
	Binary   string                     // the path of this program
	Address  func() (netip.Addr, error) // of the default route's interface
	Environ  []string
	Now      func() time.Time
	Rand     io.Reader
	ReadFile func(path string) ([]byte, error)
	ReadDir  func(path string) ([]fs.DirEntry, error)
	// Chroot makes a directory the root of this process and of the programs
	// that it runs.
	Chroot   func(path string) error
	Etcd     func(client.Config) (Etcd, error)
	Runs     state.Store
	LockPath string

	stdin *bufio.Scanner // once something was read from it
}

// System is this machine.
func System(streams ui.Streams) *Session {
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "localhost"
	}
	binary, err := os.Executable()
	if err != nil {
		binary = "/usr/local/bin/clusteradm"
	}
	build := Build{Version: "devel", Go: runtime.Version(), Kubernetes: config.DefaultKubernetesVersion}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		build.Version = info.Main.Version
	}
	if version != "" {
		build.Version = version
	}
	return &Session{
		Streams: streams, Format: "text", Build: build,
		Machine: local.New(hostname, local.Options{}), Hostname: hostname, Binary: binary, Address: defaultAddress, Environ: os.Environ(),
		Now: time.Now, Rand: rand.Reader, ReadFile: os.ReadFile, ReadDir: os.ReadDir, Chroot: chroot, Etcd: ConnectEtcd,
		Runs: state.Open(state.Dir), LockPath: state.LockFile,
	}
}

func chroot(path string) error {
	if err := unix.Chroot(path); err != nil {
		return &fs.PathError{Op: "chroot", Path: path, Err: err}
	}
	return os.Chdir("/")
}

// Inputs are what a configuration depends on besides its documents.
func (s *Session) Inputs(ctx context.Context, o config.Overrides) config.Inputs {
	in := config.Inputs{
		Overrides: o, Host: s.Hostname, Hostname: s.Hostname,
		Now: s.Now(), Rand: s.Rand, ReadFile: s.ReadFile, ReadDir: s.ReadDir,
	}
	in.CRISockets = facts.Sockets(ctx, s.Machine)
	// Without a default route the address must be configured; validation says so.
	if addr, err := s.Address(); err == nil {
		in.DefaultAddress = addr
	}
	return in
}

// Documents reads the configuration file, if there is one.
func (s *Session) Documents(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	data, err := s.ReadFile(path)
	if err != nil {
		return nil, &exit.UsageError{Err: fmt.Errorf("read configuration: %w", err)}
	}
	if config.Empty(data) { // never all the defaults, by a file that was not written
		return nil, config.Errors{{Message: "no document in " + path, Hint: "clusteradm config print init-defaults"}}
	}
	return data, nil
}

// Warn says what is no error and may still not be meant.
func (s *Session) Warn(warnings config.Errors, unused []string) {
	for _, w := range warnings {
		hint := w.Hint
		w.Hint = ""
		s.Caution(event.Event{Message: w.Error(), Hint: hint})
	}
	for _, kind := range unused {
		s.Caution(event.Event{Message: kind + " is given and has no meaning here"})
	}
}

// Caution shows a warning that belongs to no plan.
func (s *Session) Caution(e event.Event) { s.warn(e, "") }

func (s *Session) warn(e event.Event, name string) {
	e.Time, e.Kind = s.Now(), event.Warning
	if s.Format == "json" {
		ui.NewJSON(s.Streams.Out).Emit(e)
		return
	}
	fmt.Fprintln(s.Streams.Err, s.Streams.Fit(fmt.Sprintf("[WARNING%s] %s", name, e.Message)))
	if e.Hint != "" {
		fmt.Fprintln(s.Streams.Err, "  hint:", e.Hint)
	}
}

// Narrator returns what narrates outside of the engine, and what must be
// called before anything else is printed.
func (s *Session) Narrator() (say func(event.Event), done func()) {
	sink, done := s.Streams.Sink(s.Format)
	return func(e event.Event) {
		e.Time = s.Now()
		sink.Emit(e)
	}, done
}

// Engine returns the engine over this machine and what else the parts name,
// and what must be called after.
func (s *Session) Engine(parts world.Parts) (*engine.Engine, func()) {
	sink, done := s.Streams.Sink(s.Format)
	parts.Machine = s.Machine
	return &engine.Engine{
		World: world.New(parts), Sink: sink, Now: s.Now,
		Begin: func(list string) (*state.Run, error) { return s.Runs.Begin(list, s.Now()) },
	}, done
}

// Plan says what a plan would change.
func (s *Session) Plan(ctx context.Context, parts world.Parts, p *plan.Plan) ([]engine.StepChange, error) {
	e, done := s.Engine(parts)
	defer done()
	return e.Plan(ctx, p)
}

// lookFor is how long a dry run looks for an API server that may be elsewhere,
// or nowhere yet.
const lookFor = 2 * time.Second

// DryRun prints what a plan would change. It is the last that a command does.
func (s *Session) DryRun(ctx context.Context, parts world.Parts, p *plan.Plan) error {
	s.Machine = world.Impatient(s.Machine, lookFor)
	changes, err := s.Plan(ctx, parts, p)
	if err != nil {
		return err
	}
	return s.ShowPlan(p.Name, changes)
}

// ShowPlan prints changes that nobody made.
func (s *Session) ShowPlan(list string, changes []engine.StepChange) error {
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind    string              `json:"kind"`
			List    string              `json:"list"`
			Changes []engine.StepChange `json:"changes"`
		}{"plan", list, changes})
	}
	changing := 0
	for _, c := range changes {
		if !c.Change.Empty() {
			changing++
			fmt.Fprintf(s.Streams.Out, "%-8s %s: %s\n", c.Change.Verb, c.Step, c.Change.Summary)
		}
		for _, line := range c.Change.Lines {
			fmt.Fprintln(s.Streams.Out, "         "+line)
		}
		for _, what := range c.Waits {
			fmt.Fprintf(s.Streams.Out, "%-8s %s: for %s\n", "wait", c.Step, what)
		}
	}
	if changing == 0 {
		fmt.Fprintf(s.Streams.Out, "%s: nothing to change\n", list)
		return nil
	}
	fmt.Fprintf(s.Streams.Out, "%s: %d changes; nothing was changed\n", list, changing)
	return nil
}

// Apply carries a plan out. The caller holds the machine's lock since before
// it gathered the facts: two runs that saw the same empty machine would make
// two certificate authorities.
func (s *Session) Apply(ctx context.Context, parts world.Parts, p *plan.Plan) (engine.Result, error) {
	e, done := s.Engine(parts)
	defer done()
	return e.Apply(ctx, p)
}

// Lock takes the machine's lock for a command; one that only looks takes none.
func (s *Session) Lock(what string, looks bool) (func(), error) {
	if looks {
		return func() {}, nil
	}
	release, err := state.Lock(s.LockPath, fmt.Sprintf("%s, process %d, since %s", what, os.Getpid(), s.Now().Format(time.RFC3339)))
	if errors.Is(err, fs.ErrPermission) {
		return nil, &preflight.FailedError{Findings: []preflight.Finding{{Check: "IsPrivilegedUser", Level: preflight.Error,
			Message: "must be run as root: " + err.Error(), Hint: "sudo clusteradm …"}}}
	}
	return release, err
}

// HostFacts is the facts of this machine alone.
func HostFacts(now time.Time, host string, f cluster.HostFacts) cluster.Facts {
	return cluster.Facts{Now: now, Hosts: map[string]cluster.HostFacts{host: f}}
}
