package effect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// NoDropIn is a drop-in that a systemd unit does not have: the file is not
// there, and systemd, which keeps what it has read, does not go by it any more.
type NoDropIn struct {
	Host string
	Unit string
	Path string
}

type noDropInObserved struct{ exists, read bool }

// Key implements plan.Effect.
func (d NoDropIn) Key() string { return "no drop-in " + d.Path }

// Observe implements plan.Effect.
func (d NoDropIn) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	h := v.Host(d.Host)
	_, err := h.Stat(ctx, d.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, wrapObserve(d, err)
	}
	res, asked := h.Query(ctx, host.Cmd{Args: []string{"systemctl", "show", "--property=DropInPaths", d.Unit}})
	if asked != nil {
		return nil, wrapObserve(d, asked)
	}
	_, paths, _ := strings.Cut(strings.TrimSpace(string(res.Stdout)), "=")
	return noDropInObserved{exists: err == nil, read: slices.Contains(strings.Fields(paths), d.Path)}, nil
}

// Diff implements plan.Effect.
func (d NoDropIn) Diff(observed plan.Observed) plan.Change {
	switch o := observed.(noDropInObserved); {
	case o.exists:
		return plan.Change{Verb: plan.Delete, Summary: d.Path}
	case o.read:
		return plan.Change{Verb: plan.Update, Summary: d.Unit + ": systemd still goes by " + d.Path}
	}
	return plan.Change{}
}

// Apply implements plan.Effect.
func (d NoDropIn) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	h := w.Mutate(d.Host)
	if observed.(noDropInObserved).exists {
		if err := h.Remove(ctx, d.Path); err != nil {
			return err
		}
	}
	if _, err := h.Run(ctx, host.Cmd{Args: []string{"systemctl", "daemon-reload"}}); err != nil {
		return fmt.Errorf("have systemd forget %s: %w", d.Path, err)
	}
	return nil
}
