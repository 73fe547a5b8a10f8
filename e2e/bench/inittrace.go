package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// Package is what one package costs when the program starts, before main.
type Package struct {
	Path         string  `json:"path"`
	Milliseconds float64 `json:"ms"`
	Bytes        int     `json:"bytes"`
}

// initTrace asks the Go runtime for the packages that are slowest to start.
func initTrace(ctx context.Context, binary string) ([]Package, error) {
	cmd := exec.CommandContext(ctx, binary, "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("trace start-up: %w", err)
	}
	list := parseInitTrace(stderr.String())
	return list[:min(8, len(list))], nil
}

// parseInitTrace reads lines such as
// "init net/http @1.2 ms, 0.34 ms clock, 5678 bytes, 9 allocs", slowest first.
func parseInitTrace(text string) []Package {
	var list []Package
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 11 || f[0] != "init" || f[6] != "clock," {
			continue
		}
		ms, err1 := strconv.ParseFloat(f[4], 64)
		bytes, err2 := strconv.Atoi(f[7])
		if err1 == nil && err2 == nil {
			list = append(list, Package{f[1], ms, bytes})
		}
	}
	slices.SortStableFunc(list, func(a, b Package) int { return cmp.Compare(b.Milliseconds, a.Milliseconds) })
	return list
}
