package effect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/procfs"
)

// mountInfo is the kernel's list of what this machine has mounted, oldest
// first, with all links followed.
const mountInfo = "/proc/self/mountinfo"

// mountsBelow lists the mount points below dir, not dir itself, in the order in
// which they were mounted; isMount tells whether dir is one.
func mountsBelow(ctx context.Context, h host.Reader, dir string) (points []string, isMount bool, err error) {
	real, err := realPath(ctx, h, dir)
	if err != nil {
		return nil, false, err
	}
	data, err := h.ReadFile(ctx, mountInfo)
	if err != nil {
		return nil, false, err
	}
	for _, point := range procfs.MountPoints(string(data)) {
		switch {
		case point == real:
			isMount = true
		case strings.HasPrefix(point, strings.TrimSuffix(real, "/")+"/"):
			points = append(points, point)
		}
	}
	return points, isMount, nil
}

// realPath follows the links on the way to p and p itself. Of what is not there
// the rest stays as it is.
func realPath(ctx context.Context, h host.Reader, p string) (string, error) {
	p = path.Clean(p)
	for range maxLinks {
		next, err := followFirst(ctx, h, p)
		if err != nil || next == p {
			return p, err
		}
		p = next
	}
	return "", fmt.Errorf("follow links of %s: too many", p)
}

// followFirst replaces the first link on the way to p; p itself means that
// there is none.
func followFirst(ctx context.Context, h host.Reader, p string) (string, error) {
	at := "/"
	parts := strings.Split(strings.TrimPrefix(p, "/"), "/")
	for i, part := range parts {
		parent := at
		at = path.Join(at, part)
		info, err := h.Stat(ctx, at)
		if errors.Is(err, fs.ErrNotExist) {
			return p, nil
		}
		if err != nil {
			return "", err
		}
		if info.Mode&fs.ModeSymlink != 0 {
			target := info.Target
			if !path.IsAbs(target) {
				target = path.Join(parent, target)
			}
			return path.Join(append([]string{target}, parts[i+1:]...)...), nil
		}
	}
	return p, nil
}
