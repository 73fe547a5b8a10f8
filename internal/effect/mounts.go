package effect

import (
	"context"
	"fmt"
	"slices"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// Mounts is that nothing is mounted below a directory. What is mounted on the
// directory itself stays: it may be on a disk of its own.
type Mounts struct {
	Host  string
	Below string
	// Force and Detach are MNT_FORCE and MNT_DETACH: what to do with a mount
	// that does not answer, or is in use.
	Force, Detach bool
}

// Key implements plan.Effect.
func (m Mounts) Key() string { return "mounts below " + m.Below }

// Observe implements plan.Effect.
func (m Mounts) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	points, _, err := mountsBelow(ctx, v.Host(m.Host), m.Below)
	if err != nil {
		return nil, wrapObserve(m, err)
	}
	return points, nil
}

// Diff implements plan.Effect.
func (m Mounts) Diff(observed plan.Observed) plan.Change {
	points := observed.([]string)
	if len(points) == 0 {
		return plan.Change{}
	}
	return plan.Change{Verb: plan.Delete, Summary: fmt.Sprintf("%d mounts below %s", len(points), m.Below), Lines: removed("", points)}
}

// Apply implements plan.Effect. The last one mounted goes first: it may be on
// top of another. The kernel's own list has no links, so none is followed.
func (m Mounts) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	args := []string{"umount", "-c"}
	if m.Force {
		args = append(args, "-f")
	}
	if m.Detach {
		args = append(args, "-l")
	}
	for _, point := range slices.Backward(observed.([]string)) {
		if _, err := w.Mutate(m.Host).Run(ctx, host.Cmd{Args: append(slices.Clone(args), point)}); err != nil {
			return &BusyError{Point: point, Err: fmt.Errorf("unmount %s: %w", point, err)}
		}
	}
	return nil
}

// BusyError reports a mount that could not be unmounted, or that stands in the
// way of removing what is below it.
type BusyError struct {
	Point string
	Err   error
}

func (e *BusyError) Error() string { return e.Err.Error() }
func (e *BusyError) Unwrap() error { return e.Err }

// Hint is the command that shows who uses the mount.
func (e *BusyError) Hint() string {
	return "fuser -vm '" + e.Point + "'   # or unmountFlags: [MNT_DETACH] in a ResetConfiguration"
}

// removed are diff lines of what goes, below prefix.
func removed(prefix string, names []string) []string {
	lines := make([]string, 0, len(names))
	for _, name := range names {
		lines = append(lines, "-"+prefix+name)
	}
	return lines
}
