// Package session is what every command on the host itself shares: this
// machine, its facts, its lock and journal, and the engine over them.
package session

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/host/local"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/state"
	"github.com/clusteradm/clusteradm/internal/ui"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/preflight"
)

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
	Address  func() (netip.Addr, error) // of the default route's interface
	Environ  []string
	Now      func() time.Time
	Rand     io.Reader
	ReadFile func(path string) ([]byte, error)
	Runs     state.Store
	LockPath string
}

// System is this machine.
func System(streams ui.Streams) *Session {
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "localhost"
	}
	build := Build{Version: "devel", Go: runtime.Version(), Kubernetes: config.DefaultKubernetesVersion}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		build.Version = info.Main.Version
	}
	return &Session{
		Streams: streams, Format: "text", Build: build,
		Machine: local.New(hostname, local.Options{}), Hostname: hostname, Address: defaultAddress, Environ: os.Environ(),
		Now: time.Now, Rand: rand.Reader, ReadFile: os.ReadFile,
		Runs: state.Open(state.Dir), LockPath: state.LockFile,
	}
}

// Args makes wrong arguments a usage error.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &exit.UsageError{Err: err}
		}
		return nil
	}
}

// Inputs are what a configuration depends on besides its documents.
func (s *Session) Inputs(o config.Overrides) config.Inputs {
	in := config.Inputs{
		Overrides: o, Host: s.Hostname, Hostname: s.Hostname,
		Now: s.Now(), Rand: s.Rand, ReadFile: s.ReadFile,
	}
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
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return data, nil
}

// Preflight runs checks and shows what they found.
func (s *Session) Preflight(checks []preflight.Check, subject preflight.Subject, ignore []string) error {
	findings, err := preflight.Run(checks, subject, ignore)
	if s.Format == "json" {
		for _, f := range findings {
			ui.NewJSON(s.Streams.Out).Emit(event.Event{Time: s.Now(), Kind: event.Warning, Phase: "preflight",
				Step: f.Check, Message: f.Message, Hint: f.Hint})
		}
		return err
	}
	for _, f := range findings {
		if f.Level == preflight.Warning {
			fmt.Fprintf(s.Streams.Err, "[WARNING %s] %s\n", f.Check, f.Message)
		}
		if f.Hint != "" {
			fmt.Fprintf(s.Streams.Err, "  hint: %s   # %s\n", f.Hint, f.Check)
		}
	}
	return err
}

// Say narrates one event outside of the engine's own.
func (s *Session) Say(e event.Event) {
	sink, done := s.Streams.Sink(s.Format)
	defer done()
	e.Time = s.Now()
	sink.Emit(e)
}

// Engine returns the engine over this machine, and what must be called after.
func (s *Session) Engine(client world.Client) (*engine.Engine, func()) {
	sink, done := s.Streams.Sink(s.Format)
	return &engine.Engine{
		World: world.New(s.Machine, client), Sink: sink, Now: s.Now,
		Begin: func(list string) (*state.Run, error) { return s.Runs.Begin(list, s.Now()) },
	}, done
}

// DryRun prints what a plan would change.
func (s *Session) DryRun(ctx context.Context, client world.Client, p *plan.Plan) error {
	e, done := s.Engine(client)
	defer done()
	changes, err := e.Plan(ctx, p)
	if err != nil {
		return err
	}
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind    string              `json:"kind"`
			List    string              `json:"list"`
			Changes []engine.StepChange `json:"changes"`
		}{"plan", p.Name, changes})
	}
	for _, c := range changes {
		fmt.Fprintf(s.Streams.Out, "%-8s %s: %s\n", c.Change.Verb, c.Step, c.Change.Summary)
		for _, line := range c.Change.Lines {
			fmt.Fprintln(s.Streams.Out, "         "+line)
		}
	}
	if len(changes) == 0 {
		fmt.Fprintf(s.Streams.Out, "%s: nothing to change\n", p.Name)
		return nil
	}
	fmt.Fprintf(s.Streams.Out, "%s: %d changes; nothing was changed\n", p.Name, len(changes))
	return nil
}

// Apply carries a plan out under the machine's lock.
func (s *Session) Apply(ctx context.Context, client world.Client, p *plan.Plan) (engine.Result, error) {
	release, err := s.Lock(p.Name)
	if err != nil {
		return engine.Result{}, err
	}
	defer release()
	e, done := s.Engine(client)
	defer done()
	return e.Apply(ctx, p)
}

// Lock takes the machine's lock for a command.
func (s *Session) Lock(what string) (func(), error) {
	return state.Lock(s.LockPath, fmt.Sprintf("%s, process %d, since %s", what, os.Getpid(), s.Now().Format(time.RFC3339)))
}

// HostFacts is the facts of this machine alone.
func HostFacts(now time.Time, host string, f cluster.HostFacts) cluster.Facts {
	return cluster.Facts{Now: now, Hosts: map[string]cluster.HostFacts{host: f}}
}
