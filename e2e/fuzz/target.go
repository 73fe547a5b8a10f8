package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// target is one fuzz function.
type target struct{ pkg, name string }

func (t target) String() string { return strings.TrimPrefix(t.pkg, module) + "." + t.name }

const module = "github.com/clusteradm/clusteradm/"

var declaration = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(\w+ \*testing\.F\)`)

// find reads the tests of every package, those of the lab too.
func find(ctx context.Context) ([]target, error) {
	out, err := output(ctx, "go", "list", "-tags", "e2e", "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles", module+"...")
	if err != nil {
		return nil, err
	}
	var all []target
	for dec := json.NewDecoder(strings.NewReader(out)); ; {
		var p struct {
			ImportPath, Dir           string
			TestGoFiles, XTestGoFiles []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("find fuzz targets: %w", err)
		}
		for _, file := range append(p.TestGoFiles, p.XTestGoFiles...) {
			source, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				return nil, fmt.Errorf("find fuzz targets: %w", err)
			}
			for _, name := range targets(source) {
				all = append(all, target{p.ImportPath, name})
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.New("find fuzz targets: there are none")
	}
	return all, nil
}

func targets(source []byte) []string {
	var names []string
	for _, m := range declaration.FindAllSubmatch(source, -1) {
		names = append(names, string(m[1]))
	}
	return names
}

// fuzz runs the target and returns how often it was executed. What it printed
// is the error of one that failed; the input that did it is in its testdata.
// A run begins with the seeds alone and not with what earlier ones found: a
// short one would do nothing but go through that.
func (t target) fuzz(ctx context.Context, each time.Duration) (int, error) {
	corpus, err := os.MkdirTemp("", "clusteradm-fuzz-")
	if err != nil {
		return 0, fmt.Errorf("make corpus: %w", err)
	}
	defer os.RemoveAll(corpus)
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", each.String(), "-parallel", "1",
		"-fuzzminimizetime", "10x", t.pkg, // by default an input that reaches new code is made smaller for a minute
		"-args", "-test.fuzzcachedir="+corpus)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) } // so that its workers end too
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil && !timeOver.Match(out) {
		return 0, fmt.Errorf("%w\n%s", err, out)
	}
	n := executions(string(out))
	if n == 0 {
		return 0, fmt.Errorf("nothing was executed\n%s", out)
	}
	return n, nil
}

// timeOver is how go test before 1.27 may end at the end of the time with
// nothing found (go.dev/issue/75804). What a target itself finds or says comes
// between these two lines or after them.
var timeOver = regexp.MustCompile(`(?m)^--- FAIL: Fuzz\w+ \([\d.]+s\)\n    context deadline exceeded\nFAIL\n`)

var progress = regexp.MustCompile(`execs: (\d+)`)

// executions is the last count that go test told.
func executions(out string) int {
	all := progress.FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return 0
	}
	n, err := strconv.Atoi(all[len(all)-1][1])
	if err != nil {
		return 0
	}
	return n
}
