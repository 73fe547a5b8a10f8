package effect

import (
	"context"
	"fmt"
	"strings"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// Stopped is a systemd unit that does not run and that systemd is not about to
// start again. Whether it is enabled stays as it is. A unit that the machine
// does not have does not run.
type Stopped struct {
	Host string
	Name string
}

// Key implements plan.Effect.
func (s Stopped) Key() string { return "stopped " + s.Name }

// Observe implements plan.Effect.
func (s Stopped) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	res, err := v.Host(s.Host).Query(ctx, host.Cmd{Args: []string{"systemctl", "show", "--property=ActiveState", s.Name}})
	if err != nil {
		return nil, wrapObserve(s, err)
	}
	_, state, _ := strings.Cut(strings.TrimSpace(string(res.Stdout)), "=")
	return state, nil
}

// Diff implements plan.Effect.
func (s Stopped) Diff(observed plan.Observed) plan.Change {
	switch state := observed.(string); state {
	case "inactive", "failed", "":
		return plan.Change{}
	default:
		return plan.Change{Verb: plan.Stop, Summary: s.Name + " is " + state}
	}
}

// Apply implements plan.Effect.
func (s Stopped) Apply(ctx context.Context, w plan.World, _ plan.Observed) error {
	if _, err := w.Mutate(s.Host).Run(ctx, host.Cmd{Args: []string{"systemctl", "stop", s.Name}}); err != nil {
		return fmt.Errorf("stop unit %s: %w", s.Name, err)
	}
	return nil
}
