// Command bench measures clusteradm and the real kubeadm, interleaved on the
// same lab nodes, and prints a table with the bars that clusteradm has to
// reach. It refuses to hide: a failed run is reported as such, and a bar that
// was missed is a line of the table and not an exit code.
//
//	go run ./e2e/bench                    about ten minutes; needs root, as every lab
//	go run ./e2e/bench -only init,join    some of init, join, controlplane, keys, startup
//	go run ./e2e/bench -full -write       more rows; writes docs/benchmarks.md
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
)

// everything is what can be measured.
const everything = "init,join,controlplane,keys,startup"

type options struct {
	runs                   int
	full, write            bool
	output, only, revision string
}

func main() {
	var o options
	flag.IntVar(&o.runs, "runs", 5, "runs of each tool")
	flag.BoolVar(&o.full, "full", false, "also init with the same algorithm on both sides")
	flag.BoolVar(&o.write, "write", false, "write docs/benchmarks.md")
	flag.StringVar(&o.output, "o", "text", "text or json")
	flag.StringVar(&o.only, "only", everything, "what to measure")
	flag.StringVar(&o.revision, "commit", "", "measure this commit and not the working tree")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}

func run(ctx context.Context, o options) (err error) {
	only := strings.Split(o.only, ",")
	if o.runs < 1 || o.output != "text" && o.output != "json" || o.write && o.only != everything {
		return errors.New("read flags: want -runs of at least 1, -o text or json, and -write without -only")
	}
	root, err := clusters.Root()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	report := &Report{Date: time.Now().UTC(), Machine: thisMachine(), Runs: o.runs,
		Command: strings.Join(append([]string{"go run ./e2e/bench"}, os.Args[1:]...), " ")}
	if report.Commit, err = commit(ctx, root, o.revision); err != nil {
		return err
	}
	if o.revision != "" {
		o.revision = report.Commit // a branch may move on from here
	}
	s := &session{runs: o.runs, full: o.full, logf: logf, report: report}
	if err := s.prepare(ctx, root, dir, o.revision); err != nil {
		return err
	}
	v := s.bundle.Versions()
	report.Versions = fmt.Sprintf("Kubernetes and kubeadm %s, etcd %s, containerd %s, runc %s, CoreDNS %s, flannel %s", v.Kubernetes, v.Etcd, v.Containerd, v.Runc, v.CoreDNS, v.Flannel)
	for _, m := range []struct {
		name string
		do   func(context.Context) error
	}{{"init", s.measureInit}, {"join", s.measureJoin}, {"controlplane", s.measureControlPlane}, {"keys", s.measureKeys}, {"startup", s.measureStartUp}} {
		if !slices.Contains(only, m.name) {
			continue
		}
		if err := m.do(ctx); err != nil {
			_ = writeTable(os.Stderr, report.Rows) // what was measured until then
			return fmt.Errorf("measure %s: %w", m.name, err)
		}
	}
	if o.write {
		if err := os.WriteFile(filepath.Join(root, "docs", "benchmarks.md"), []byte(document(report)), 0o644); err != nil {
			return fmt.Errorf("write document: %w", err)
		}
	}
	if o.output == "json" {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	return writeTable(os.Stdout, report.Rows)
}
