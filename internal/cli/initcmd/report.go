package initcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/discovery"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/internal/token"
	"github.com/clusteradm/clusteradm/internal/world"
)

// result is what a command prints when all is done.
type result struct {
	whole bool // of init: how to use the cluster
	join  bool // how to join it
}

func (r result) print(ctx context.Context, s *session.Session, in plan.Input, client *world.Lazy) error {
	join := ""
	if r.join {
		command, err := joinCommand(ctx, s, in, client)
		if err != nil && !(r.whole && errors.Is(err, errNoToken)) {
			return err
		}
		join = command
	}
	switch {
	case !r.whole && !r.join:
		return nil
	case s.Format == "json":
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind       string `json:"kind"`
			Kubeconfig string `json:"kubeconfig"`
			Join       string `json:"joinCommand,omitempty"`
		}{"result", cluster.AdminConf, join})
	case !r.whole:
		_, err := fmt.Fprintln(s.Streams.Out, join)
		return err
	}
	out := s.Streams.Out
	fmt.Fprintf(out, "\nThe control plane runs. To use the cluster as root:\n\n  export KUBECONFIG=%[1]s\n\nAs another user:\n\n"+
		"  mkdir -p ~/.kube\n  sudo cp -i %[1]s ~/.kube/config\n  sudo chown $(id -u):$(id -g) ~/.kube/config\n", cluster.AdminConf)
	if in.Cluster.PodNetwork.Kind == cluster.PodNetworkNone {
		fmt.Fprintf(out, "\nNodes become Ready once a pod network is installed.\n")
	}
	if join != "" {
		fmt.Fprintf(out, "\nTo join a worker, run on it as root:\n\n  %s\n", join)
	}
	return nil
}

// noTokenError reports that there is nothing to join with.
type noTokenError struct{}

// errNoToken is what init goes on with: its user left the token out.
var errNoToken = noTokenError{}

func (noTokenError) Error() string {
	return "print join command: the cluster has no bootstrap token that joins"
}

// Hint is the command that makes one.
func (noTokenError) Hint() string { return "clusteradm token create --print-join-command" }

// joinCommand takes a token that the cluster has: a repeated init made no new one.
func joinCommand(ctx context.Context, s *session.Session, in plan.Input, client *world.Lazy) (string, error) {
	tokens, err := token.List(ctx, client)
	if err != nil {
		return "", err
	}
	best, ok := token.Longest(tokens, in.Facts.Now)
	if !ok {
		return "", errNoToken
	}
	pins, err := discovery.Pins(in.PKI.Pairs["ca"].Cert)
	if err != nil {
		return "", fmt.Errorf("print join command: %w", err)
	}
	if warning := token.ExpiryWarning(best.ID, best.Expires, in.Facts.Now); warning != "" {
		s.Caution(event.Event{Message: warning, Hint: "clusteradm token create --print-join-command"})
	}
	return token.JoinCommand(in.Cluster.Endpoint(in.Node), best.Whole(), pins, secret.String{})
}
