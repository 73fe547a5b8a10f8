// Package plan is the language between deciding and doing: phases give
// groups of steps, a step holds an effect, and the engine interprets them.
// It is data and interfaces; nothing here does I/O.
package plan

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/kube"
)

// View is what an effect may look at. It has no way to change anything.
type View interface {
	Host(name string) host.Reader
	// Runtime is the named host's container runtime.
	Runtime(host string) cri.Reader
	// Etcd is the etcd cluster as reached from the named host.
	Etcd(host string) etcd.Reader
	Kube() kube.Reader
	// Probe asks an HTTP endpoint as if from the named host; nil means 2xx.
	Probe(ctx context.Context, host string, p Probe) error
	// Served is the certificate, DER, that a TLS server at addr (host:port)
	// shows as if asked from the named host. It is not checked.
	Served(ctx context.Context, host, addr string) ([]byte, error)
}

// World is what an effect may change. Only the engine hands it out.
type World interface {
	View
	Mutate(name string) host.Host
	RuntimeWriter(host string) cri.Writer
	EtcdWriter(host string) etcd.Writer
	KubeWriter() kube.Writer
	// Tell sends a line to the program that listens on a Unix socket of the
	// named host.
	Tell(ctx context.Context, host, socket, line string) error
}

// Probe is one HTTP health check. With CA empty the server's certificate is
// not checked: a component's own self-signed serving certificate on loopback.
type Probe struct {
	URL string
	CA  []byte
}

// Observed is what an effect saw; only the effect that made it reads it.
type Observed any

// Effect is one thing that is to be so. The set is closed (internal/effect);
// each passes the contract suite there.
type Effect interface {
	// Key names the thing, "file /etc/kubernetes/pki/ca.crt"; unique on its host.
	Key() string
	// Observe looks. An API server that does not answer yet is no error but an
	// Observed whose Diff is Unknown.
	Observe(ctx context.Context, v View) (Observed, error)
	// Diff is pure. The zero Change means that it is already so.
	Diff(o Observed) Change
	// Apply makes it so, given what was observed. An error that wraps ErrNotYet
	// says that somebody else was faster and that nothing was changed: the engine
	// waits for the step's Needs again, looks again and applies again, for as long
	// as the Needs may take. A step without Needs fails.
	Apply(ctx context.Context, w World, o Observed) error
}

// FileEffect is an effect that is one file, whole. Consecutive ones on a host
// are written together, durably, with one round of fsyncs.
type FileEffect interface {
	Effect
	File() host.File
}

// Undoer is an effect that can be taken back. Undo is asked after Observe and
// before Apply, and its record is journalled before anything changes.
type Undoer interface {
	Undo(o Observed) (Undo, error)
}

// Undo is a self-contained record of what was there before: it is enough to
// take the change back after a crash, without the plan that made it.
type Undo struct {
	Kind string          `json:"kind"`
	Host string          `json:"host,omitempty"`
	Key  string          `json:"key"`
	Data json.RawMessage `json:"data,omitempty"`
	// Blob is content that must not travel; the engine keeps it on the host it
	// came from, by digest, and the record holds Sum only.
	Blob []byte `json:"-"`
	Sum  string `json:"sum,omitempty"`
}

// Verb says what a change does.
type Verb string

// The verbs. None is the zero value.
const (
	None    Verb = ""
	Create  Verb = "create"
	Update  Verb = "update"
	Delete  Verb = "delete"
	Start   Verb = "start"
	Restart Verb = "restart"
	Stop    Verb = "stop"
	Pull    Verb = "pull"
	Unknown Verb = "unknown" // cannot be told before an earlier step is done
)

// Change is the difference between what is and what is to be.
type Change struct {
	Verb    Verb     `json:"verb,omitempty"`
	Summary string   `json:"summary,omitempty"`
	Lines   []string `json:"lines,omitempty"` // "-old", "+new"; never secret content
}

// Empty reports that nothing is to be done.
func (c Change) Empty() bool { return c.Verb == None }

// ErrNotYet, wrapped, tells a Condition's poller to go on, and the engine that
// an Apply lost a race.
var ErrNotYet = errors.New("not yet")

// Condition is something that must hold before or after a step.
type Condition struct {
	Name   string // completes "waiting for …"
	Check  func(ctx context.Context, v View) error
	Within time.Duration
	Hint   string // a command that shows why it does not hold
	// Warn makes not holding in time a warning: what the step promises does
	// not depend on it.
	Warn bool
}

// Step is one effect at its place in a list.
type Step struct {
	Name   string
	Host   string
	Effect Effect
	Needs  []Condition
	Until  []Condition
	// NoUndo says why rollback stops at this step; empty when it can be undone.
	NoUndo string
}

// Mode says how a group's steps are run.
type Mode int

// Serial runs steps in order. Parallel runs them all at once: they must not
// depend on one another.
const (
	Serial Mode = iota
	Parallel
)

// Group is a run of steps.
type Group struct {
	Mode  Mode
	Steps []Step
	// TryAll has every step tried, whatever fails before it: they do not depend
	// on one another, and all that is wrong is told at once. Without it none is
	// started after a failure.
	TryAll bool
}

// Phase is a named part of a list. One literal gives execution, the `phase`
// subcommand, its help and --skip-phases.
type Phase struct {
	Name    string
	Short   string
	Long    string
	Example string
	Hidden  bool
	Sub     []Phase
	// Plan is pure: the same Input gives the same groups. nil for a phase that
	// only has Sub phases.
	Plan func(Input) ([]Group, error)
}
