package endpointcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

type setOptions struct{ dryRun bool }

func set(s *session.Session) *cobra.Command {
	o := &setOptions{}
	cmd := &cobra.Command{
		Use:   "set HOST[:PORT]",
		Short: "Have the cluster reached at another address",
		Long: `Have the cluster reached at another address, a name or an IP address; also one
that has no controlPlaneEndpoint yet, so that further control planes can join.

The same command is run on every machine, control planes first. Each run does
this machine's part, and the cluster's as soon as that is due:

  - on a control plane, the API server's certificate gets the new name besides
    those that it has, so that the old endpoint works until all have moved;
  - when all API servers serve such a certificate and one answers at the new
    address, this machine's kubeconfigs move, and the cluster: kubeadm-config,
    cluster-info, kube-proxy and flannel, node by node;
  - on a worker, the kubelet moves.

What is not due yet is told with the machines that it waits for, and the exit
code is 3. It can be interrupted and run again at any time. The way back is the
same command with the old address. Names of before stay in the certificates.`,
		Example: `  clusteradm endpoint set k8s.example.com
  clusteradm endpoint set 10.0.0.100:8443 --dry-run`,
		Args: session.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), s, args[0]) },
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be changed and change nothing")
	return cmd
}

func (o *setOptions) run(ctx context.Context, s *session.Session, given string) error {
	address, err := config.Endpoint(given)
	if err != nil {
		return &exit.UsageError{Err: fmt.Errorf("endpoint set: %w", err), Help: "clusteradm endpoint set --help"}
	}
	if cluster.IsLoopback("https://" + address) {
		return &exit.UsageError{Err: fmt.Errorf("endpoint set: %s is reached by each machine on itself only; a machine that is to join needs another", address),
			Help: "clusteradm endpoint set --help"}
	}
	release, err := s.Lock("endpoint set", o.dryRun)
	if err != nil {
		return err
	}
	defer release()
	n, err := thisNode(ctx, s, address)
	if err != nil {
		return err
	}
	in, err := prepare(ctx, s, n, address)
	if err != nil {
		return err
	}
	p, err := plan.Build("endpoint set "+address, phases.Endpoint(), in, nil)
	if err != nil {
		return err
	}
	parts := world.Parts{Kube: n.api, Runtime: s.Runtime(n.CRISocket)}
	waits := waiting(in)
	if o.dryRun {
		for _, w := range waits {
			s.Caution(event.Event{Message: "the cluster does not move yet: " + w})
		}
		return s.DryRun(ctx, parts, p)
	}
	if in.Endpoint.Silent != "" {
		s.Caution(event.Event{Message: "nothing answers at " + address + " yet: " + in.Endpoint.Silent})
	}
	if _, err := s.Apply(ctx, parts, p); err != nil {
		return err
	}
	return report(ctx, s, n.api, in, waits)
}

// prepare finds out what there is to do on this machine and in the cluster.
func prepare(ctx context.Context, s *session.Session, n *node, address string) (plan.Input, error) {
	in := plan.Input{Cluster: n.cluster, Node: n.Node, Facts: session.HostFacts(s.Now(), n.Host, n.facts)}
	in.Endpoint = plan.Endpoint{Address: address, Server: "https://" + address, CA: n.ca}
	view := world.New(world.Parts{Machine: s.Machine})
	if !n.ControlPlane {
		return in, n.movable(ctx, view, &in)
	}
	if err := n.uploaded(ctx); err != nil {
		return in, err
	}
	found, err := objects(ctx, n.api)
	if err != nil {
		return in, err
	}
	found.Address, found.Server, found.CA = in.Endpoint.Address, in.Endpoint.Server, in.Endpoint.CA
	in.Cluster, in.Endpoint = n.cluster, found
	if err := onTheWire(ctx, view, &in.Endpoint, in.Facts.Now); err != nil {
		return in, err
	}
	if n.cert != n.cluster.PKI("apiserver.crt") {
		return in, n.ownCertificate(in)
	}
	after := *n.cluster
	after.ControlPlaneEndpoint = address
	in.Certs.Names = []string{"apiserver"}
	in.Certs.Files, err = pki.AddNames(n.facts.PKI, &after, n.Node, in.Facts.Now)
	return in, err
}

// ownCertificateError reports an API server that serves a certificate that its
// owner made, without the name.
type ownCertificateError struct{ path, problem, again string }

func (e *ownCertificateError) Error() string {
	return "endpoint set: the API server serves " + e.path + ", which is its owner's to make: " + e.problem
}

// Hint is what comes after.
func (e *ownCertificateError) Hint() string { return "have it name the endpoint, then: " + e.again }

func (n *node) ownCertificate(in plan.Input) error {
	for _, s := range in.Endpoint.APIServers {
		if s.Problem != "" && "https://"+s.Address == n.LocalEndpoint() {
			return &ownCertificateError{n.cert, s.Problem, "clusteradm endpoint set " + in.Endpoint.Address}
		}
	}
	return nil
}

// movable reports why a worker's kubelet cannot use the endpoint yet: alone it
// would lose the cluster.
func (n *node) movable(ctx context.Context, v plan.View, in *plan.Input) error {
	address := in.Endpoint.Address
	first := "on a control plane: clusteradm endpoint set " + address
	if err := onTheWire(ctx, v, &in.Endpoint, in.Facts.Now); err != nil {
		return err
	}
	if in.Endpoint.Silent != "" {
		return &exit.PendingError{Err: fmt.Errorf("endpoint set: the kubelet stays where it is, since nothing answers at %s from here: %s", address, in.Endpoint.Silent), Help: first}
	}
	if err := serves(ctx, v, address, hostOf(address), n.ca, in.Facts.Now); err != nil {
		return &exit.PendingError{Err: fmt.Errorf("endpoint set: the kubelet stays where it is, since the API servers do not have the name yet: %w", err), Help: first}
	}
	if err := n.uploaded(ctx); err != nil {
		return err
	}
	if in.Cluster = n.cluster; n.cluster.ControlPlaneEndpoint != address {
		return &exit.PendingError{Err: fmt.Errorf("endpoint set: the kubelet stays where it is, since the cluster has not moved to %s yet", address), Help: first}
	}
	return nil
}

// waiting is what the cluster's part waits for, in words.
func waiting(in plan.Input) []string {
	var list []string
	for _, s := range phases.EndpointWaits(in) {
		list = append(list, strings.TrimSpace(s.Node+" ")+": "+s.Problem)
	}
	if in.Endpoint.Silent != "" {
		list = append(list, "nothing answers at "+in.Endpoint.Address+": "+in.Endpoint.Silent)
	}
	return list
}

// result is what the command says.
type result struct {
	Kind     string `json:"kind"` // "result"
	Endpoint string `json:"endpoint"`
	Moved    bool   `json:"moved"` // the cluster, too
	// Waits are the API servers that the cluster's part waits for.
	Waits []plan.APIServer `json:"waits,omitempty"`
	// Silent is why nothing answers at the endpoint.
	Silent string `json:"silent,omitempty"`
	// Next are the machines on which to run the same command.
	Next []string `json:"next,omitempty"`
}

func report(ctx context.Context, s *session.Session, r kube.Reader, in plan.Input, waits []string) error {
	out := result{Kind: "result", Endpoint: in.Endpoint.Address, Moved: len(waits) == 0, Waits: phases.EndpointWaits(in), Silent: in.Endpoint.Silent}
	again := "clusteradm endpoint set " + in.Endpoint.Address
	for _, w := range out.Waits {
		out.Next = append(out.Next, w.Node)
	}
	if out.Moved && in.Node.ControlPlane {
		nodes, err := r.List(ctx, phases.NodeRef(""), "")
		if err != nil {
			return fmt.Errorf("list the other machines: %w", err)
		}
		for _, node := range nodes {
			if node.GetName() != in.Node.Name {
				out.Next = append(out.Next, node.GetName())
			}
		}
	}
	if err := out.print(s, in, again); err != nil || out.Moved {
		return err
	}
	pending := &exit.PendingError{Err: errors.New("endpoint set: this machine is ready, and the cluster does not move yet: " + strings.Join(waits, "; ")), Help: again}
	if len(out.Next) > 0 {
		pending.Help = "on " + strings.Join(out.Next, ", ") + ": " + again
	}
	return pending
}

func (r result) print(s *session.Session, in plan.Input, again string) error {
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(r)
	}
	switch {
	case !r.Moved:
		return nil // the error says it
	case !in.Node.ControlPlane:
		_, err := fmt.Fprintln(s.Streams.Out, "this node uses "+in.Endpoint.Server)
		return err
	}
	_, err := fmt.Fprintln(s.Streams.Out, "the cluster is reached at "+r.Endpoint)
	if err == nil && len(r.Next) > 0 {
		_, err = fmt.Fprintf(s.Streams.Out, "To have the other machines use it, on each of %s where it was not run since:\n\n  %s\n", strings.Join(r.Next, ", "), again)
	}
	return err
}
