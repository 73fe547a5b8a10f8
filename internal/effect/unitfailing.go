package effect

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/clusteradm/clusteradm/internal/host"
)

// UnitFailingError reports a systemd unit that fails again and again, with the
// last that it said.
type UnitFailingError struct {
	Unit   string
	Result string // systemd's word: "exit-code", "oom-kill"
	Status string // exit code or signal of the main process
	Log    []string
}

func (e *UnitFailingError) Error() string {
	text := fmt.Sprintf("%s keeps failing (%s, status %s)", e.Unit, e.Result, e.Status)
	for _, line := range e.Log {
		text += "\n  | " + line
	}
	return text
}

// Hint is the command that shows more.
func (e *UnitFailingError) Hint() string { return "journalctl -u " + e.Unit + " -n 50" }

// UnitFailing returns a UnitFailingError if a unit that was started does not
// stay up: systemd has given up on it, or is about to start it for the third
// time since. A unit that failed once may have been too early for something;
// what happened before its last start by hand, as a packaged kubelet's waiting
// for its configuration, systemd does not count.
func UnitFailing(ctx context.Context, r host.Reader, unit string) error {
	res, err := r.Query(ctx, host.Cmd{Args: []string{"systemctl", "show", "--property=ActiveState,SubState,Result,NRestarts,ExecMainStatus", unit}})
	if err != nil {
		return fmt.Errorf("look at unit %s: %w", unit, err)
	}
	props := properties(res.Stdout)
	restarts, _ := strconv.Atoi(props["NRestarts"])
	again := props["SubState"] == "auto-restart" && props["Result"] != "success" && restarts > 0
	if props["ActiveState"] != "failed" && !again {
		return nil
	}
	failing := &UnitFailingError{Unit: unit, Result: props["Result"], Status: props["ExecMainStatus"]}
	// Without its log the unit fails all the same.
	if log, err := r.Query(ctx, host.Cmd{Args: []string{"journalctl", "--no-pager", "--output=cat", "--lines=40", "--unit=" + unit}}); err == nil {
		failing.Log = LastWords(unit, string(log.Stdout))
	}
	return failing
}

func properties(out []byte) map[string]string {
	props := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		props[name] = value
	}
	return props
}

const (
	wordLines  = 3
	wordLength = 300
)

// LastWords are the last lines of a unit's log that say why: errors in klog's
// form if there are any, since a usage text may follow them, without systemd's
// own.
func LastWords(unit, log string) []string {
	var lines, errors []string
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, " \r\n")
		if line == "" || strings.HasPrefix(line, unit+": ") || strings.HasPrefix(line, "Started ") || strings.HasPrefix(line, "Stopped ") {
			continue
		}
		if len(line) > wordLength {
			line = line[:wordLength] + "…"
		}
		lines = append(lines, line)
		if line[0] == 'E' || line[0] == 'F' {
			if len(line) > 4 && strings.Trim(line[1:5], "0123456789") == "" {
				errors = append(errors, line)
			}
		}
	}
	if len(errors) > 0 {
		lines = errors
	}
	return lines[max(0, len(lines)-wordLines):]
}
