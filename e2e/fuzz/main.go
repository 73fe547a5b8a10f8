// Command fuzz finds every fuzz target of the module and runs each for a time,
// two at once. `make test` gives ten seconds to each; `make soak` ten minutes
// and a file to write, by which an interrupted run goes on with the targets
// that have not been fuzzed at this commit.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	each := flag.Duration("time", 10*time.Second, "time for each target")
	parallel := flag.Int("parallel", 2, "targets at once")
	proof := flag.String("proof", "", "file to write what was run to, and to go on from")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *each, *parallel, *proof); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, each time.Duration, parallel int, proof string) error {
	targets, err := find(ctx)
	if err != nil {
		return err
	}
	commit, err := output(ctx, "git", "rev-parse", "--short", "HEAD")
	if err != nil {
		return err
	}
	report := newReport(proof, strings.TrimSpace(commit), each)
	targets = slices.DeleteFunc(targets, report.has)
	var group sync.WaitGroup
	var lock sync.Mutex
	var failed []string
	queue := make(chan target)
	for range parallel {
		group.Go(func() {
			for t := range queue {
				executions, err := t.fuzz(ctx, each)
				lock.Lock()
				if err != nil {
					failed = append(failed, t.String())
					fmt.Printf("FAIL %s\n%v\n", t, err)
				} else {
					fmt.Printf("ok   %s: %d executions in %s\n", t, executions, each)
					err = report.add(t, executions)
				}
				if err != nil && len(failed) == 0 {
					failed = append(failed, err.Error())
				}
				lock.Unlock()
			}
		})
	}
	for _, t := range targets {
		if ctx.Err() == nil {
			queue <- t
		}
	}
	close(queue)
	group.Wait()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("fuzz: %w", err)
	}
	if len(failed) > 0 {
		return fmt.Errorf("fuzz: failed: %s", strings.Join(failed, ", "))
	}
	return nil
}

func output(ctx context.Context, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("run %s: %w", strings.Join(argv, " "), err)
	}
	return string(out), nil
}
