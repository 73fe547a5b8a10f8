package effect

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// StaticPod is a static pod, its manifest as it is, whose container runs with
// what its files now hold. A restart is due when the container was made before
// an input was last changed, or when it serves another certificate than the
// one on the disk.
//
// The container is ended through the runtime and the kubelet starts the next
// one: so it is a restart of the process and not of the pod. One that does not
// run although it should is started by a restart of the kubelet, which then
// forgets how long it wanted to wait before it tries again.
type StaticPod struct {
	Host string
	Name string // of the component, and of its container
	// Inputs are read once, when the process starts.
	Inputs []Input
	// Serving are certificates that the process is to serve.
	Serving []Serving
	Grace   time.Duration // between SIGTERM and SIGKILL
}

// Input is a file and, if it is known, what it will hold: a file that is about
// to be changed makes a restart due before it is.
type Input struct {
	Path string
	Sum  string // SHA-256 in hex, empty if it stays as it is
}

// Serving is a certificate file and where its certificate is to be seen.
type Serving struct{ Path, Addr string }

type staticPodObserved struct {
	container string // the running one, empty if none runs
	due       string // why a restart is due
}

// Key implements plan.Effect.
func (p StaticPod) Key() string { return "static pod " + p.Name }

// Observe implements plan.Effect.
func (p StaticPod) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	running, err := Running(ctx, v.Runtime(p.Host), p.Name)
	if err != nil {
		return nil, wrapObserve(p, err)
	}
	if running.ID == "" {
		return staticPodObserved{}, nil
	}
	o := staticPodObserved{container: running.ID}
	paths := make([]string, 0, len(p.Inputs))
	for _, in := range p.Inputs {
		paths = append(paths, in.Path)
	}
	digests, err := v.Host(p.Host).Digest(ctx, paths)
	if err != nil {
		return nil, wrapObserve(p, err)
	}
	for _, in := range p.Inputs {
		d, exists := digests[in.Path]
		switch {
		case exists && d.Changed.After(running.Created):
			o.due = in.Path + " changed after it was started"
		case in.Sum != "" && (!exists || d.Sum != in.Sum):
			o.due = in.Path + " is to be changed"
		default:
			continue
		}
		return o, nil
	}
	for _, s := range p.Serving {
		served, err := Serves(ctx, v, p.Host, s)
		if err != nil {
			return nil, wrapObserve(p, err)
		}
		if !served {
			o.due = "it does not serve the certificate in " + s.Path
			return o, nil
		}
	}
	return o, nil
}

// Running finds the running container of a static pod; the newest, should there
// be two. The zero value if there is none.
func Running(ctx context.Context, r cri.Reader, name string) (cri.Container, error) {
	containers, err := r.Containers(ctx)
	if err != nil {
		return cri.Container{}, err
	}
	var found cri.Container
	for _, c := range containers {
		if c.Running && c.Name == name && c.Namespace == "kube-system" && strings.HasPrefix(c.Pod, name+"-") && c.Created.After(found.Created) {
			found = c
		}
	}
	return found, nil
}

// Serves reports that the certificate in a file is served. A server that does
// not answer serves none.
func Serves(ctx context.Context, v plan.View, host string, s Serving) (bool, error) {
	data, err := v.Host(host).ReadFile(ctx, s.Path)
	if err != nil {
		return false, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return false, fmt.Errorf("read %s: no certificate in it", s.Path)
	}
	der, err := v.Served(ctx, host, s.Addr)
	if err != nil {
		return false, ctx.Err()
	}
	return bytes.Equal(der, block.Bytes), nil
}

// Diff implements plan.Effect.
func (p StaticPod) Diff(observed plan.Observed) plan.Change {
	o := observed.(staticPodObserved)
	switch {
	case o.container == "":
		return plan.Change{Verb: plan.Start, Summary: p.Name + ": it does not run"}
	case o.due != "":
		return plan.Change{Verb: plan.Restart, Summary: p.Name + ": " + o.due}
	}
	return plan.Change{}
}

// Apply implements plan.Effect.
func (p StaticPod) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	o := observed.(staticPodObserved)
	if o.container != "" {
		if o.due == "" {
			return nil
		}
		if err := w.RuntimeWriter(p.Host).StopContainer(ctx, o.container, p.Grace); err != nil {
			return fmt.Errorf("restart %s: %w", p.Name, err)
		}
		return nil
	}
	if _, err := w.Mutate(p.Host).Run(ctx, host.Cmd{Args: []string{"systemctl", "restart", "kubelet.service"}}); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	return nil
}
