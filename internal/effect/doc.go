// Package effect is the closed set of things clusteradm can make so. Each
// observes truthfully before it acts, is idempotent, and (unless its steps say
// NoUndo) can be taken back from a self-contained record. All pass the
// contract suite in contract_test.go: observing changes nothing, applying
// converges, a second apply has nothing to do, undoing restores the exact
// machine, a cancelled context changes nothing.
//
// An effect decides nothing: what is wanted comes from a phase, and whether to
// act is the engine's to say.
package effect

import (
	"context"
	"fmt"

	"github.com/clusteradm/clusteradm/internal/plan"
)

// Revert takes one change back from its journalled record.
func Revert(ctx context.Context, w plan.World, u plan.Undo) error {
	switch u.Kind {
	case kindFile:
		return revertFile(ctx, w, u)
	case kindDir:
		return revertDir(ctx, w, u)
	case kindSymlink:
		return revertSymlink(ctx, w, u)
	case kindSysctl:
		return revertSysctl(ctx, w, u)
	case kindModule:
		return revertModule(ctx, w, u)
	case kindSwap:
		return revertSwap(ctx, w, u)
	case kindFields:
		return revertFields(ctx, w, u)
	default:
		return fmt.Errorf("revert %s: unknown kind %q; the journal was written by another version", u.Key, u.Kind)
	}
}
