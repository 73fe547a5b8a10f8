// Command demo makes a running cluster in a lab on this machine: one control
// plane and two workers with flannel, and a Service reached across nodes by
// its DNS name. It leaves the cluster up and says where its kubeconfig is.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

const lab = "demo"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}

func run(ctx context.Context) (err error) {
	if _, openErr := nodes.Open(lab); openErr == nil {
		if err := nodes.Remove(ctx, lab); err != nil {
			return err
		}
	}
	c, err := clusters.Up(ctx, lab, []string{"cp1", "w1", "w2"}, logf)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && os.Getenv("KEEP") == "" {
			// Interrupted or failed: nothing of the lab stays.
			_ = c.Down(context.WithoutCancel(ctx))
		}
	}()
	steps := []struct {
		what string
		do   func() error
	}{
		{"clusteradm init on cp1", func() error { _, err := c.Init(ctx); return err }},
		{"clusteradm join on w1", func() error { _, err := c.Join(ctx, c.Lab.Node("w1")); return err }},
		{"clusteradm join on w2", func() error { _, err := c.Join(ctx, c.Lab.Node("w2")); return err }},
		{"nodes Ready, CoreDNS available", func() error { return c.WaitReady(ctx, 2*time.Minute, "cp1", "w1", "w2") }},
		{"a pod on w2 reaches a Service on w1 by name", func() error { return c.ReachService(ctx, time.Minute, "w1", "w2") }},
	}
	for _, step := range steps {
		started := time.Now()
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		logf("%s: %s", step.what, time.Since(started).Round(10*time.Millisecond))
	}
	out, err := c.Kubectl(ctx, "get", "nodes,pods", "-A", "-o", "wide")
	if err != nil {
		return err
	}
	kubeconfig := filepath.Join(c.ControlPlane().Root(), strings.TrimPrefix(clusters.Kubeconfig, "/"))
	fmt.Printf("\n%s\nkubeconfig: %s\n\n  go run ./e2e/lab exec -name %s cp1 kubectl --kubeconfig %s get nodes\n  go run ./e2e/lab down -name %s\n",
		out, kubeconfig, lab, clusters.Kubeconfig, lab)
	return nil
}
