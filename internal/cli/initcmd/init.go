// Package initcmd is `clusteradm init`: from flags and documents to a plan,
// and from the plan to a control plane.
package initcmd

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/preflight"
)

// options are the parsed flags.
type options struct {
	config.Overrides
	file           string
	tokenTTL       time.Duration
	skipTokenPrint bool
}

// New returns the command.
func New(s *session.Session) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make this machine the first control plane of a cluster",
		Long: `Make this machine the first control plane of a cluster.

Run again after an interruption it goes on; run on a healthy control plane it
changes nothing and says so.`,
		Example: `  clusteradm init --pod-network flannel
  clusteradm init --config cluster.yaml --dry-run
  clusteradm init phase certs all --cert-dir /tmp/pki`,
		Args: session.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), s, o.complete(cmd), phases.Init(), true)
		},
	}
	o.flags(cmd)
	cmd.AddCommand(phaseCommand(s))
	return cmd
}

func (o *options) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.file, "config", "", "path of the configuration file")
	f.StringVar(&o.APIServerAdvertiseAddress, "apiserver-advertise-address", "", "address the API server is reached at (default: that of the default route)")
	f.IntVar(&o.APIServerBindPort, "apiserver-bind-port", 0, "port of the API server (default 6443)")
	f.StringSliceVar(&o.APIServerCertExtraSANs, "apiserver-cert-extra-sans", nil, "further names and addresses in the API server's certificate")
	f.StringVar(&o.CertDir, "cert-dir", "", "directory of certificates and keys (default /etc/kubernetes/pki)")
	f.StringVar(&o.ControlPlaneEndpoint, "control-plane-endpoint", "", "stable address of the control plane, host or host:port")
	f.StringVar(&o.CRISocket, "cri-socket", "", "socket of the container runtime")
	f.BoolVar(&o.DryRun, "dry-run", false, "say what would be changed and change nothing")
	f.StringSliceVar(&o.IgnorePreflightErrors, "ignore-preflight-errors", nil, "checks whose errors are shown as warnings; all for every one")
	f.StringVar(&o.ImageRepository, "image-repository", "", "registry of the control plane's images (default registry.k8s.io)")
	f.StringVar(&o.KubernetesVersion, "kubernetes-version", "", "version of Kubernetes (default "+config.DefaultKubernetesVersion+")")
	f.StringVar(&o.NodeName, "node-name", "", "name of the Node (default: the host name)")
	f.StringVar(&o.PatchesDir, "patches", "", "directory of patches, target[suffix][+strategic|merge|json].yaml")
	f.StringVar(&o.PodNetwork, "pod-network", "", "flannel, none or the path of a manifest (default none)")
	f.StringVar(&o.PodNetworkCIDR, "pod-network-cidr", "", "addresses of pods")
	f.StringVar(&o.ServiceCIDR, "service-cidr", "", "addresses of services (default 10.96.0.0/12)")
	f.StringVar(&o.ServiceDNSDomain, "service-dns-domain", "", "DNS domain of services (default cluster.local)")
	f.StringSliceVar(&o.SkipPhases, "skip-phases", nil, "phases to leave out")
	f.BoolVar(&o.skipTokenPrint, "skip-token-print", false, "do not print the join command, which holds the token")
	f.StringVar(&o.Token, "token", "", "bootstrap token to make; seen in the process list, so better in the configuration file")
	f.DurationVar(&o.tokenTTL, "token-ttl", 24*time.Hour, "how long the bootstrap token lives; 0 for ever")
}

func (o *options) complete(cmd *cobra.Command) *options {
	if cmd.Flags().Changed("token-ttl") {
		o.TokenTTL = &o.tokenTTL
	}
	return o
}

func run(ctx context.Context, s *session.Session, o *options, list []plan.Phase, whole bool) error {
	docs, err := s.Documents(o.file)
	if err != nil {
		return &exit.UsageError{Err: err}
	}
	loaded, err := config.Load(docs, s.Inputs(ctx, o.Overrides))
	if err != nil {
		return err
	}
	release, err := s.Lock("init", loaded.DryRun)
	if err != nil {
		return err
	}
	defer release()
	s.Warn(loaded.Warnings, loaded.Unused)
	skip, err := skipped(loaded.Cluster.SkipPhases, list)
	if err != nil {
		return err
	}
	prepared, err := prepare(ctx, s, loaded, list, skip)
	if err != nil {
		return err
	}
	in := prepared.input
	if prepared.has("preflight") {
		subject := preflight.Subject{Cluster: in.Cluster, Node: in.Node, Facts: in.HostFacts(), Ours: prepared.ours}
		if err := s.Preflight(preflight.Init(in.Cluster, in.Node), subject, in.Node.IgnorePreflight); err != nil {
			return err
		}
	}
	if err := prepared.ensure(); err != nil {
		return err
	}
	p, err := plan.Build(listName(list, whole), list, prepared.input, skip)
	if err != nil {
		return &exit.UsageError{Err: err}
	}
	client := prepared.client(s)
	if loaded.DryRun {
		return s.DryRun(ctx, client, p)
	}
	if len(p.Groups) > 0 {
		if _, err := s.Apply(ctx, client, p); err != nil {
			return err
		}
	}
	r := result{whole: whole, join: prepared.has("show-join-command") && !o.skipTokenPrint}
	return r.print(ctx, s, prepared.input, client)
}

// skipped is what of the phases to leave out is in the list: a configuration
// may name those of the whole init and be used for one phase.
func skipped(skip []string, list []plan.Phase) ([]string, error) {
	all, here := phaseNames(phases.Init(), "", nil), phaseNames(list, "", nil)
	var kept []string
	for _, name := range skip {
		if !slices.Contains(all, name) {
			return nil, &exit.UsageError{Err: fmt.Errorf("skip phase %q: init has no such phase", name), Help: "clusteradm init phase --help"}
		}
		if slices.Contains(here, name) {
			kept = append(kept, name)
		}
	}
	return kept, nil
}

func phaseCommand(s *session.Session) *cobra.Command {
	parent := session.Group(&cobra.Command{
		Use:     "phase",
		Short:   "Run one phase of init",
		Example: "  clusteradm init phase certs all",
	})
	for _, phase := range phases.Init() {
		parent.AddCommand(phaseCommands(s, phase))
	}
	return parent
}

// phaseCommands derives the commands of a phase: itself, each of its parts,
// and "all" for the parts together.
func phaseCommands(s *session.Session, phase plan.Phase) *cobra.Command {
	cmd := command(s, phase, phase.Name, phase)
	if len(phase.Sub) == 0 {
		return cmd
	}
	group := session.Group(&cobra.Command{Use: cmd.Use, Short: cmd.Short, Long: cmd.Long, Example: cmd.Example + " all", Hidden: cmd.Hidden})
	if phase.Example != "" {
		group.Example = cmd.Example
	}
	all := phase
	all.Name = "all"
	group.AddCommand(command(s, all, phase.Name+" all", phase))
	for _, sub := range phase.Sub {
		within := phase // its own steps, such as directories, and this one part
		within.Sub = []plan.Phase{sub}
		group.AddCommand(command(s, sub, phase.Name+" "+sub.Name, within))
	}
	return group
}

// command carries out list; shown says how it is called and described.
func command(s *session.Session, shown plan.Phase, path string, list ...plan.Phase) *cobra.Command {
	o := &options{}
	example := shown.Example
	if example == "" {
		example = "clusteradm init phase " + path
	}
	cmd := &cobra.Command{
		Use: shown.Name, Short: shown.Short, Long: shown.Long, Example: "  " + example, Hidden: shown.Hidden,
		Args: session.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), s, o.complete(cmd), list, false)
		},
	}
	o.flags(cmd)
	return cmd
}

// listName is what the journal and messages call the run: one of single phases
// must not go on in, or be taken for, that of a whole init.
func listName(list []plan.Phase, whole bool) string {
	if whole {
		return "init"
	}
	name := "init phase"
	for _, phase := range list {
		name += " " + phase.Name
	}
	return name
}
