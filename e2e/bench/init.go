package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

const rsa, ecdsa = "RSA-2048", "ECDSA-P256"

// algorithm is a line for the ClusterConfiguration; empty leaves the default.
func algorithm(name string) string {
	if name == "" {
		return ""
	}
	return "encryptionAlgorithm: " + name + "\n"
}

// measureInit measures init on a fresh node per run.
func (s *session) measureInit(ctx context.Context) error {
	wall := Row{Name: "init to healthy API, default algorithms", Unit: "s", Bar: Bar{Ratio: 1.4}}
	peak := Row{Name: "peak memory of init", Unit: "MB"}
	// The first fills the page cache with what both start; it counts for none.
	if _, _, err := s.initOnce(ctx, tools[1], ""); err != nil {
		return err
	}
	if err := s.initRuns(ctx, &wall, &peak, ""); err != nil {
		return err
	}
	s.report.Rows = append(s.report.Rows, wall)
	if s.full {
		same := Row{Name: "init to healthy API, both " + rsa, Unit: "s"}
		if err := s.initRuns(ctx, &same, nil, rsa); err != nil {
			return err
		}
		s.report.Rows = append(s.report.Rows, same)
	}
	s.report.Rows = append(s.report.Rows, peak)
	return nil
}

func (s *session) initRuns(ctx context.Context, wall, peak *Row, keys string) error {
	return interleave(ctx, s.runs, func(round int, t tool) error {
		took, failure, err := s.initOnce(ctx, t, keys)
		if err != nil {
			return err
		}
		wall.of(t).add(took.wall.Seconds(), failure)
		if peak != nil {
			peak.of(t).add(float64(took.own)/megabyte, failure)
		}
		s.logf("%s %d: %s: %.2f s, %v", wall.Name, round+1, t, took.wall.Seconds(), failure)
		return nil
	})
}

// initOnce tells a failure of the tool from an error of the lab.
func (s *session) initOnce(ctx context.Context, t tool, keys string) (took timing, failure, err error) {
	c, err := s.up(ctx, "bench-i", "cp1")
	if err != nil {
		return timing{}, nil, err
	}
	defer func() { err = errors.Join(err, down(ctx, c)) }()
	n := c.ControlPlane()
	if err := c.WriteInitConfig(ctx, n, "/root/init.yaml", false, algorithm(keys)); err != nil {
		return timing{}, nil, err
	}
	if _, err := onNode(ctx, n, t.path, "version"); err != nil {
		return timing{}, nil, err
	}
	if err := s.settle(ctx); err != nil {
		return timing{}, nil, err
	}
	limit, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	took, failure = onNode(limit, n, t.path, "init", "--config", "/root/init.yaml")
	if failure == nil {
		failure = checkInit(ctx, n)
	}
	return took, failure, ctx.Err()
}

// checkInit judges at once, without patience, what init left: who returned too
// early did not reach what is measured.
func checkInit(ctx context.Context, n *nodes.Node) error {
	a, err := clusters.OpenAPI(ctx, n)
	if err != nil {
		return err
	}
	defer a.Close()
	for _, path := range []string{
		"/readyz",
		"/apis/apps/v1/namespaces/kube-system/deployments/coredns",
		"/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy",
		"/api/v1/namespaces/kube-system/configmaps/kubeadm-config",
		"/api/v1/nodes/" + n.Name(),
	} {
		if _, err := a.Get(ctx, path); err != nil {
			return fmt.Errorf("check what init left: %w", err)
		}
	}
	for name, url := range map[string]string{
		"controller manager": "https://127.0.0.1:10257/healthz",
		"scheduler":          "https://127.0.0.1:10259/livez",
	} {
		if _, err := clusters.Must(ctx, n, "curl", "-sSkf", "--max-time", "5", url); err != nil {
			return fmt.Errorf("check what init left: %s: %w", name, err)
		}
	}
	return nil
}
