package session

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/preflight"
)

// NodeRuntime is a node's container runtime as its plans see it: with
// imagePullPolicy Always it has no image before it was pulled.
func (s *Session) NodeRuntime(n cluster.Node) cri.Client {
	runtime := s.Runtime(n.CRISocket)
	if n.ImagePullPolicy == string(corev1.PullAlways) {
		return cri.Afresh(runtime)
	}
	return runtime
}

// Image is what became of one image.
type Image struct {
	Ref    string
	Pulled bool // false: it was there
	Err    error
}

// PullImages carries out a phase of images. All are tried; what became of each
// is no error of the whole. It leaves no journal: images are not taken back.
func (s *Session) PullImages(ctx context.Context, in plan.Input, phase plan.Phase) ([]Image, error) {
	p, err := plan.Build(phase.Name, []plan.Phase{phase}, in, nil)
	if err != nil || len(p.Groups) == 0 {
		return nil, err
	}
	e, done := s.Engine(world.Parts{Runtime: s.NodeRuntime(in.Node)})
	defer done()
	sink := &pulls{Sink: e.Sink, quiet: s.Format != "json", started: map[string]bool{}}
	e.Sink, e.Begin = sink, nil
	_, err = e.Apply(ctx, p)
	if cause := ctx.Err(); cause != nil {
		return nil, fmt.Errorf("pull images: %w", cause) // nothing to go on with, nothing to roll back
	}
	failed := map[string]error{}
	if stopped := (*engine.StoppedError)(nil); errors.As(err, &stopped) {
		for _, f := range stopped.Failed {
			failed[f.Step] = f.Err
		}
	}
	if err != nil && len(failed) == 0 {
		return nil, err
	}
	var images []Image
	for _, g := range p.Groups {
		for _, step := range g.Steps {
			if image, ok := step.Effect.(effect.Image); ok {
				err := failed[step.ID]
				images = append(images, Image{Ref: image.Ref, Pulled: sink.started[step.ID] && err == nil, Err: err})
			}
		}
	}
	return images, nil
}

// pulls passes on what is said of steps: pulling is a part of another command,
// which has a beginning and an end of its own. For people an image that failed
// is told once, with the others.
type pulls struct {
	event.Sink
	quiet   bool
	started map[string]bool
}

// Emit implements event.Sink.
func (p *pulls) Emit(e event.Event) {
	switch {
	case e.Kind == event.PlanStarted, e.Kind == event.Finished, p.quiet && e.Error != "":
		return
	case e.Kind == event.StepStarted:
		p.started[e.Step] = true
	}
	p.Sink.Emit(e)
}

// PreflightImages pulls the images of the preflight phase, if it is among some. Those that
// cannot be pulled are findings of the check ImagePull, so that they can be
// ignored like any other: the kubelet will try again.
func (s *Session) PreflightImages(ctx context.Context, in plan.Input, some []plan.Phase) error {
	at := slices.IndexFunc(some, func(p plan.Phase) bool { return p.Name == "preflight" })
	if at < 0 {
		return nil
	}
	images, err := s.PullImages(ctx, in, some[at])
	if err != nil {
		return err
	}
	var failed []preflight.PullFailure
	unavailable := false
	for _, image := range images {
		gone := errors.Is(image.Err, cri.ErrUnavailable)
		if image.Err == nil || gone && unavailable { // one runtime, one finding
			continue
		}
		unavailable = unavailable || gone
		failed = append(failed, preflight.PullFailure{Image: image.Ref, Reason: image.Err.Error()})
	}
	findings, err := preflight.Run([]preflight.Check{preflight.ImagePull(failed)}, preflight.Subject{}, in.Node.IgnorePreflight)
	s.warnOf(findings)
	return err
}
