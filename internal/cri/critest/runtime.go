// Package critest is a container runtime in memory. It runs nothing: it keeps
// what there is and forgets what is removed.
package critest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clusteradm/clusteradm/internal/cri"
)

// Runtime is a fake runtime. The zero value does not answer; see New.
type Runtime struct {
	mu         sync.Mutex
	up         bool
	About      cri.Info
	images     map[string]bool
	sandboxes  map[string]cri.Sandbox
	containers map[string]cri.Container
	// Pullable are the images that a pull finds; nil finds all.
	Pullable map[string]bool
	// Pulling, when set, is called before a pull, without a lock held: a network
	// takes its time.
	Pulling func(ctx context.Context, ref string)
	// Restarted, when set, is called after a container was stopped, without a
	// lock held: a kubelet would start another.
	Restarted func(cri.Container)
	removals  int
	failAt    int
	failWith  error
}

var _ cri.Client = (*Runtime)(nil)

// New returns an empty runtime that answers.
func New() *Runtime {
	return &Runtime{
		up:     true,
		About:  cri.Info{Name: "containerd", Version: "2.4.2", APIVersion: "v1", Ready: true, NetworkReady: true, CgroupDriver: "systemd"},
		images: map[string]bool{}, sandboxes: map[string]cri.Sandbox{}, containers: map[string]cri.Container{},
	}
}

// Down makes the runtime not answer.
func (r *Runtime) Down() { r.mu.Lock(); defer r.mu.Unlock(); r.up = false }

// FailAt makes the k-th removal of a sandbox, and all after it, fail in its
// place; 0 for none.
func (r *Runtime) FailAt(k int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.removals, r.failAt, r.failWith = 0, k, err
}

// Removals is how many sandboxes were to be removed.
func (r *Runtime) Removals() int { r.mu.Lock(); defer r.mu.Unlock(); return r.removals }

// AddImage adds images.
func (r *Runtime) AddImage(refs ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ref := range refs {
		r.images[ref] = true
	}
}

// AddSandbox adds or replaces a sandbox.
func (r *Runtime) AddSandbox(s cri.Sandbox) { r.mu.Lock(); defer r.mu.Unlock(); r.sandboxes[s.ID] = s }

// AddContainer adds or replaces a container.
func (r *Runtime) AddContainer(c cri.Container) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.containers[c.ID] = c
}

// Snapshot is all that is there but for what a runtime makes up or counts,
// IDs and times: equal for equal runtimes.
func (r *Runtime) Snapshot() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, ref := range slices.Sorted(maps.Keys(r.images)) {
		fmt.Fprintf(&b, "image %s\n", ref)
	}
	var pods []string
	for _, p := range r.sandboxes {
		pods = append(pods, fmt.Sprintf("sandbox %s/%s uid=%s ready=%t\n", p.Namespace, p.Name, p.UID, p.Ready))
	}
	for _, c := range r.containers {
		pods = append(pods, fmt.Sprintf("container %s/%s/%s running=%t exit=%d\n", c.Namespace, c.Pod, c.Name, c.Running, c.Exit))
	}
	slices.Sort(pods)
	b.WriteString(strings.Join(pods, ""))
	return b.String()
}

// ask runs f with the lock, if the runtime answers and ctx allows.
func (r *Runtime) ask(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.up {
		return cri.ErrUnavailable
	}
	return f()
}

// Info implements cri.Reader.
func (r *Runtime) Info(ctx context.Context) (info cri.Info, err error) {
	err = r.ask(ctx, func() error { info = r.About; return nil })
	return info, err
}

// HasImage implements cri.Reader.
func (r *Runtime) HasImage(ctx context.Context, ref string) (has bool, err error) {
	err = r.ask(ctx, func() error { has = r.images[ref]; return nil })
	return has, err
}

// Sandboxes implements cri.Reader.
func (r *Runtime) Sandboxes(ctx context.Context) (list []cri.Sandbox, err error) {
	err = r.ask(ctx, func() error {
		for _, id := range slices.Sorted(maps.Keys(r.sandboxes)) {
			list = append(list, r.sandboxes[id])
		}
		return nil
	})
	return list, err
}

// Containers implements cri.Reader.
func (r *Runtime) Containers(ctx context.Context) (list []cri.Container, err error) {
	err = r.ask(ctx, func() error {
		for _, id := range slices.Sorted(maps.Keys(r.containers)) {
			list = append(list, r.containers[id])
		}
		return nil
	})
	return list, err
}

// PullImage implements cri.Writer.
func (r *Runtime) PullImage(ctx context.Context, ref string) error {
	if r.Pulling != nil {
		r.Pulling(ctx, ref)
	}
	return r.ask(ctx, func() error {
		if r.Pullable != nil && !r.Pullable[ref] {
			return fmt.Errorf("pull image %s: not found", ref)
		}
		r.images[ref] = true
		return nil
	})
}

// StopContainer implements cri.Writer.
func (r *Runtime) StopContainer(ctx context.Context, id string, _ time.Duration) error {
	var stopped cri.Container
	err := r.ask(ctx, func() error {
		if c, ok := r.containers[id]; ok && c.Running {
			c.Running = false
			r.containers[id], stopped = c, c
		}
		return nil
	})
	if err == nil && stopped.ID != "" && r.Restarted != nil {
		r.Restarted(stopped)
	}
	return err
}

// RemoveSandbox implements cri.Writer.
func (r *Runtime) RemoveSandbox(ctx context.Context, id string) error {
	return r.ask(ctx, func() error {
		if r.removals++; r.failAt > 0 && r.removals >= r.failAt {
			return r.failWith
		}
		delete(r.sandboxes, id)
		maps.DeleteFunc(r.containers, func(_ string, c cri.Container) bool { return c.SandboxID == id })
		return nil
	})
}
