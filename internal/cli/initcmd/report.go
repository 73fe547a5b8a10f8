package initcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/token"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/pki"
)

// result is what a command prints when all is done.
type result struct {
	whole bool // of init: how to use the cluster
	join  bool // how to join it
}

func (r result) print(ctx context.Context, s *session.Session, in plan.Input, client *world.Lazy) error {
	join := ""
	if r.join {
		command, err := joinCommand(ctx, in, client)
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
	fmt.Fprintf(out, "\nThe control plane runs. To use the cluster:\n\n  export KUBECONFIG=%s\n", cluster.AdminConf)
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
func (noTokenError) Hint() string { return "clusteradm init phase bootstrap-token" }

// joinCommand takes a token that the cluster has: a repeated init made no new one.
func joinCommand(ctx context.Context, in plan.Input, client *world.Lazy) (string, error) {
	tokens, err := token.List(ctx, client)
	if err != nil {
		return "", err
	}
	endpoint, err := url.Parse(in.Cluster.Endpoint(in.Node))
	if err != nil {
		return "", fmt.Errorf("print join command: %w", err)
	}
	pin, err := pki.Pin(in.PKI.Pairs["ca"].Cert)
	if err != nil {
		return "", fmt.Errorf("print join command: %w", err)
	}
	for _, t := range tokens {
		if t.Joins(in.Facts.Now) {
			return fmt.Sprintf("clusteradm join %s --token %s --discovery-token-ca-cert-hash %s", endpoint.Host, t.Whole().Reveal(), pin), nil
		}
	}
	return "", errNoToken
}
