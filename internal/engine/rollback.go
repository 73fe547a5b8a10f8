package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/state"
)

// keepBlob keeps content from before a change on the host that it came from.
func (r *run) keepBlob(ctx context.Context, journal *state.Run, undo *plan.Undo) error {
	if undo.Blob == nil {
		return nil
	}
	sum := sha256.Sum256(undo.Blob)
	undo.Sum = hex.EncodeToString(sum[:])
	h := r.World.Mutate(undo.Host)
	private := host.Attr{Mode: 0o700}
	for _, dir := range []string{path.Dir(journal.Blobs()), journal.Blobs()} {
		if err := h.Mkdir(ctx, dir, private); err != nil {
			return fmt.Errorf("keep content of %s: %w", undo.Key, err)
		}
	}
	err := h.WriteFiles(ctx, []host.File{{Path: path.Join(journal.Blobs(), undo.Sum), Content: undo.Blob, Attr: host.Attr{Mode: 0o600}}})
	if err != nil {
		return fmt.Errorf("keep content of %s: %w", undo.Key, err)
	}
	return nil
}

// NoWayBackError reports a change that cannot be taken back; what came after
// it was, what came before it stands.
type NoWayBackError struct {
	Step, Reason string
}

func (e *NoWayBackError) Error() string { return "roll back " + e.Step + ": " + e.Reason }

// Rollback takes back what a run changed, last first, up to the first change
// that cannot be. Interrupted, it goes on when run again.
func (e *Engine) Rollback(ctx context.Context, journal *state.Run) (Result, error) {
	changes := standing(journal.Entries)
	result := Result{Run: journal.ID, Steps: len(changes)}
	for _, entry := range slices.Backward(changes) {
		if entry.NoUndo != "" {
			return result, &NoWayBackError{Step: entry.Step, Reason: entry.NoUndo}
		}
		if entry.Undo == nil {
			return result, &NoWayBackError{Step: entry.Step, Reason: "what was there before is not recorded"}
		}
		undo := *entry.Undo
		if undo.Sum != "" {
			blob, err := e.World.Host(undo.Host).ReadFile(ctx, path.Join(journal.Blobs(), undo.Sum))
			if err != nil {
				return result, fmt.Errorf("roll back %s: %w", entry.Step, err)
			}
			undo.Blob = blob
		}
		if err := effect.Revert(ctx, e.World, undo); err != nil {
			return result, fmt.Errorf("roll back %s: %w", entry.Step, err)
		}
		if err := journal.Append(state.Entry{Time: e.Now(), Kind: state.Reverted, Step: entry.Step}); err != nil {
			return result, err
		}
		e.emit(event.Event{Kind: event.StepFinished, Run: journal.ID, Step: entry.Step, Host: undo.Host, Verb: "revert", Message: undo.Key})
		result.Changed++
	}
	return result, journal.Append(state.Entry{Time: e.Now(), Kind: state.RolledBack})
}

// standing are the changes of a run that were not taken back yet, in order. A
// step may be there more than once: a run goes on after an interruption, also
// one of its rollback.
func standing(entries []state.Entry) []state.Entry {
	var changes []state.Entry
	for _, entry := range entries {
		switch entry.Kind {
		case state.Intent:
			changes = append(changes, entry)
		case state.Reverted:
			for i, change := range slices.Backward(changes) {
				if change.Step == entry.Step {
					changes = slices.Delete(changes, i, i+1)
					break
				}
			}
		}
	}
	return changes
}
