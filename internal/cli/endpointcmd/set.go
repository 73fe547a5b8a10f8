package endpointcmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/phases"
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
