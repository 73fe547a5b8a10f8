package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine is what the figures depend on.
type Machine struct {
	Cores     int    `json:"cores"`
	Processor string `json:"processor"`
	Memory    int64  `json:"memoryMiB"`
	Kernel    string `json:"kernel"`
}

func thisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Processor: field("/proc/cpuinfo", "model name")}
	kib, _, _ := strings.Cut(field("/proc/meminfo", "MemTotal"), " ")
	if n, err := strconv.ParseInt(kib, 10, 64); err == nil {
		m.Memory = n / 1024
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return m
}

// field reads "name : value" out of a file of /proc.
func field(path, name string) string {
	data, _ := os.ReadFile(path)
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// commit names what is measured: a commit, or one with changes on top.
func commit(ctx context.Context, root, revision string) (string, error) {
	asked := revision
	if asked == "" {
		asked = "HEAD"
	}
	out, err := git(ctx, root, "rev-parse", "--short", asked)
	if err != nil || revision != "" {
		return out, err
	}
	changes, err := git(ctx, root, "status", "--porcelain", "--", ".", ":!docs", ":!e2e")
	if changes != "" {
		out += " with changes that are not committed"
	}
	return out, err
}

func git(ctx context.Context, root string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("run git %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}

// quiet waits until the processors are mostly idle, but not for ever: other
// work on this machine is not ours to stop. It returns the busy share of the
// last look, in percent, so that the report can tell.
func quiet(ctx context.Context) (float64, error) {
	const enough, looks = 35, 30
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	busy, total, err := processorTime()
	if err != nil {
		return 0, err
	}
	share := 100.0
	for range looks {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-ticker.C:
		}
		b, t, err := processorTime()
		if err != nil {
			return 0, err
		}
		if t > total {
			share = 100 * (b - busy) / (t - total)
		}
		if share < enough {
			return share, nil
		}
		busy, total = b, t
	}
	return share, nil
}

func processorTime() (busy, total float64, err error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, fmt.Errorf("read processor time: %w", err)
	}
	return parseProcessorTime(string(data))
}

// parseProcessorTime reads the line "cpu user nice system idle iowait …".
func parseProcessorTime(stat string) (busy, total float64, err error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 6 || fields[0] != "cpu" {
		return 0, 0, fmt.Errorf("read processor time: unexpected line %q", line)
	}
	for i, f := range fields[1:] {
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read processor time: %w", err)
		}
		if total += n; i != 3 && i != 4 {
			busy += n
		}
	}
	return busy, total, nil
}
