package effect_test

import (
	"context"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan/plantest"
)

// truncating is a world whose machine keeps little of what a program prints.
type truncating struct{ *plantest.World }

func (t truncating) Host(name string) host.Reader { return shortReader{t.World.Host(name)} }

type shortReader struct{ host.Reader }

func (s shortReader) Query(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	res, err := s.Reader.Query(ctx, cmd)
	if err == nil && len(res.Stdout) > 200 {
		res.Stdout, err = res.Stdout[:200], host.ErrTruncated
	}
	return res, err
}
