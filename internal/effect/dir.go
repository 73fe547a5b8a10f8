package effect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
)

const kindDir = "dir"

// Dir is one directory with its mode and owner. Missing parents are made, 0755.
// A link to a directory counts as one: /var/lib/kubelet may be on another disk.
type Dir struct {
	Host string
	Path string
	Attr host.Attr
	// Keep leaves one that is there as it is: its mode and owner are somebody's
	// choice.
	Keep bool
}

type dirObserved struct {
	exists bool
	info   host.Info
	// made lists what Mkdir will create, deepest first.
	made []string
}

// Key implements plan.Effect.
func (d Dir) Key() string { return "dir " + d.Path }

// Observe implements plan.Effect.
func (d Dir) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	h := v.Host(d.Host)
	info, err := follow(ctx, h, d.Path)
	if err == nil {
		if !info.Mode.IsDir() {
			return nil, fmt.Errorf("observe %s: is not a directory", d.Key())
		}
		return dirObserved{exists: true, info: info}, nil
	}
	var o dirObserved
	for p := d.Path; errors.Is(err, fs.ErrNotExist) && p != "/"; {
		o.made = append(o.made, p)
		p = path.Dir(p)
		_, err = h.Stat(ctx, p)
	}
	if err != nil {
		return nil, fmt.Errorf("observe %s: %w", d.Key(), err)
	}
	return o, nil
}

// maxLinks is where Linux gives up, too.
const maxLinks = 40

// follow is Stat of what a path leads to. A link to nothing is not "nothing
// there": Mkdir could not make it.
func follow(ctx context.Context, h host.Reader, p string) (host.Info, error) {
	info, err := h.Stat(ctx, p)
	for range maxLinks {
		if err != nil || info.Mode&fs.ModeSymlink == 0 {
			return info, err
		}
		link := p
		if p = info.Target; !path.IsAbs(p) {
			p = path.Join(path.Dir(link), p)
		}
		if info, err = h.Stat(ctx, p); errors.Is(err, fs.ErrNotExist) {
			return info, fmt.Errorf("%s is a link to %s, where nothing is", link, p)
		}
	}
	return info, syscall.ELOOP
}

// Diff implements plan.Effect.
func (d Dir) Diff(observed plan.Observed) plan.Change {
	o := observed.(dirObserved)
	switch {
	case !o.exists:
		return plan.Change{Verb: plan.Create, Summary: fmt.Sprintf("%s/, mode %04o", d.Path, d.Attr.Mode.Perm())}
	case d.Keep:
	case o.info.Mode.Perm() != d.Attr.Mode.Perm():
		return plan.Change{Verb: plan.Update, Summary: fmt.Sprintf("%s/: mode %04o, want %04o", d.Path, o.info.Mode.Perm(), d.Attr.Mode.Perm())}
	case o.info.UID != d.Attr.UID || o.info.GID != d.Attr.GID:
		return plan.Change{Verb: plan.Update, Summary: fmt.Sprintf("%s/: owner %d:%d, want %d:%d", d.Path, o.info.UID, o.info.GID, d.Attr.UID, d.Attr.GID)}
	}
	return plan.Change{}
}

// Apply implements plan.Effect.
func (d Dir) Apply(ctx context.Context, w plan.World, _ plan.Observed) error {
	return w.Mutate(d.Host).Mkdir(ctx, d.Path, d.Attr)
}

type dirUndo struct {
	Made []string    `json:"made,omitempty"`
	Mode fs.FileMode `json:"mode,omitempty"`
	UID  int         `json:"uid,omitempty"`
	GID  int         `json:"gid,omitempty"`
}

// Undo implements plan.Undoer.
func (d Dir) Undo(observed plan.Observed) (plan.Undo, error) {
	o := observed.(dirObserved)
	data, err := json.Marshal(dirUndo{Made: o.made, Mode: o.info.Mode.Perm(), UID: o.info.UID, GID: o.info.GID})
	return plan.Undo{Kind: kindDir, Host: d.Host, Key: d.Path, Data: data}, err
}

// revertDir removes what was made only while it is empty: what others have put
// there since is theirs.
func revertDir(ctx context.Context, w plan.World, u plan.Undo) error {
	var before dirUndo
	if err := json.Unmarshal(u.Data, &before); err != nil {
		return fmt.Errorf("revert dir %s: %w", u.Key, err)
	}
	h := w.Mutate(u.Host)
	if len(before.Made) == 0 {
		return h.Mkdir(ctx, u.Key, host.Attr{Mode: before.Mode, UID: before.UID, GID: before.GID})
	}
	for _, p := range before.Made {
		entries, err := h.ReadDir(ctx, p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("revert dir %s: %w", u.Key, err)
		}
		if len(entries) > 0 {
			return nil
		}
		if err := h.Remove(ctx, p); err != nil {
			return fmt.Errorf("revert dir %s: %w", u.Key, err)
		}
	}
	return nil
}
