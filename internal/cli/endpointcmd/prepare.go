package endpointcmd

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/pki"
)

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
