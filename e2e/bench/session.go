package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/components"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// stopwatchPath is where the stopwatch is on every node.
const stopwatchPath = "/usr/local/lib/stopwatch"

// tool is one of the two that are compared.
type tool struct {
	kubeadm bool
	path    string // on a node
}

func (t tool) String() string { return filepath.Base(t.path) }

var tools = [2]tool{{path: clusters.Binary}, {kubeadm: true, path: "/usr/bin/kubeadm"}}

// session is one run of the benchmarks.
type session struct {
	runs      int
	full      bool
	logf      func(string, ...any)
	binary    string // clusteradm, on this machine
	stopwatch string
	bundle    *components.Bundle
	report    *Report
}

// program is a tool's binary on this machine.
func (s *session) program(t tool) (string, error) {
	if t.kubeadm {
		return s.bundle.Binary("kubeadm")
	}
	return s.binary, nil
}

// interleave does one thing with both tools, n times: A B, B A, A B and so on,
// because what comes second in a round may find another machine. An error ends
// it; a tool that fails is no error but a failure in its series.
func interleave(ctx context.Context, n int, do func(round int, t tool) error) error {
	for round := range n {
		for i := range tools {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := do(round, tools[(round+i)%2]); err != nil {
				return err
			}
		}
	}
	return nil
}

// up boots a lab with both tools and the stopwatch on every node.
func (s *session) up(ctx context.Context, name string, names ...string) (*clusters.Cluster, error) {
	if err := nodes.Remove(ctx, name); err != nil && !errors.Is(err, nodes.ErrNoLab) {
		return nil, err
	}
	lab, err := nodes.Up(ctx, nodes.Config{Name: name, Nodes: names, Bundle: s.bundle, Storage: nodes.Memory, Logf: s.logf})
	if err != nil {
		return nil, err
	}
	c := &clusters.Cluster{Lab: lab, Versions: s.bundle.Versions(), Logf: s.logf}
	for _, n := range lab.Nodes() {
		if err := s.equip(ctx, n); err != nil {
			return nil, errors.Join(err, down(ctx, c))
		}
	}
	return c, nil
}

// equip puts clusteradm and the stopwatch on a node.
func (s *session) equip(ctx context.Context, n *nodes.Node) error {
	if err := n.CopyFile(ctx, s.binary, clusters.Binary); err != nil {
		return err
	}
	return n.CopyFile(ctx, s.stopwatch, stopwatchPath)
}

// down removes a lab, also when the run was interrupted.
func down(ctx context.Context, c *clusters.Cluster) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return c.Down(ctx)
}

// settle waits for a quiet machine and notes how quiet it was.
func (s *session) settle(ctx context.Context) error {
	share, err := quiet(ctx)
	if err == nil {
		s.report.Noise.add(share, nil)
	}
	return err
}

// timing is what the stopwatch said of one program.
type timing struct {
	start time.Time
	wall  time.Duration
	peak  int64 // bytes, of the program and those it ran
	own   int64 // bytes, of the program alone; of one that runs long enough to be looked at
}

// onNode runs a program on a node under the stopwatch.
func onNode(ctx context.Context, n *nodes.Node, argv ...string) (timing, error) {
	cmd := n.Command(ctx, append([]string{stopwatchPath}, argv...)...)
	return stopped(cmd.Cmd, cmd.Run, argv)
}

// here runs a program on this machine under the stopwatch.
func (s *session) here(ctx context.Context, argv ...string) (timing, error) {
	cmd := exec.CommandContext(ctx, s.stopwatch, argv...)
	return stopped(cmd, cmd.Run, argv)
}

func stopped(cmd *exec.Cmd, run func() error, argv []string) (timing, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return timing{}, fmt.Errorf("start stopwatch: %w", err)
	}
	defer read.Close()
	var output strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &output, &output, []*os.File{write}
	err = run()
	write.Close()
	if err != nil {
		return timing{}, fmt.Errorf("run %s: %w: %s", strings.Join(argv, " "), err, tail(output.String()))
	}
	var r struct{ Start, Wall, Peak, Own, Exit int64 }
	if err := json.NewDecoder(read).Decode(&r); err != nil {
		return timing{}, fmt.Errorf("read stopwatch: %w", err)
	}
	if r.Exit != 0 {
		return timing{}, fmt.Errorf("run %s: exit %d: %s", strings.Join(argv, " "), r.Exit, tail(output.String()))
	}
	return timing{time.Unix(0, r.Start), time.Duration(r.Wall), r.Peak, r.Own}, nil
}

// tail is the end of an output on one line, for the table of failures.
func tail(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return text[max(0, len(text)-400):]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

const megabyte = 1e6
