// Package joincmd is `clusteradm join`: find and trust the cluster, learn its
// configuration, and make this machine a worker or a control plane of it.
package joincmd

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/phasecmd"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/phases"
)

type options struct {
	config.Overrides
	file string
	fix  bool
}

// New returns the command.
func New(s *session.Session) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "join" + argument,
		Short: "Make this machine a worker or a further control plane of a cluster",
		Long: `Make this machine a worker of a cluster, or with --control-plane a further
control plane.

The cluster is found at the endpoint and trusted by the token's signature and
the pin of its certificate authority, or found and trusted by a kubeconfig that
the administrator handed over. On a control plane,

  clusteradm token create --print-join-command

prints the whole command; with --control-plane that of a control plane. Its
certificate key decrypts what all control planes share; or that is brought to
/etc/kubernetes/pki by hand. Control planes that join at the same time take
turns.

With --token - and --certificate-key - the token is the first line of stdin and
the key the second, and neither is seen in the list of processes.

Run again after an interruption it goes on; run again on a node of the cluster
with the same settings it changes nothing.`,
		Example: `  clusteradm join 10.0.0.1:6443 --token abcdef.0123456789abcdef \
    --discovery-token-ca-cert-hash sha256:…
  clusteradm join 10.0.0.1:6443 --token abcdef.0123456789abcdef \
    --discovery-token-ca-cert-hash sha256:… --control-plane \
    --certificate-key - < key.txt
  clusteradm join --discovery-file /root/cluster.conf
  clusteradm join --config join.yaml --dry-run`,
	}
	bind(s, o, cmd, phases.Join(), true)
	cmd.AddCommand(commands(s).Command())
	return cmd
}

// list is the phases of join.
func list() phasecmd.List { return phasecmd.List{Name: "join", Phases: phases.Join(), Args: argument} }

// commands has them as commands.
func commands(s *session.Session) phasecmd.List {
	l := list()
	l.Bind = func(cmd *cobra.Command, some []plan.Phase) { bind(s, &options{}, cmd, some, false) }
	return l
}

const argument = " [api-server-endpoint]"

func bind(s *session.Session, o *options, cmd *cobra.Command, some []plan.Phase, whole bool) {
	o.flags(cmd)
	cmd.Args = session.Args(cobra.MaximumNArgs(1))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.take(s, args); err != nil {
			return err
		}
		return o.diagnosed(cmd.Context(), s, run(cmd.Context(), s, o, some, whole))
	}
}

// take reads what is no flag: the argument, and tokens from stdin.
func (o *options) take(s *session.Session, args []string) error {
	if len(args) == 1 {
		o.APIServerEndpoint = args[0]
	}
	return s.Secrets(&o.Token, &o.DiscoveryToken, &o.TLSBootstrapToken, &o.CertificateKey)
}

func (o *options) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.file, "config", "", "path of the configuration file")
	f.StringVar(&o.APIServerAdvertiseAddress, "apiserver-advertise-address", "", "with --control-plane: address its API server is reached at (default: that of the default route)")
	f.IntVar(&o.APIServerBindPort, "apiserver-bind-port", 0, "with --control-plane: port of its API server (default 6443)")
	f.StringVar(&o.CertificateKey, "certificate-key", "", "with --control-plane: key that the uploaded certificates are encrypted with; - for stdin")
	f.BoolVar(&o.ControlPlane, "control-plane", false, "join as a further control plane")
	f.StringVar(&o.CRISocket, "cri-socket", "", "socket of the container runtime")
	f.StringVar(&o.DiscoveryFile, "discovery-file", "", "path or https URL of a kubeconfig that says where the cluster is and what to trust")
	f.StringVar(&o.DiscoveryToken, "discovery-token", "", "token to find the cluster with; - for stdin")
	f.StringSliceVar(&o.DiscoveryTokenCACertHash, "discovery-token-ca-cert-hash", nil, "pin of the cluster's certificate authority, sha256:<hex>")
	f.BoolVar(&o.DiscoveryTokenSkipCAHash, "discovery-token-unsafe-skip-ca-verification", false, "trust whoever holds the token: anyone with it can pose as the cluster")
	f.BoolVar(&o.DryRun, "dry-run", false, "say what would be changed and change nothing")
	f.BoolVar(&o.fix, "fix", false, "first load kernel modules, set sysctls and switch swap off where that is needed; clusteradm reset takes it back")
	f.StringSliceVar(&o.IgnorePreflightErrors, "ignore-preflight-errors", nil, "checks whose errors are shown as warnings; all for every one")
	f.StringVar(&o.NodeName, "node-name", "", "name of the Node (default: the host name)")
	f.StringVar(&o.PatchesDir, "patches", "", "directory of patches, target[suffix][+strategic|merge|json].yaml")
	f.StringSliceVar(&o.SkipPhases, "skip-phases", nil, "phases to leave out")
	f.StringVar(&o.TLSBootstrapToken, "tls-bootstrap-token", "", "token to ask for the kubelet's certificate with; - for stdin")
	f.StringVar(&o.Token, "token", "", "token for both discovery and the kubelet's certificate; - for stdin")
}

// load reads flags and documents.
func (o *options) load(ctx context.Context, s *session.Session) (*config.Join, error) {
	docs, err := s.Documents(o.file)
	if err != nil {
		return nil, err
	}
	join, err := config.LoadJoin(docs, s.Inputs(ctx, o.Overrides))
	if err != nil {
		return nil, err
	}
	return join, nil
}

func run(ctx context.Context, s *session.Session, o *options, some []plan.Phase, whole bool) error {
	join, err := o.load(ctx, s)
	if err != nil {
		return err
	}
	release, err := s.Lock("join", join.DryRun)
	if err != nil {
		return err
	}
	defer release()
	s.Warn(join.Warnings, join.Unused)
	skip, err := list().Skipped(join.SkipPhases, some)
	if err != nil {
		return err
	}
	if slices.Contains(skip, "etcd-join") && slices.Contains(phasecmd.Names(some, nil), "etcd-member") {
		skip = append(skip, "etcd-member") // kubeadm's phase is both
	}
	names := phasecmd.Names(some, skip)
	checks := slices.Contains(names, "preflight")
	prepared, _, err := session.Fixed(ctx, s, o.fix && checks, join.DryRun, func() (*prepared, error) { return prepare(ctx, s, join, checks) })
	if err != nil {
		return err
	}
	defer prepared.close()
	prepared.diagnose = func(err error) error { return o.diagnosed(ctx, s, err) }
	in := &prepared.input
	if err := phases.CheckPatches(*in, some, skip); err != nil {
		return &exit.UsageError{Err: err}
	}
	if checks {
		if err := s.Preflight(prepared.Checks(s, o.fix && join.DryRun)); err != nil {
			return err
		}
		if !join.DryRun { // which shows them with all else
			if err := s.PreflightImages(ctx, *in, some); err != nil {
				return err
			}
			skip = append(skip, "preflight") // it is done
		}
	}
	if !slices.Equal(names, []string{"preflight"}) {
		if err := prepared.join(ctx, s); err != nil {
			return err
		}
	}
	p, err := plan.Build(list().RunName(some, whole), some, *in, skip)
	if err != nil {
		return &exit.UsageError{Err: err}
	}
	if join.DryRun {
		return s.DryRun(ctx, prepared.parts, p)
	}
	if len(p.Groups) > 0 {
		if err := prepared.apply(ctx, s, p); err != nil {
			return err
		}
	}
	if !whole {
		return nil
	}
	return report(s, in.Node)
}

// report prints what came of it.
func report(s *session.Session, n cluster.Node) error {
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind         string `json:"kind"`
			Node         string `json:"node"`
			ControlPlane bool   `json:"controlPlane,omitempty"`
		}{"result", n.Name, n.ControlPlane})
	}
	if n.ControlPlane {
		_, err := fmt.Fprintf(s.Streams.Out, "\nThis machine is the control plane %s. To use the cluster from here:\n\n  export KUBECONFIG=%s\n", n.Name, cluster.AdminConf)
		return err
	}
	_, err := fmt.Fprintf(s.Streams.Out, "\nThis machine is the node %s. On a control plane:\n\n  kubectl get node %s\n", n.Name, n.Name)
	return err
}
