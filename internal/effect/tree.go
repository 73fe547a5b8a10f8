package effect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/plan"
)

// Tree is a file, or a directory with what is in it, that is not there any
// more. A directory that a link points to, or that something is mounted on, is
// emptied and stays. What is mounted below is never deleted: that is an error.
// Nothing of it is kept, so it cannot be taken back.
type Tree struct {
	Host string
	Path string
	// Names are what goes in the directory, and the directory only if nothing
	// else is in it; nil is everything, and an empty list leaves only an empty
	// directory to go. One that ends with * begins names.
	Names []string
	// Stays keeps the directory itself.
	Stays bool
}

type treeObserved struct {
	exists  bool
	file    bool     // or a link to one, or to nothing
	keep    bool     // the directory itself stays
	gone    []string // names of what is in it and goes
	others  int      // what is in it and stays
	mounted []string // below what goes
}

// Key implements plan.Effect.
func (t Tree) Key() string { return "tree " + t.Path }

// Observe implements plan.Effect.
func (t Tree) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	h := v.Host(t.Host)
	info, err := h.Stat(ctx, t.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return treeObserved{}, nil
	}
	if err != nil {
		return nil, wrapObserve(t, err)
	}
	link := info.Mode&fs.ModeSymlink != 0
	o := treeObserved{exists: true, keep: t.Stays || link}
	if !info.Mode.IsDir() && !link {
		o.file = true
		return o, nil
	}
	entries, err := h.ReadDir(ctx, t.Path)
	if link && err != nil {
		o.file = true
		return o, nil
	}
	if err != nil {
		return nil, wrapObserve(t, err)
	}
	for _, e := range entries {
		if t.goes(e.Name) {
			o.gone = append(o.gone, e.Name)
		} else {
			o.others++
		}
	}
	points, isMount, err := mountsBelow(ctx, h, t.Path)
	if err != nil {
		return nil, wrapObserve(t, err)
	}
	o.keep = o.keep || isMount
	real, err := realPath(ctx, h, t.Path)
	if err != nil {
		return nil, wrapObserve(t, err)
	}
	for _, p := range points {
		first, _, _ := strings.Cut(strings.TrimPrefix(p, strings.TrimSuffix(real, "/")+"/"), "/")
		if t.goes(first) {
			o.mounted = append(o.mounted, p)
		}
	}
	return o, nil
}

// goes reports whether an entry is one of those to be removed. A temporary file
// that an interrupted write left beside one is, too.
func (t Tree) goes(entry string) bool {
	return t.Names == nil || slices.ContainsFunc(t.Names, func(name string) bool {
		if begin, ok := strings.CutSuffix(name, "*"); ok {
			return strings.HasPrefix(entry, begin)
		}
		return entry == name || strings.HasPrefix(entry, "."+name+".clusteradm-")
	})
}

// Diff implements plan.Effect.
func (t Tree) Diff(observed plan.Observed) plan.Change {
	o := observed.(treeObserved)
	switch {
	case !o.exists, !o.file && len(o.gone) == 0 && (o.others > 0 || o.keep):
		return plan.Change{}
	case o.others > 0:
		return plan.Change{Verb: plan.Delete, Summary: fmt.Sprintf("%d of %d in %s", len(o.gone), len(o.gone)+o.others, t.Path), Lines: removed(t.Path+"/", o.gone)}
	}
	return plan.Change{Verb: plan.Delete, Summary: t.Path, Lines: removed(t.Path+"/", o.gone)}
}

// Apply implements plan.Effect.
func (t Tree) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	o := observed.(treeObserved)
	h := w.Mutate(t.Host)
	if len(o.mounted) > 0 {
		return &BusyError{Point: o.mounted[0], Err: fmt.Errorf("remove %s: %s is mounted below it, and what it holds would be deleted", t.Path, o.mounted[0])}
	}
	for _, name := range o.gone {
		if err := h.Remove(ctx, path.Join(t.Path, name)); err != nil {
			return err
		}
	}
	if o.file {
		return h.Remove(ctx, t.Path)
	}
	if o.keep || o.others > 0 {
		return nil
	}
	// Remove takes all that is in a directory: look again for what came since.
	if entries, err := h.ReadDir(ctx, t.Path); err != nil || len(entries) > 0 {
		return err
	}
	return h.Remove(ctx, t.Path)
}
