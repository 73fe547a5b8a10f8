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

// binary is the program under test, built once: all scenarios of a run test
// the same one.
var binary string

func TestMain(m *testing.M) {
	root, err := clusters.Root()
	if err == nil {
		binary, err = clusters.Build(context.Background(), root)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// up boots a lab for one test and takes it down afterwards.
func up(t *testing.T, name string, nodes ...string) *clusters.Cluster {
	t.Helper()
	c, err := clusters.UpWith(t.Context(), binary, name, nodes, t.Logf)
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
	// partial is set by a scenario of which only a part was run.
	partial bool
}

// newProof begins the proof of a scenario. It is nil in a soak that has proved
// it at this commit already: a soak that was interrupted goes on with the rest.
func newProof(t *testing.T, name string) *proof {
	t.Helper()
	p := &proof{t: t, name: name}
	if soak {
		if text, err := os.ReadFile(p.path()); err == nil && strings.Contains(string(text), p.commit()) {
			t.Logf("%s is proved at this commit", p.path())
			return nil
		}
		t.Cleanup(p.write)
	}
	return p
}

func (p *proof) add(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	p.t.Log(line)
	p.lines = append(p.lines, line)
}

func (p *proof) path() string {
	root, err := clusters.Root()
	must(p.t, err)
	return filepath.Join(root, "docs", "proof", p.name+".md")
}

func (p *proof) commit() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	must(p.t, err)
	return "Commit " + strings.TrimSpace(string(out)) + ","
}

func (p *proof) write() {
	if p.t.Failed() || p.partial {
		return
	}
	text := fmt.Sprintf("# %s\n\n%s %s, command `make soak`.\n\n", p.name, p.commit(), time.Now().UTC().Format(time.RFC3339))
	for _, l := range p.lines {
		text += "- " + l + "\n"
	}
	must(p.t, os.MkdirAll(filepath.Dir(p.path()), 0o755))
	must(p.t, os.WriteFile(p.path(), []byte(text), 0o644))
}
