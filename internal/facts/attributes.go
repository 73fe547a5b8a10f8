package facts

import (
	"context"
	"fmt"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/host"
)

// Attributes adds mode, owner and link target of paths to f.Files, those that
// exist.
func Attributes(ctx context.Context, h host.Reader, f *cluster.HostFacts, paths []string) error {
	digests, err := h.Digest(ctx, paths)
	if err != nil {
		return fmt.Errorf("gather facts of %s: %w", h.Name(), err)
	}
	for p, d := range digests {
		fact := cluster.FileFact{Dir: d.Mode.IsDir(), Size: d.Size, Mode: uint32(d.Mode.Perm()), Changed: d.Changed, UID: d.UID, GID: d.GID}
		if d.Sum == "" && !fact.Dir {
			info, err := h.Stat(ctx, p)
			if err != nil {
				return fmt.Errorf("gather facts of %s: %w", h.Name(), err)
			}
			fact.Target = info.Target
		}
		f.Files[p] = fact
	}
	return nil
}
