package endpointcmd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

type setOptions struct {
	dryRun   bool
	file     string
	balancer bool
	given    bool // balancer was
}

func set(s *session.Session) *cobra.Command {
	o := &setOptions{}
	cmd := &cobra.Command{
		Use:   "set [HOST[:PORT]]",
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
same command with the old address. Names of before stay in the certificates.

--node-load-balancer puts a load balancer on every node, or removes it; a file
with the document Endpoint says all that there is to be, the virtual IP too.
Then HOST can be left out: it stays, or is the virtual IP. Workers need neither:
they read it from the cluster.`,
		Example: `  clusteradm endpoint set k8s.example.com
  clusteradm endpoint set 10.0.0.100:8443 --dry-run
  clusteradm endpoint set --node-load-balancer
  clusteradm endpoint set --config endpoint.yaml`,
		Args: session.Args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.given = cmd.Flags().Changed("node-load-balancer")
			return o.run(cmd.Context(), s, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "config", "", "path of a file with the document Endpoint: the load balancer and the virtual IP that there are to be")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be changed and change nothing")
	f.BoolVar(&o.balancer, "node-load-balancer", false, "have a load balancer on every node; --node-load-balancer=false removes it")
	return cmd
}

// address is the one that was given, if one was.
func (o *setOptions) address(args []string) (string, error) {
	help := "clusteradm endpoint set --help"
	switch {
	case o.given && o.file != "":
		return "", &exit.UsageError{Err: errors.New("endpoint set: --config says whether there is a load balancer; leave --node-load-balancer out"), Help: help}
	case len(args) == 0 && !o.given && o.file == "":
		return "", &exit.UsageError{Err: errors.New("endpoint set: which address?"), Help: help}
	case len(args) == 0:
		return "", nil
	}
	address, err := config.Endpoint(args[0])
	if err != nil {
		return "", &exit.UsageError{Err: fmt.Errorf("endpoint set: %w", err), Help: help}
	}
	if cluster.IsLoopback("https://" + address) {
		return "", &exit.UsageError{Err: fmt.Errorf("endpoint set: %s is reached by each machine on itself only; a machine that is to join needs another", address), Help: help}
	}
	return address, nil
}

// again is the command as it was given, for a hint.
func (o *setOptions) again(address string) string {
	command := strings.TrimSpace("clusteradm endpoint set " + address)
	if o.given {
		command += fmt.Sprintf(" --node-load-balancer=%t", o.balancer)
	}
	if o.file != "" {
		command += " --config " + o.file
	}
	return strings.Replace(command, "balancer=true", "balancer", 1)
}

func (o *setOptions) run(ctx context.Context, s *session.Session, args []string) error {
	address, err := o.address(args)
	if err != nil {
		return err
	}
	document, err := s.Documents(o.file)
	if err != nil {
		return err
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
	c := &change{setOptions: o, node: n, again: o.again(address), document: document}
	in, err := c.prepare(ctx, s, address)
	if err != nil {
		return err
	}
	p, err := plan.Build(strings.TrimPrefix(c.again, "clusteradm "), phases.Endpoint(), in, nil)
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
	images, err := s.PullImages(ctx, in, phases.EndpointImages())
	for _, image := range images {
		err = errors.Join(err, image.Err)
	}
	if err != nil {
		return fmt.Errorf("endpoint set: %w", err)
	}
	if in.Endpoint.Silent != "" && len(waits) > 0 {
		s.Caution(event.Event{Message: "nothing answers at " + in.Endpoint.Address + " yet: " + in.Endpoint.Silent})
	}
	if _, err := s.Apply(ctx, parts, p); err != nil {
		return err
	}
	return c.report(ctx, s, in, waits)
}

// change is one that was asked for on a node.
type change struct {
	*setOptions
	*node
	again    string
	document []byte
}

// prepare finds out what there is to do on this machine and in the cluster.
func (c *change) prepare(ctx context.Context, s *session.Session, address string) (plan.Input, error) {
	in := plan.Input{Cluster: c.cluster, Node: c.Node, Facts: session.HostFacts(s.Now(), c.Host, c.facts), Binary: s.Binary}
	view := world.New(world.Parts{Machine: s.Machine})
	if !c.ControlPlane {
		return in, c.movable(ctx, view, &in, address)
	}
	if err := c.uploaded(ctx); err != nil {
		return in, err
	}
	after, err := c.after(address)
	if err != nil {
		return in, err
	}
	found, err := objects(ctx, c.api)
	if err != nil {
		return in, err
	}
	found.Address, found.After, found.CA, found.Names = after.ControlPlaneEndpoint, after, c.ca, namesOf(after)
	in.Cluster, in.Endpoint = c.cluster, found
	if err := onTheWire(ctx, view, &in.Endpoint, in.Facts.Now); err != nil {
		return in, err
	}
	if after.LoadBalancer != nil {
		if in.Endpoint.Unbalanced, err = unbalanced(ctx, c.api); err != nil {
			return in, err
		}
		if in.Join.APIServers, err = controlplane.APIServers(ctx, c.api); err != nil {
			return in, err
		}
	}
	if c.cert != c.cluster.PKI("apiserver.crt") {
		return in, c.ownCertificate(in)
	}
	in.Certs.Names = []string{"apiserver"}
	in.Certs.Files, err = pki.AddNames(c.facts.PKI, after, c.Node, in.Facts.Now)
	return in, err
}

// after is the cluster as it is to be.
func (c *change) after(address string) (*cluster.Cluster, error) {
	after := *c.cluster
	wrong := func(format string, args ...any) error {
		return &exit.UsageError{Err: fmt.Errorf("endpoint set: "+format, args...), Help: "clusteradm endpoint set --help"}
	}
	if c.document != nil {
		if err := config.UnmarshalEndpoint(c.document, &after); err != nil {
			return nil, err
		}
	}
	if c.given {
		if err := config.SetBalancer(&after, c.balancer); err != nil {
			return nil, err
		}
	}
	before, v := c.cluster.VirtualIP, after.VirtualIP
	switch {
	case address != "":
		after.ControlPlaneEndpoint = address
	case v != nil && (before == nil || before.Address != v.Address):
		after.ControlPlaneEndpoint = netip.AddrPortFrom(v.Address, uint16(c.BindPort)).String()
	case after.ControlPlaneEndpoint == "":
		return nil, wrong("the cluster has no endpoint yet: which address?")
	}
	if before != nil && (v == nil || v.Address != before.Address) && hostOf(c.cluster.ControlPlaneEndpoint) == before.Address.String() {
		return nil, wrong("the cluster is reached at the virtual IP %s, which would go; first have all machines use another: clusteradm endpoint set HOST", before.Address)
	}
	for _, name := range namesOf(&after) {
		if name != hostOf(after.ControlPlaneEndpoint) && !slices.Contains(after.APIServer.CertSANs, name) {
			after.APIServer.CertSANs = append(slices.Clone(after.APIServer.CertSANs), name)
		}
	}
	return &after, nil
}

// namesOf are what every API server's certificate has to have for what leads
// to it.
func namesOf(c *cluster.Cluster) []string {
	names := []string{hostOf(c.ControlPlaneEndpoint)}
	if c.LoadBalancer != nil {
		names = append(names, c.Loopback().String())
	}
	if v := c.VirtualIP; v != nil && v.Address.String() != names[0] {
		names = append(names, v.Address.String())
	}
	return names
}

// ownCertificateError reports an API server that serves a certificate that its
// owner made, without the name.
type ownCertificateError struct{ path, problem, again string }

func (e *ownCertificateError) Error() string {
	return "endpoint set: the API server serves " + e.path + ", which is its owner's to make: " + e.problem
}

// Hint is what comes after.
func (e *ownCertificateError) Hint() string { return "have it name the endpoint, then: " + e.again }

func (c *change) ownCertificate(in plan.Input) error {
	for _, s := range in.Endpoint.APIServers {
		if s.Problem != "" && "https://"+s.Address == c.LocalEndpoint() {
			return &ownCertificateError{c.cert, s.Problem, c.again}
		}
	}
	return nil
}

// movable reports why a worker's kubelet cannot move yet: alone it would lose
// the cluster. What there is to be besides the address it reads in the cluster.
func (c *change) movable(ctx context.Context, v plan.View, in *plan.Input, address string) error {
	pending := func(format string, args ...any) error {
		return &exit.PendingError{Err: fmt.Errorf("endpoint set: the kubelet stays where it is, since "+format, args...), Help: "on a control plane: " + c.again}
	}
	if address == "" {
		if err := c.uploaded(ctx); err != nil {
			return err
		}
		if address = c.cluster.ControlPlaneEndpoint; address == "" {
			return pending("the cluster has no endpoint yet")
		}
	}
	in.Endpoint = plan.Endpoint{Address: address, CA: c.ca, Names: []string{hostOf(address)}}
	if err := onTheWire(ctx, v, &in.Endpoint, in.Facts.Now); err != nil {
		return err
	}
	if in.Endpoint.Silent != "" {
		return pending("nothing answers at %s from here: %s", address, in.Endpoint.Silent)
	}
	if err := serves(ctx, v, address, in.Endpoint.Names, c.ca, in.Facts.Now); err != nil {
		return pending("the API servers do not have the name yet: %w", err)
	}
	if err := c.uploaded(ctx); err != nil {
		return err
	}
	in.Cluster, in.Endpoint.After = c.cluster, c.cluster
	if c.cluster.ControlPlaneEndpoint != address {
		return pending("the cluster has not moved to %s yet", address)
	}
	wanted := *c.cluster
	if c.document != nil {
		if err := config.UnmarshalEndpoint(c.document, &wanted); err != nil {
			return err
		}
	}
	if c.given && c.balancer != (c.cluster.LoadBalancer != nil) || (wanted.LoadBalancer != nil) != (c.cluster.LoadBalancer != nil) {
		return pending("the cluster does not say so of the load balancer yet")
	}
	if c.cluster.LoadBalancer != nil {
		servers, err := controlplane.APIServers(ctx, c.api)
		if err != nil {
			return err
		}
		in.Join.APIServers = servers
	}
	return nil
}

// waiting is what the cluster's part waits for, in words.
func waiting(in plan.Input) []string {
	var list []string
	for _, s := range phases.EndpointWaits(in) {
		list = append(list, strings.TrimSpace(s.Node+" ")+": "+s.Problem)
	}
	if in.Endpoint.Silent != "" && !phases.EndpointReady(in) {
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
	// Unbalanced are the nodes whose load balancer kube-proxy waits for.
	Unbalanced []string `json:"unbalanced,omitempty"`
	// Next are the machines on which to run the same command.
	Next []string `json:"next,omitempty"`
}

func (c *change) report(ctx context.Context, s *session.Session, in plan.Input, waits []string) error {
	again := c.again
	if len(waits) == 0 { // all else is in the cluster now
		again = "clusteradm endpoint set " + in.Endpoint.Address
	}
	out := result{Kind: "result", Endpoint: in.Endpoint.Address, Moved: len(waits) == 0, Waits: phases.EndpointWaits(in), Silent: in.Endpoint.Silent}
	for _, w := range out.Waits {
		out.Next = append(out.Next, cmp.Or(w.Node, w.Address))
	}
	if out.Moved && in.Node.ControlPlane {
		nodes, err := c.api.List(ctx, phases.NodeRef(""), "")
		if err != nil {
			return fmt.Errorf("list the other machines: %w", err)
		}
		for _, node := range nodes {
			if node.GetName() != in.Node.Name {
				out.Next = append(out.Next, node.GetName())
			}
		}
		if !phases.Balanced(in) {
			out.Unbalanced = slices.DeleteFunc(in.Endpoint.Unbalanced, func(name string) bool { return name == in.Node.Name })
		}
	}
	if err := out.print(s, in, again); err != nil {
		return err
	}
	if len(out.Unbalanced) > 0 {
		list := strings.Join(out.Unbalanced, ", ")
		return &exit.PendingError{Err: errors.New("endpoint set: kube-proxy stays where it is until there is a load balancer on " + list), Help: "on " + list + ", then here again: " + again}
	}
	if out.Moved {
		return nil
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
		_, err := fmt.Fprintln(s.Streams.Out, "this node uses "+in.Endpoint.After.NodeEndpoint(in.Node))
		return err
	}
	_, err := fmt.Fprintln(s.Streams.Out, "the cluster is reached at "+r.Endpoint)
	if err == nil && len(r.Next) > 0 {
		_, err = fmt.Fprintf(s.Streams.Out, "To have the other machines use it, on each of %s where it was not run since:\n\n  %s\n", strings.Join(r.Next, ", "), again)
	}
	return err
}
