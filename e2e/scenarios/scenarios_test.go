//go:build e2e

// Package scenarios is what the project promises, seen on real machines in the
// lab. `make test` runs one scenario a capability and a few seeded kills;
// `make soak` (build tag soak) runs all that is claimed and writes docs/proof.
package scenarios

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
)

// up boots a lab for one test and takes it down afterwards.
func up(t *testing.T, name string, nodes ...string) *clusters.Cluster {
	t.Helper()
	c, err := clusters.Up(t.Context(), name, nodes, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// budget fails a scenario that takes longer than it should: a hang or a change
// for the worse. It is generous, since machines are shared.
func budget(t *testing.T, limit time.Duration) {
	t.Helper()
	started := time.Now()
	t.Cleanup(func() {
		if took := time.Since(started); took > limit {
			t.Errorf("took %s, its budget is %s", took.Round(time.Second), limit)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func do(t *testing.T) func(string, error) string {
	return func(out string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// proof collects figures and, in soak, writes them to docs/proof.
type proof struct {
	t     *testing.T
	name  string
	lines []string
}

func newProof(t *testing.T, name string) *proof {
	p := &proof{t: t, name: name}
	t.Cleanup(p.write)
	return p
}

func (p *proof) add(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	p.t.Log(line)
	p.lines = append(p.lines, line)
}

func (p *proof) write() {
	if !soak || p.t.Failed() {
		return
	}
	root, err := clusters.Root()
	must(p.t, err)
	commit, err := exec.Command("git", "-C", root, "rev-parse", "--short", "HEAD").Output()
	must(p.t, err)
	text := fmt.Sprintf("# %s\n\nCommit %s, %s, command `make soak`.\n\n", p.name, strings.TrimSpace(string(commit)), time.Now().UTC().Format(time.RFC3339))
	for _, l := range p.lines {
		text += "- " + l + "\n"
	}
	must(p.t, os.MkdirAll(filepath.Join(root, "docs", "proof"), 0o755))
	must(p.t, os.WriteFile(filepath.Join(root, "docs", "proof", p.name+".md"), []byte(text), 0o644))
}
