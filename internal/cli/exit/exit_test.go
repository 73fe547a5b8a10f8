package exit_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/state"
	"github.com/clusteradm/clusteradm/preflight"
)

func TestCode(t *testing.T) {
	plain := errors.New("plain")
	stopped := func(changed int, err error) error { return &engine.StoppedError{Changed: changed, Step: "s", Err: err} }
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"no error":                   {nil, 0},
		"any error":                  {plain, 1},
		"usage":                      {&exit.UsageError{Err: plain}, 2},
		"usage, wrapped":             {fmt.Errorf("x: %w", &exit.UsageError{Err: plain}), 2},
		"configuration":              {config.Errors{{Message: "wrong"}}, 2},
		"pending":                    {fmt.Errorf("x: %w", &exit.PendingError{Err: plain}), 3},
		"preflight":                  {&preflight.FailedError{}, 4},
		"locked":                     {fmt.Errorf("take lock: %w: init", state.ErrLocked), 5},
		"stopped part-way":           {stopped(1, plain), 6},
		"stopped before any change":  {stopped(0, plain), 1},
		"interrupted":                {context.Canceled, 130},
		"interrupted part-way":       {stopped(3, fmt.Errorf("wait: %w", context.Canceled)), 130},
		"too late":                   {stopped(3, context.DeadlineExceeded), 6},
		"too late before any change": {context.DeadlineExceeded, 1},
		"several at once":            {errors.Join(plain, stopped(1, plain)), 6},
		"configuration in a join":    {fmt.Errorf("read: %w", config.Errors{{Message: "wrong"}}), 2},
	} {
		if got := exit.Code(c.err); got != c.want {
			t.Errorf("%s: code %d, want %d", name, got, c.want)
		}
	}
}

// The help topic is the contract: every code is in it, and none else.
func TestDocHasEveryCode(t *testing.T) {
	want := []int{exit.OK, exit.Failure, exit.Usage, exit.Pending, exit.Preflight, exit.Locked, exit.Stopped, exit.Interrupted}
	lines := strings.Split(exit.Doc, "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines for %d codes", len(lines), len(want))
	}
	for i, line := range lines {
		code, meaning, _ := strings.Cut(line, " ")
		if code != strconv.Itoa(want[i]) || strings.TrimSpace(meaning) == "" {
			t.Errorf("line %q is not of code %d", line, want[i])
		}
	}
}

func TestUsageErrorHints(t *testing.T) {
	err := &exit.UsageError{Err: errors.New("unknown flag"), Help: "clusteradm --help"}
	if err.Error() != "unknown flag" || err.Hint() != "clusteradm --help" {
		t.Errorf("error %q, hint %q", err, err.Hint())
	}
}
