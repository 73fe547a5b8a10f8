package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// report is the proof as it grows: a line for each target that was clean.
type report struct {
	path  string
	head  string
	lines []string
}

// newReport goes on with a file that was written at the same commit and for
// the same time; without a path nothing is written.
func newReport(path, commit string, each time.Duration) *report {
	r := &report{path: path, head: fmt.Sprintf("# fuzz\n\nCommit %s, command `make soak`: every fuzz target for %s, nothing found.\n\n", commit, each)}
	if path == "" {
		return r
	}
	if text, err := os.ReadFile(path); err == nil && strings.HasPrefix(string(text), r.head) {
		for line := range strings.Lines(strings.TrimPrefix(string(text), r.head)) {
			r.lines = append(r.lines, strings.TrimSpace(line))
		}
	}
	return r
}

func (r *report) has(t target) bool {
	return slices.ContainsFunc(r.lines, func(line string) bool { return strings.HasPrefix(line, prefix(t)) })
}

func prefix(t target) string { return "- `" + t.String() + "`: " }

func (r *report) add(t target, executions int) error {
	if r.path == "" {
		return nil
	}
	r.lines = append(r.lines, fmt.Sprintf("%s%d executions", prefix(t), executions))
	slices.Sort(r.lines)
	if err := os.MkdirAll(filepath.Dir(r.path), 0o755); err != nil {
		return fmt.Errorf("write proof: %w", err)
	}
	if err := os.WriteFile(r.path, []byte(r.head+strings.Join(r.lines, "\n")+"\n"), 0o644); err != nil {
		return fmt.Errorf("write proof: %w", err)
	}
	return nil
}
