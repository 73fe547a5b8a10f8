package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/clusteradm/clusteradm/e2e/components"
)

// prepare builds what is measured and what measures into dir. With a revision,
// that commit is built, whatever the working tree holds at the moment.
func (s *session) prepare(ctx context.Context, root, dir, revision string) error {
	source := root
	if revision != "" {
		source = filepath.Join(dir, "source")
		if err := export(ctx, root, revision, source); err != nil {
			return err
		}
	}
	s.binary, s.stopwatch = filepath.Join(dir, "clusteradm"), filepath.Join(dir, "stopwatch")
	if err := build(ctx, source, "./cmd/clusteradm", s.binary); err != nil {
		return err
	}
	if err := build(ctx, root, "./e2e/bench/stopwatch", s.stopwatch); err != nil {
		return err
	}
	versions, err := components.VersionsFor(components.DefaultKubernetes)
	if err != nil {
		return err
	}
	s.bundle, err = components.Build(ctx, components.Config{Versions: versions, Logf: s.logf})
	return err
}

// build is `make build`: static, stripped.
func build(ctx context.Context, root, pkg, path string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", "grpcnotrace", "-ldflags", "-s -w", "-o", path, pkg)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// export writes the files of a commit into a new directory.
func export(ctx context.Context, root, revision, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("export commit: %w", err)
	}
	archive := filepath.Join(dir, "..", "source.tar")
	if _, err := git(ctx, root, "archive", "-o", archive, revision); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "tar", "-xf", archive, "-C", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("export commit: %w: %s", err, out)
	}
	return nil
}
