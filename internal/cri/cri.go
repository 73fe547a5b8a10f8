// Package cri is what clusteradm asks of a container runtime and does to it:
// small interfaces in values of its own. internal/cri/client is the real one,
// over the runtime's socket; critest is the fake.
package cri

import (
	"context"
	"errors"
	"time"
)

// ErrUnavailable reports a runtime that does not answer on its socket.
var ErrUnavailable = errors.New("container runtime does not answer")

// Info is what a runtime says of itself.
type Info struct {
	Name       string // "containerd"
	Version    string // "2.4.2"
	APIVersion string // of the CRI, "v1"
	Ready      bool   // its condition RuntimeReady
	NotReady   string // why not
	// NetworkReady is false until a pod network is configured.
	NetworkReady bool
	// CgroupDriver is "systemd" or "cgroupfs"; empty when the runtime has no
	// RuntimeConfig call, which kubelets of 1.37 need.
	CgroupDriver string
	// SandboxImage is what it starts pods with; empty when it does not tell,
	// as containerd since 2.0.
	SandboxImage string
}

// Sandbox is one pod's sandbox.
type Sandbox struct {
	ID, Name, Namespace, UID string
	Ready                    bool
	Created                  time.Time
}

// Container is one container, running or not.
type Container struct {
	ID, SandboxID        string
	Name, Pod, Namespace string
	Running              bool
	Created, Finished    time.Time // Finished is zero while it runs, or when it is not told
	Exit                 int
}

// Reader asks. Errors of a runtime that does not answer are ErrUnavailable.
type Reader interface {
	Info(ctx context.Context) (Info, error)
	// HasImage reports whether an image is there, by the reference that a pod
	// would name.
	HasImage(ctx context.Context, ref string) (bool, error)
	Sandboxes(ctx context.Context) ([]Sandbox, error)
	Containers(ctx context.Context) ([]Container, error)
}

// Writer does.
type Writer interface {
	PullImage(ctx context.Context, ref string) error
	// StopContainer ends a container: SIGTERM, and SIGKILL after the grace. One
	// that does not run, or is not there, is no error.
	StopContainer(ctx context.Context, id string, grace time.Duration) error
	// RemoveSandbox stops a sandbox with all in it and removes it. That it is
	// not there is no error.
	RemoveSandbox(ctx context.Context, id string) error
}

// Client reads and writes.
type Client interface {
	Reader
	Writer
}

// Unavailable is a runtime that nobody connected.
type Unavailable struct{}

var _ Client = Unavailable{}

// Info implements Reader.
func (Unavailable) Info(context.Context) (Info, error) { return Info{}, ErrUnavailable }

// HasImage implements Reader.
func (Unavailable) HasImage(context.Context, string) (bool, error) { return false, ErrUnavailable }

// Sandboxes implements Reader.
func (Unavailable) Sandboxes(context.Context) ([]Sandbox, error) { return nil, ErrUnavailable }

// Containers implements Reader.
func (Unavailable) Containers(context.Context) ([]Container, error) { return nil, ErrUnavailable }

// PullImage implements Writer.
func (Unavailable) PullImage(context.Context, string) error { return ErrUnavailable }

// StopContainer implements Writer.
func (Unavailable) StopContainer(context.Context, string, time.Duration) error {
	return ErrUnavailable
}

// RemoveSandbox implements Writer.
func (Unavailable) RemoveSandbox(context.Context, string) error { return ErrUnavailable }
