package effect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/clusteradm/clusteradm/internal/plan"
)

const kindSymlink = "symlink"

// Symlink is a symbolic link. It exists for one thing: the kubelet keeps its
// client certificate behind kubelet-client-current.pem and refuses to rotate
// it when that is a regular file.
type Symlink struct {
	Host   string
	Path   string
	Target string // relative to the link's directory, or absolute
}

type symlinkObserved struct {
	exists bool
	target string
}

// Key implements plan.Effect.
func (l Symlink) Key() string { return "symlink " + l.Path }

// Observe implements plan.Effect.
func (l Symlink) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	info, err := v.Host(l.Host).Stat(ctx, l.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return symlinkObserved{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("observe %s: %w", l.Key(), err)
	}
	if info.Mode&fs.ModeSymlink == 0 {
		return nil, fmt.Errorf("observe %s: is not a symbolic link", l.Key())
	}
	return symlinkObserved{exists: true, target: info.Target}, nil
}

// Diff implements plan.Effect.
func (l Symlink) Diff(observed plan.Observed) plan.Change {
	o := observed.(symlinkObserved)
	switch {
	case !o.exists:
		return plan.Change{Verb: plan.Create, Summary: l.Path + " -> " + l.Target}
	case o.target != l.Target:
		return plan.Change{Verb: plan.Update, Summary: l.Path + " -> " + l.Target, Lines: []string{"-" + o.target, "+" + l.Target}}
	}
	return plan.Change{}
}

// Apply implements plan.Effect.
func (l Symlink) Apply(ctx context.Context, w plan.World, _ plan.Observed) error {
	return w.Mutate(l.Host).Link(ctx, l.Path, l.Target)
}

// Undo implements plan.Undoer.
func (l Symlink) Undo(observed plan.Observed) (plan.Undo, error) {
	data, err := json.Marshal(observed.(symlinkObserved).target)
	return plan.Undo{Kind: kindSymlink, Host: l.Host, Key: l.Path, Data: data}, err
}

func revertSymlink(ctx context.Context, w plan.World, u plan.Undo) error {
	var target string
	if err := json.Unmarshal(u.Data, &target); err != nil {
		return fmt.Errorf("revert symlink %s: %w", u.Key, err)
	}
	h := w.Mutate(u.Host)
	if target == "" {
		return h.Remove(ctx, u.Key)
	}
	return h.Link(ctx, u.Key, target)
}
