package effect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/clusteradm/clusteradm/internal/plan"
)

// Aside is what was at a path and is kept at another, in the same directory: a
// directory that a disk is mounted on can be emptied that way and not renamed.
// Once something is there, what is at the path is something new and stays.
type Aside struct {
	Host     string
	Path, To string
}

type asideObserved struct{ there, kept bool }

// Key implements plan.Effect.
func (a Aside) Key() string { return "aside " + a.To }

// Observe implements plan.Effect.
func (a Aside) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	var o asideObserved
	for _, look := range []struct {
		path string
		is   *bool
	}{{a.Path, &o.there}, {a.To, &o.kept}} {
		_, err := v.Host(a.Host).Stat(ctx, look.path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, wrapObserve(a, err)
		}
		*look.is = err == nil
	}
	return o, nil
}

// Diff implements plan.Effect.
func (a Aside) Diff(observed plan.Observed) plan.Change {
	if o := observed.(asideObserved); !o.there || o.kept {
		return plan.Change{}
	}
	return plan.Change{Verb: plan.Update, Summary: fmt.Sprintf("%s is kept as %s", a.Path, a.To)}
}

// Apply implements plan.Effect.
func (a Aside) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	if a.Diff(observed).Empty() {
		return nil
	}
	return w.Mutate(a.Host).Rename(ctx, a.Path, a.To, false)
}
