// Package initcmd is `clusteradm init`: from flags and documents to a plan,
// and from the plan to a control plane.
package initcmd

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/phasecmd"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/phases"
)

// options are the parsed flags.
type options struct {
	config.Overrides
	file           string
	fix            bool
	tokenTTL       time.Duration
	skipTokenPrint bool
	uploadCerts    bool
	skipKeyPrint   bool
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
  clusteradm init --control-plane-endpoint api.example.com --upload-certs
  clusteradm init --config cluster.yaml --dry-run
  clusteradm init phase certs all --cert-dir /tmp/pki`,
		Args: session.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), s, o.complete(cmd), phases.Init(), true)
		},
	}
	o.flags(cmd)
	cmd.AddCommand(commands(s).Command())
	return cmd
}

// list is the phases of init.
func list() phasecmd.List { return phasecmd.List{Name: "init", Phases: phases.Init()} }

// commands has them as commands.
func commands(s *session.Session) phasecmd.List {
	l := list()
	l.Bind = func(cmd *cobra.Command, some []plan.Phase) {
		o := &options{}
		o.flags(cmd)
		cmd.Args = session.Args(cobra.NoArgs)
		cmd.RunE = func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), s, o.complete(cmd), some, false)
		}
	}
	return l
}

func (o *options) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.file, "config", "", "path of the configuration file")
	f.StringVar(&o.APIServerAdvertiseAddress, "apiserver-advertise-address", "", "address the API server is reached at (default: that of the default route)")
	f.IntVar(&o.APIServerBindPort, "apiserver-bind-port", 0, "port of the API server (default 6443)")
	f.StringSliceVar(&o.APIServerCertExtraSANs, "apiserver-cert-extra-sans", nil, "further names and addresses in the API server's certificate")
	f.StringVar(&o.CertDir, "cert-dir", "", "directory of certificates and keys (default /etc/kubernetes/pki)")
	f.StringVar(&o.CertificateKey, "certificate-key", "", "key to encrypt uploaded certificates with (default: one is made and printed); - for stdin, since flags are seen in the list of processes")
	f.StringVar(&o.ControlPlaneEndpoint, "control-plane-endpoint", "", "stable address of the control plane, host or host:port")
	f.StringVar(&o.CRISocket, "cri-socket", "", "socket of the container runtime")
	f.BoolVar(&o.DryRun, "dry-run", false, "say what would be changed and change nothing")
	f.Var((*config.Gates)(&o.FeatureGates), "feature-gates", config.GatesUsage)
	f.BoolVar(&o.fix, "fix", false, "first load kernel modules, set sysctls and switch swap off where that is needed; clusteradm reset takes it back")
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
	f.BoolVar(&o.skipKeyPrint, "skip-certificate-key-print", false, "do not print the key that uploaded certificates are encrypted with")
	f.BoolVar(&o.skipTokenPrint, "skip-token-print", false, "do not print the join command, which holds the token")
	f.StringVar(&o.Token, "token", "", "bootstrap token to make; - for stdin, since flags are seen in the list of processes")
	f.BoolVar(&o.uploadCerts, "upload-certs", false, "share the certificates that further control planes need, encrypted, for two hours")
	f.DurationVar(&o.tokenTTL, "token-ttl", 24*time.Hour, "how long the bootstrap token lives; 0 for ever")
}

func (o *options) complete(cmd *cobra.Command) *options {
	if cmd.Flags().Changed("token-ttl") {
		o.TokenTTL = &o.tokenTTL
	}
	return o
}

// load reads flags and documents, and a token or a certificate key from stdin.
func (o *options) load(ctx context.Context, s *session.Session) (*config.Loaded, error) {
	if err := s.Secrets(&o.Token, &o.CertificateKey); err != nil {
		return nil, err
	}
	docs, err := s.Documents(o.file)
	if err != nil {
		return nil, err
	}
	return config.Load(docs, s.Inputs(ctx, o.Overrides))
}

func run(ctx context.Context, s *session.Session, o *options, some []plan.Phase, whole bool) error {
	loaded, err := o.load(ctx, s)
	if err != nil {
		return err
	}
	release, err := s.Lock("init", loaded.DryRun)
	if err != nil {
		return err
	}
	defer release()
	s.Warn(loaded.Warnings, loaded.Unused)
	skip, err := list().Skipped(loaded.Cluster.SkipPhases, some)
	if err != nil {
		return err
	}
	checks := slices.Contains(phasecmd.Names(some, skip), "preflight")
	prepared, _, err := session.Fixed(ctx, s, o.fix && checks, loaded.DryRun, func() (*prepared, error) { return prepare(ctx, s, loaded, some, skip) })
	if err != nil {
		return err
	}
	in := prepared.input
	if err := phases.CheckPatches(in, some, skip); err != nil {
		return &exit.UsageError{Err: err}
	}
	if prepared.has("preflight") {
		if err := s.Preflight(prepared.Checks(s, o.fix && loaded.DryRun)); err != nil {
			return err
		}
		if !loaded.DryRun { // which shows them with all else
			if err := s.PreflightImages(ctx, in, some); err != nil {
				return err
			}
			skip = append(skip, "preflight") // it is done
		}
	}
	if err := prepared.ensure(); err != nil {
		return err
	}
	shares, err := prepared.share(s, o.uploadCerts, whole)
	if err != nil {
		return err
	}
	p, err := plan.Build(list().RunName(some, whole), some, prepared.input, skip)
	if err != nil {
		return &exit.UsageError{Err: err}
	}
	client := prepared.client(s)
	parts := world.Parts{Kube: client, Runtime: s.NodeRuntime(in.Node)}
	if loaded.DryRun {
		return s.DryRun(ctx, parts, p)
	}
	if whole && prepared.ours {
		// What cannot be planned, since the API server is down, is to be mended.
		if changes, err := s.Plan(ctx, parts, p); err == nil && reconfigures(changes) {
			return errors.Join(s.ShowPlan(p.Name, changes), &exit.PendingError{
				Err:  errors.New("init: the control plane runs with other settings than these, and init does not change them"),
				Help: "clusteradm init phase control-plane all --config FILE; clusteradm init phase upload-config all --config FILE",
			})
		}
	}
	if len(p.Groups) > 0 {
		if _, err := s.Apply(ctx, parts, p); err != nil {
			return err
		}
	}
	r := result{whole: whole, join: prepared.has("show-join-command") && !o.skipTokenPrint, shared: shares, hideKey: o.skipKeyPrint}
	return r.print(ctx, s, prepared.input, client)
}
