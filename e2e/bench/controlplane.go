package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// measureControlPlane joins a second control plane to one cluster, turn about,
// on a fresh machine each time. It leaves before the next comes.
func (s *session) measureControlPlane(ctx context.Context) (err error) {
	c, err := s.up(ctx, "bench-cp", "cp1", "cp2")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, down(ctx, c)) }()
	c.Endpoint = c.ControlPlane().Address() + ":6443"
	if _, err := c.InitFirst(ctx, clusters.Binary, ""); err != nil {
		return err
	}
	admin, err := clusters.OpenAPI(ctx, c.ControlPlane())
	if err != nil {
		return err
	}
	defer admin.Close()
	whole := Row{Name: "control-plane join to a voter and a ready API server", Unit: "s", Bar: Bar{Ratio: 1.3}}
	wall := Row{Name: "the control-plane join command itself", Unit: "s"}
	peak := Row{Name: "peak memory of a control-plane join", Unit: "MB"}
	n := c.Lab.Node("cp2")
	// The first fills the page cache with what both start; it counts for none.
	if _, _, _, err := s.controlPlaneOnce(ctx, c, admin, n, tools[1]); err != nil {
		return err
	}
	err = interleave(ctx, s.runs, func(round int, t tool) error {
		took, until, failure, err := s.controlPlaneOnce(ctx, c, admin, n, t)
		if err != nil {
			return err
		}
		whole.of(t).add(until.Seconds(), failure)
		wall.of(t).add(took.wall.Seconds(), failure)
		peak.of(t).add(float64(took.own)/megabyte, failure)
		s.logf("control plane %d: %s: voter and ready %.2f s, command %.2f s, %v", round+1, t, until.Seconds(), took.wall.Seconds(), failure)
		return nil
	})
	if err != nil {
		return err
	}
	s.report.Rows = append(s.report.Rows, whole, wall, peak)
	return nil
}

// controlPlaneOnce tells a failure of the tool from an error of the lab.
func (s *session) controlPlaneOnce(ctx context.Context, c *clusters.Cluster, admin *clusters.API, n *nodes.Node, t tool) (took timing, until time.Duration, failure, err error) {
	if err := c.Leave(ctx, n); err != nil {
		return took, 0, nil, err
	}
	if err := s.equip(ctx, n); err != nil {
		return took, 0, nil, err
	}
	if err := c.WriteControlPlaneConfig(ctx, n, "/root/join.yaml"); err != nil {
		return took, 0, nil, err
	}
	if _, err := onNode(ctx, n, t.path, "version"); err != nil {
		return took, 0, nil, err
	}
	if err := c.WaitControlPlanes(ctx, time.Minute, "cp1"); err != nil {
		return took, 0, nil, err
	}
	if err := s.settle(ctx); err != nil {
		return took, 0, nil, err
	}
	took, at, failure := seenDone(ctx, 3*time.Minute,
		func(limit context.Context) (time.Time, error) { return whenVoter(limit, admin, c.ControlPlane(), n) },
		func(limit context.Context) (timing, error) {
			return onNode(limit, n, t.path, "join", "--config", "/root/join.yaml")
		})
	return took, at.Sub(took.start), failure, ctx.Err()
}

// whenVoter is the moment from which the node's own API server was ready and
// etcd had the node's member as a voter. The API server is asked every 20 ms
// over connections of its own; etcdctl, which costs more, from then on: an API
// server is not ready over a learner.
func whenVoter(ctx context.Context, admin *clusters.API, from, n *nodes.Node) (time.Time, error) {
	a := admin.At(net.JoinHostPort(n.Address(), "6443"), new(net.Dialer).DialContext, time.Second)
	defer a.Close()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	var ready time.Time
	learner := false
	last := errors.New("not asked yet")
	for {
		select {
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("wait for a voter and a ready API server on %s: %w: %w", n.Name(), context.Cause(ctx), last)
		case <-ticker.C:
		}
		if ready.IsZero() {
			if _, last = a.Get(ctx, "/readyz"); last != nil {
				continue
			}
			ready = time.Now()
		}
		members, err := clusters.Members(ctx, from)
		if err != nil {
			last = err
			continue
		}
		if slices.ContainsFunc(members, func(m clusters.Member) bool { return m.Name == n.Name() && !m.IsLearner }) {
			if learner {
				ready = time.Now()
			}
			return ready, nil
		}
		last, learner = errors.New("the API server is ready and etcd's member no voter"), true
	}
}
