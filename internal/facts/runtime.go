package facts

import (
	"context"
	"errors"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/host"
)

// runtimeTimeout bounds the question to a container runtime: one that does not
// answer is a fact, and must not hold up all the others.
const runtimeTimeout = 3 * time.Second

// Runtime asks the container runtime behind socket what it is. That it does
// not answer is a fact like any other; only a cancelled context is an error.
func Runtime(ctx context.Context, h host.Reader, r cri.Reader, socket string) (cluster.RuntimeFacts, error) {
	f := cluster.RuntimeFacts{Socket: socket, Sockets: Sockets(ctx, h)}
	bounded, cancel := context.WithTimeout(ctx, runtimeTimeout)
	defer cancel()
	info, err := r.Info(bounded)
	if err != nil {
		f.Error = err.Error()
		if hinted := interface{ Hint() string }(nil); errors.As(err, &hinted) {
			f.Hint = hinted.Hint()
		}
		return f, ctx.Err()
	}
	f.Answers = true
	f.Name, f.Version, f.APIVersion = info.Name, info.Version, info.APIVersion
	f.Ready, f.NotReady, f.NetworkReady, f.CgroupDriver = info.Ready, info.NotReady, info.NetworkReady, info.CgroupDriver
	f.SandboxImage = info.SandboxImage
	return f, nil
}

// Sockets are those of the known container runtimes' that exist.
func Sockets(ctx context.Context, h host.Reader) []string {
	var found []string
	for _, socket := range cri.Sockets() {
		if _, err := h.Stat(ctx, socket); err == nil {
			found = append(found, socket)
		}
	}
	return found
}
