package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// measureStartUp measures the smallest command on this machine, no node between.
func (s *session) measureStartUp(ctx context.Context) error {
	wall := Row{Name: "start-up (version)", Unit: "ms", Bar: Bar{Ratio: 2}}
	peak := Row{Name: "peak memory of version", Unit: "MB"}
	size := Row{Name: "binary", Unit: "MB", Bar: Bar{Below: 60}}
	for _, t := range tools {
		path, err := s.program(t)
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("measure binary: %w", err)
		}
		size.of(t).add(float64(info.Size())/megabyte, nil)
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	const warm = 3
	err := interleave(ctx, max(15, 5*s.runs)+warm, func(round int, t tool) error {
		path, err := s.program(t)
		if err != nil {
			return err
		}
		// Twice: os/exec alone for the time, the stopwatch for the memory.
		cmd := exec.CommandContext(ctx, path, "version")
		started := time.Now()
		err = cmd.Run()
		took := time.Since(started)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if round < warm {
			return nil
		}
		wall.of(t).add(milliseconds(took), err)
		used, err := s.here(ctx, path, "version")
		peak.of(t).add(float64(used.peak)/megabyte, err)
		return nil
	})
	if err != nil {
		return err
	}
	if s.report.InitTrace, err = initTrace(ctx, s.binary); err != nil {
		return err
	}
	s.report.Rows = append(s.report.Rows, wall, peak, size)
	return nil
}
