package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// measureJoin joins fresh workers to one cluster, turn about. Each leaves
// before the next comes, so that the cluster is the same for all.
func (s *session) measureJoin(ctx context.Context) (err error) {
	names := []string{"cp1"}
	for i := range 2 * s.runs {
		names = append(names, fmt.Sprintf("w%d", i+1))
	}
	c, err := s.up(ctx, "bench-j", names...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, down(ctx, c)) }()
	workers := c.Lab.Nodes()[1:]
	// Switched off until their turn: ten idle machines are not quite idle.
	for _, w := range workers {
		if err := w.Kill(ctx); err != nil {
			return err
		}
	}
	if _, err := c.Init(ctx); err != nil {
		return err
	}
	if err := c.WaitReady(ctx, 3*time.Minute, "cp1"); err != nil {
		return err
	}
	a, err := clusters.OpenAPI(ctx, c.ControlPlane())
	if err != nil {
		return err
	}
	defer a.Close()
	ready := Row{Name: "join to the Node's Ready condition", Unit: "s", Bar: Bar{Ratio: 1.0}}
	wall := Row{Name: "the join command itself", Unit: "s"}
	peak := Row{Name: "peak memory of join", Unit: "MB"}
	next := 0
	err = interleave(ctx, s.runs, func(round int, t tool) error {
		w := workers[next]
		next++
		took, until, failure, err := s.joinOnce(ctx, c, a, w, t)
		if err != nil {
			return err
		}
		ready.of(t).add(until.Seconds(), failure)
		wall.of(t).add(took.wall.Seconds(), failure)
		peak.of(t).add(float64(took.own)/megabyte, failure)
		s.logf("join %d: %s on %s: Ready %.2f s, command %.2f s, %v", round+1, t, w.Name(), until.Seconds(), took.wall.Seconds(), failure)
		if _, err := c.Kubectl(ctx, "delete", "node", w.Name(), "--ignore-not-found"); err != nil {
			return err
		}
		return w.Kill(ctx)
	})
	if err != nil {
		return err
	}
	s.report.Rows = append(s.report.Rows, ready, wall, peak)
	return nil
}

// joinOnce tells a failure of the tool from an error of the lab.
func (s *session) joinOnce(ctx context.Context, c *clusters.Cluster, a *clusters.API, w *nodes.Node, t tool) (took timing, until time.Duration, failure, err error) {
	if err := w.Start(ctx); err != nil {
		return took, 0, nil, err
	}
	if err := c.WriteJoinConfig(ctx, w, "/root/join.yaml"); err != nil {
		return took, 0, nil, err
	}
	if _, err := onNode(ctx, w, t.path, "version"); err != nil {
		return took, 0, nil, err
	}
	if err := c.WaitReady(ctx, time.Minute, "cp1"); err != nil {
		return took, 0, nil, err
	}
	if err := s.settle(ctx); err != nil {
		return took, 0, nil, err
	}
	took, at, failure := seenDone(ctx, 2*time.Minute,
		func(limit context.Context) (time.Time, error) { return whenReady(limit, a, w.Name()) },
		func(limit context.Context) (timing, error) {
			return onNode(limit, w, t.path, "join", "--config", "/root/join.yaml")
		})
	return took, at.Sub(took.start), failure, ctx.Err()
}

// seenDone runs a tool and says when what it is for was seen, which may be after
// its end. Once it failed nothing is waited for.
func seenDone(ctx context.Context, within time.Duration, see func(context.Context) (time.Time, error), run func(context.Context) (timing, error)) (took timing, at time.Time, failure error) {
	limit, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var unseen error
	done := make(chan struct{})
	go func() { defer close(done); at, unseen = see(limit) }()
	if took, failure = run(limit); failure != nil {
		cancel()
	}
	<-done
	return took, at, cmp.Or(failure, unseen)
}
