package effect

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// Unit is a systemd unit that is enabled, active, and started after each of
// its Inputs was last changed. A restart is due when an input's ctime is later
// than the unit's start: no notification that a crash could lose, no stamp
// that an adopted machine would lack. Where an input is a drop-in of its own,
// systemd must have read it too: it may start the unit by itself before it has.
type Unit struct {
	Host   string
	Name   string
	Inputs []string
}

type unitObserved struct {
	enabled, active bool
	started         time.Time
	later           string // an input changed after the start
	unread          bool   // systemd has not read the unit as it is now
}

// Key implements plan.Effect.
func (u Unit) Key() string { return "unit " + u.Name }

// unitTime is how systemd prints --timestamp=us+utc; systemd 248 and later.
const unitTime = "Mon 2006-01-02 15:04:05.999999 UTC"

// Observe implements plan.Effect.
func (u Unit) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	h := v.Host(u.Host)
	res, err := h.Query(ctx, host.Cmd{Args: []string{"systemctl", "show", "--timestamp=us+utc",
		"--property=LoadState,UnitFileState,ActiveState,ExecMainStartTimestamp,NeedDaemonReload", u.Name}})
	if err != nil {
		return nil, wrapObserve(u, err)
	}
	props := properties(res.Stdout)
	if props["LoadState"] == "not-found" {
		// Its file is perhaps about to be written, by a step before this one.
		if slices.ContainsFunc(u.Inputs, func(p string) bool { return isUnitFile(p) && path.Base(p) == u.Name }) {
			return unitObserved{}, nil
		}
		return nil, wrapObserve(u, fmt.Errorf("systemd knows no such unit"))
	}
	o := unitObserved{enabled: props["UnitFileState"] == "enabled", active: props["ActiveState"] == "active", unread: props["NeedDaemonReload"] == "yes" && slices.ContainsFunc(u.Inputs, isUnitFile)}
	if !o.active {
		return o, nil
	}
	if o.started, err = startedAt(props); err != nil {
		return nil, wrapObserve(u, err)
	}
	digests, err := h.Digest(ctx, u.Inputs)
	if err != nil {
		return nil, wrapObserve(u, err)
	}
	for _, p := range u.Inputs {
		if d, ok := digests[p]; ok && d.Changed.After(o.started) {
			o.later = p
			break
		}
	}
	return o, nil
}

func isUnitFile(path string) bool { return strings.HasPrefix(path, "/etc/systemd/system/") }

func startedAt(props map[string]string) (time.Time, error) {
	at, err := time.Parse(unitTime, props["ExecMainStartTimestamp"])
	if err != nil {
		return at, fmt.Errorf("read start time: %w", err)
	}
	return at, nil
}

// UnitStarted is when a unit's process was started.
func UnitStarted(ctx context.Context, r host.Reader, unit string) (time.Time, error) {
	res, err := r.Query(ctx, host.Cmd{Args: []string{"systemctl", "show", "--timestamp=us+utc", "--property=ExecMainStartTimestamp", unit}})
	if err != nil {
		return time.Time{}, fmt.Errorf("look at unit %s: %w", unit, err)
	}
	at, err := startedAt(properties(res.Stdout))
	if err != nil {
		return at, fmt.Errorf("look at unit %s: %w", unit, err)
	}
	return at, nil
}

// Diff implements plan.Effect.
func (u Unit) Diff(observed plan.Observed) plan.Change {
	o := observed.(unitObserved)
	switch {
	case !o.active:
		return plan.Change{Verb: plan.Start, Summary: u.Name}
	case o.later != "":
		return plan.Change{Verb: plan.Restart, Summary: u.Name + ": " + o.later + " changed after it was started"}
	case o.unread:
		return plan.Change{Verb: plan.Restart, Summary: u.Name + ": systemd has not read its drop-ins as they are"}
	case !o.enabled:
		return plan.Change{Verb: plan.Update, Summary: u.Name + " is not enabled"}
	}
	return plan.Change{}
}

// Apply implements plan.Effect.
func (u Unit) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	o := observed.(unitObserved)
	h := w.Mutate(u.Host)
	if !o.enabled {
		if _, err := h.Run(ctx, host.Cmd{Args: []string{"systemctl", "enable", u.Name}}); err != nil {
			return fmt.Errorf("enable unit %s: %w", u.Name, err)
		}
	}
	if o.active && o.later == "" && !o.unread {
		return nil
	}
	// One that systemd is about to start again after a failure is not active
	// either; restart serves that and the first start alike.
	for _, args := range [][]string{{"systemctl", "daemon-reload"}, {"systemctl", "restart", u.Name}} {
		if _, err := h.Run(ctx, host.Cmd{Args: args}); err != nil {
			return fmt.Errorf("start unit %s: %w", u.Name, err)
		}
	}
	return nil
}
