package effect

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// PodGone is a static pod, its manifest being gone, that the container runtime
// does not have any more. The kubelet ends such a pod by itself, and one that
// has is sure not to start it again. Where it has not, it is stopped first:
// it might not know yet.
type PodGone struct {
	Host  string
	Name  string        // of the component, and of its container
	Grace time.Duration // between SIGTERM and SIGKILL
}

type podGoneObserved struct {
	running   []cri.Container
	sandboxes []cri.Sandbox
}

// Key implements plan.Effect.
func (p PodGone) Key() string { return "no pod " + p.Name }

// Observe implements plan.Effect.
func (p PodGone) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	var o podGoneObserved
	containers, err := v.Runtime(p.Host).Containers(ctx)
	if err != nil {
		return nil, wrapObserve(p, err)
	}
	all, err := v.Runtime(p.Host).Sandboxes(ctx)
	if err != nil {
		return nil, wrapObserve(p, err)
	}
	in := map[string]bool{} // others may call their pods etcd-backup
	filled := map[string]bool{}
	for _, c := range containers {
		filled[c.SandboxID] = true
		if c.Name != p.Name || c.Namespace != "kube-system" || !strings.HasPrefix(c.Pod, p.Name+"-") {
			continue
		}
		in[c.SandboxID] = true
		if c.Running {
			o.running = append(o.running, c)
		}
	}
	for _, s := range all {
		if in[s.ID] || !filled[s.ID] && p.aboutToFill(s) {
			o.sandboxes = append(o.sandboxes, s)
		}
	}
	return o, nil
}

// aboutToFill reports a sandbox that is about to get the pod's container. That
// of a pod from the API server, of a job called etcd-backup, is not: its UID is
// a UUID, and a static pod's is a digest (pkg/kubelet/config/common.go).
func (p PodGone) aboutToFill(s cri.Sandbox) bool {
	return s.Namespace == "kube-system" && strings.HasPrefix(s.Name, p.Name+"-") && !strings.Contains(s.UID, "-")
}

// alive reports that nobody has ended the pod yet.
func (o podGoneObserved) alive() bool {
	return len(o.running) > 0 || slices.ContainsFunc(o.sandboxes, func(s cri.Sandbox) bool { return s.Ready })
}

// PodEnded reports that the kubelet has ended a static pod.
func PodEnded(ctx context.Context, v plan.View, host, name string) (bool, error) {
	observed, err := PodGone{Host: host, Name: name}.Observe(ctx, v)
	if err != nil {
		return false, err
	}
	return !observed.(podGoneObserved).alive(), nil
}

// Diff implements plan.Effect.
func (p PodGone) Diff(observed plan.Observed) plan.Change {
	if len(observed.(podGoneObserved).sandboxes) == 0 {
		return plan.Change{}
	}
	return plan.Change{Verb: plan.Stop, Summary: "pod " + p.Name}
}

// Apply implements plan.Effect. Removing a pod kills what runs in it; so that
// is ended before.
func (p PodGone) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	o, runtime := observed.(podGoneObserved), w.RuntimeWriter(p.Host)
	if o.alive() {
		kubelet := Stopped{Host: p.Host, Name: "kubelet.service"}
		if err := kubelet.Apply(ctx, w, nil); err != nil {
			return err
		}
	}
	for _, c := range o.running {
		if err := runtime.StopContainer(ctx, c.ID, p.Grace); err != nil {
			return fmt.Errorf("stop %s: %w", p.Name, err)
		}
	}
	for _, s := range o.sandboxes {
		if err := runtime.RemoveSandbox(ctx, s.ID); err != nil {
			return fmt.Errorf("remove pod %s/%s: %w", s.Namespace, s.Name, err)
		}
	}
	return nil
}
