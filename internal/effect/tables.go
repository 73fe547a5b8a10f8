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
	"github.com/clusteradm/clusteradm/internal/procfs"
)

// Tables is that nftables has no tables of these names, "ip kube-proxy".
type Tables struct {
	Host  string
	Names []string
}

// Key implements plan.Effect.
func (t Tables) Key() string { return "nft tables " + strings.Join(t.Names, ", ") }

// Observe implements plan.Effect.
func (t Tables) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	res, err := v.Host(t.Host).Query(ctx, host.Cmd{Args: []string{"nft", "list", "tables"}})
	if errors.Is(err, fs.ErrNotExist) {
		return []string(nil), nil // not installed
	}
	if err != nil {
		return nil, wrapObserve(t, err)
	}
	found := procfs.Tables(string(res.Stdout))
	return slices.DeleteFunc(found, func(name string) bool { return !slices.Contains(t.Names, name) }), nil
}

// Diff implements plan.Effect.
func (t Tables) Diff(observed plan.Observed) plan.Change {
	found := observed.([]string)
	if len(found) == 0 {
		return plan.Change{}
	}
	return plan.Change{Verb: plan.Delete, Summary: fmt.Sprintf("%d nft tables", len(found)), Lines: removed("table ", found)}
}

// Apply implements plan.Effect.
func (t Tables) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	for _, name := range observed.([]string) {
		args := append([]string{"nft", "delete", "table"}, strings.Fields(name)...)
		if _, err := w.Mutate(t.Host).Run(ctx, host.Cmd{Args: args}); err != nil {
			return fmt.Errorf("delete nft table %s: %w", name, err)
		}
	}
	return nil
}
