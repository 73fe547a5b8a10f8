package effect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
)

const kindFile = "file"

// File is one regular file: its bytes, mode and owner.
type File struct {
	Host    string
	Path    string
	Content secret.Bytes
	Attr    host.Attr
	// Shown lets a diff show lines of the content. Off for everything that
	// could hold a secret.
	Shown bool
	// Keep refuses to replace what is there: a key or certificate that exists
	// is never overwritten, whatever a plan says.
	Keep bool
}

type fileObserved struct {
	exists  bool
	info    host.Info
	content []byte
}

// Key implements plan.Effect.
func (f File) Key() string { return "file " + f.Path }

// File implements plan.FileEffect.
func (f File) File() host.File {
	return host.File{Path: f.Path, Content: f.Content.Reveal(), Attr: f.Attr}
}

// Observe implements plan.Effect.
func (f File) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	h := v.Host(f.Host)
	info, err := h.Stat(ctx, f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return fileObserved{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("observe %s: %w", f.Key(), err)
	}
	if info.Mode.IsDir() {
		return nil, fmt.Errorf("observe %s: is a directory", f.Key())
	}
	o := fileObserved{exists: true, info: info}
	if info.Mode.IsRegular() {
		if o.content, err = h.ReadFile(ctx, f.Path); err != nil {
			return nil, fmt.Errorf("observe %s: %w", f.Key(), err)
		}
	}
	if f.Keep && !bytes.Equal(o.content, f.Content.Reveal()) {
		return nil, fmt.Errorf("observe %s: it holds something else now, and is never overwritten; run the command again", f.Key())
	}
	return o, nil
}

// Diff implements plan.Effect.
func (f File) Diff(observed plan.Observed) plan.Change {
	o := observed.(fileObserved)
	if !o.exists {
		return plan.Change{Verb: plan.Create, Summary: fmt.Sprintf("%s, mode %04o", f.Path, f.Attr.Mode.Perm())}
	}
	if !o.info.Mode.IsRegular() {
		return plan.Change{Verb: plan.Update, Summary: f.Path + " is not a regular file"}
	}
	if !bytes.Equal(o.content, f.Content.Reveal()) {
		c := plan.Change{Verb: plan.Update, Summary: f.Path + ": content differs"}
		if f.Shown {
			c.Lines = diffLines(o.content, f.Content.Reveal())
		}
		return c
	}
	if o.info.Mode.Perm() != f.Attr.Mode.Perm() {
		return plan.Change{Verb: plan.Update, Summary: fmt.Sprintf("%s: mode %04o, want %04o", f.Path, o.info.Mode.Perm(), f.Attr.Mode.Perm())}
	}
	if o.info.UID != f.Attr.UID || o.info.GID != f.Attr.GID {
		return plan.Change{Verb: plan.Update, Summary: fmt.Sprintf("%s: owner %d:%d, want %d:%d", f.Path, o.info.UID, o.info.GID, f.Attr.UID, f.Attr.GID)}
	}
	return plan.Change{}
}

// Apply implements plan.Effect.
func (f File) Apply(ctx context.Context, w plan.World, _ plan.Observed) error {
	return w.Mutate(f.Host).WriteFiles(ctx, []host.File{f.File()})
}

type fileUndo struct {
	Existed bool        `json:"existed"`
	Mode    fs.FileMode `json:"mode,omitempty"`
	UID     int         `json:"uid,omitempty"`
	GID     int         `json:"gid,omitempty"`
	// Wrote is the digest of what the step was about to write: what is neither
	// that nor what was there before is somebody else's, and stays.
	Wrote string `json:"wrote,omitempty"`
}

// Undo implements plan.Undoer.
func (f File) Undo(observed plan.Observed) (plan.Undo, error) {
	o := observed.(fileObserved)
	switch {
	case o.exists && o.info.Mode&fs.ModeSymlink != 0:
		return Symlink{Host: f.Host, Path: f.Path}.Undo(symlinkObserved{exists: true, target: o.info.Target})
	case o.exists && !o.info.Mode.IsRegular():
		return plan.Undo{}, fmt.Errorf("record %s: is neither a regular file nor a link", f.Key())
	}
	u := plan.Undo{Kind: kindFile, Host: f.Host, Key: f.Path, Blob: o.content}
	data, err := json.Marshal(fileUndo{Existed: o.exists, Mode: o.info.Mode.Perm(), UID: o.info.UID, GID: o.info.GID, Wrote: f.Content.Digest()})
	u.Data = data
	return u, err
}

func revertFile(ctx context.Context, w plan.World, u plan.Undo) error {
	var before fileUndo
	if err := json.Unmarshal(u.Data, &before); err != nil {
		return fmt.Errorf("revert file %s: %w", u.Key, err)
	}
	h := w.Mutate(u.Host)
	if err := stillOurs(ctx, h, u, before); err != nil {
		return err
	}
	if !before.Existed {
		return h.Remove(ctx, u.Key)
	}
	return h.WriteFiles(ctx, []host.File{{Path: u.Key, Content: u.Blob,
		Attr: host.Attr{Mode: before.Mode, UID: before.UID, GID: before.GID}}})
}

// stillOurs refuses to take back a file that others have changed since.
func stillOurs(ctx context.Context, h host.Reader, u plan.Undo, before fileUndo) error {
	now, err := h.ReadFile(ctx, u.Key)
	switch {
	case errors.Is(err, fs.ErrNotExist) || before.Wrote == "":
		return nil
	case err != nil:
		return fmt.Errorf("revert file %s: %w", u.Key, err)
	case secret.NewBytes(now).Digest() == before.Wrote, before.Existed && bytes.Equal(now, u.Blob):
		return nil
	}
	return fmt.Errorf("revert file %s: it was changed since, so it stays as it is", u.Key)
}

// Wrote is which file the step of a record was about to write, and the digest
// of what; false for a record of anything else.
func Wrote(u plan.Undo) (path, sum string, ok bool) {
	var before fileUndo
	if u.Kind != kindFile || json.Unmarshal(u.Data, &before) != nil || before.Wrote == "" {
		return "", "", false
	}
	return u.Key, before.Wrote, true
}
