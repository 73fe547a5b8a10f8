package initcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

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
	whole   bool // of init: how to use the cluster
	join    bool // how to join it
	shared  bool // certificates, under a key
	hideKey bool
}

// printed is the result as JSON. Who has the key has the cluster.
type printed struct {
	Kind         string `json:"kind"`
	Kubeconfig   string `json:"kubeconfig,omitempty"`
	Join         string `json:"joinCommand,omitempty"`
	ControlPlane string `json:"controlPlaneJoinCommand,omitempty"`
	Key          string `json:"certificateKey,omitempty"`
}

func (r result) print(ctx context.Context, s *session.Session, in plan.Input, client *world.Lazy) error {
	if !r.whole && !r.join && !r.shared {
		return nil
	}
	p := printed{Kind: "result"}
	if r.whole || r.join {
		p.Kubeconfig = cluster.AdminConf
	}
	if r.shared && !r.hideKey {
		p.Key = in.Shared.Key.Reveal()
	}
	if r.join {
		err := r.commands(ctx, s, in, client, &p)
		if err != nil && !(r.whole && errors.Is(err, errNoToken)) {
			return err
		}
	}
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(p)
	}
	p.text(s.Streams.Out, r, in)
	return nil
}

// text tells people; of a single phase, only what was asked for.
func (p printed) text(out io.Writer, r result, in plan.Input) {
	if !r.whole {
		if p.Join != "" {
			fmt.Fprintln(out, p.Join)
		}
		if p.Key != "" { // as kubeadm prints it
			fmt.Fprintf(out, "[upload-certs] Using certificate key:\n%s\n", p.Key)
		}
		return
	}
	fmt.Fprintf(out, "\nThe control plane runs. To use the cluster as root:\n\n  export KUBECONFIG=%[1]s\n\nAs another user:\n\n"+
		"  mkdir -p ~/.kube\n  sudo cp -i %[1]s ~/.kube/config\n  sudo chown $(id -u):$(id -g) ~/.kube/config\n", cluster.AdminConf)
	if in.Cluster.PodNetwork.Kind == cluster.PodNetworkNone {
		fmt.Fprintf(out, "\nNodes become Ready once a pod network is installed.\n")
	}
	if p.Join != "" {
		fmt.Fprintf(out, "\nTo join a worker, run on it as root:\n\n  %s\n", p.Join)
	}
	switch {
	case p.ControlPlane != "":
		fmt.Fprintf(out, "\nTo join a further control plane, within two hours, run on it as root:\n\n  %s\n\n"+
			"The certificate key opens the cluster's private keys: keep it secret. After two\nhours, for a new one, run here: %s\n", p.ControlPlane, moreControlPlanes)
	case p.Key != "":
		fmt.Fprintf(out, "\nThe key of the shared certificates, which opens the cluster's private keys:\n\n  %s\n", p.Key)
	case in.Cluster.ControlPlaneEndpoint != "":
		fmt.Fprintf(out, "\nFor the command that joins a further control plane, run here:\n\n  %s\n", moreControlPlanes)
	}
}

// moreControlPlanes is the command that shares the certificates (anew).
const moreControlPlanes = "clusteradm token create --print-join-command --control-plane"

// noTokenError reports that there is nothing to join with.
type noTokenError struct{}

// errNoToken is what init goes on with: its user left the token out.
var errNoToken = noTokenError{}

func (noTokenError) Error() string {
	return "print join command: the cluster has no bootstrap token that joins"
}

// Hint is the command that makes one.
func (noTokenError) Hint() string { return "clusteradm token create --print-join-command" }

// commands take a token that the cluster has: a repeated init made no new one.
func (r result) commands(ctx context.Context, s *session.Session, in plan.Input, client *world.Lazy, p *printed) error {
	tokens, err := token.List(ctx, client)
	if err != nil {
		return err
	}
	best, ok := token.Longest(tokens, in.Facts.Now)
	if !ok {
		return errNoToken
	}
	pins, err := discovery.Pins(in.PKI.Pairs["ca"].Cert)
	if err != nil {
		return fmt.Errorf("print join command: %w", err)
	}
	if warning := token.ExpiryWarning(best.ID, best.Expires, in.Facts.Now); warning != "" {
		s.Caution(event.Event{Message: warning, Hint: "clusteradm token create --print-join-command"})
	}
	p.Join, err = token.JoinCommand(in.Cluster.Endpoint(in.Node), best.Whole(), pins, secret.String{})
	if err != nil || !r.shared || in.Cluster.ControlPlaneEndpoint == "" {
		return err
	}
	key := in.Shared.Key
	if r.hideKey {
		key = secret.NewString("<value withheld>") // kubeadm's words
	}
	p.ControlPlane, err = token.JoinCommand(in.Cluster.Endpoint(in.Node), best.Whole(), pins, key)
	return err
}
