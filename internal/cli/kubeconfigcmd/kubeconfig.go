// Package kubeconfigcmd is `clusteradm kubeconfig`: credentials for further
// users of the cluster. It changes nothing; what it makes is printed.
package kubeconfigcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

// usual is kubeadm's validity of certificates; longer ones are warned of.
const usual = 365 * 24 * time.Hour

type options struct {
	controlplane.Flags
	name, token string
	groups      []string
	validity    time.Duration
}

// New returns the command.
func New(s *session.Session) *cobra.Command {
	cmd := session.Group(&cobra.Command{
		Use:     "kubeconfig",
		Short:   "Make kubeconfigs",
		Example: "  clusteradm kubeconfig user --client-name alice --org developers",
	})
	cmd.AddCommand(user(s))
	return cmd
}

func user(s *session.Session) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Print a kubeconfig for a further user",
		Long: `Print a kubeconfig for a further user, with a client certificate that the
cluster's authority signs, or with a token. What the user may do is up to role
bindings for the name and the organizations.`,
		Example: `  clusteradm kubeconfig user --client-name alice --org developers > alice.conf
  clusteradm kubeconfig user --client-name ci --validity-period 24h`,
		Args: session.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), s, o)
		},
	}
	o.Add(cmd.Flags())
	f := cmd.Flags()
	f.StringVar(&o.name, "client-name", "", "name of the user, the certificate's common name (required)")
	f.StringSliceVar(&o.groups, "org", nil, "organizations of the certificate, which are the user's groups")
	f.StringVar(&o.token, "token", "", "token to authenticate with instead of a certificate; - for stdin, since flags are seen in the list of processes")
	f.DurationVar(&o.validity, "validity-period", usual, "how long the certificate is valid from now on")
	return cmd
}

func run(ctx context.Context, s *session.Session, o *options) error {
	const help = "clusteradm kubeconfig user --help"
	switch {
	case o.name == "":
		return &exit.UsageError{Err: errors.New("make kubeconfig: --client-name is needed"), Help: help}
	case o.validity <= 0:
		return &exit.UsageError{Err: fmt.Errorf("make kubeconfig: --validity-period %s is no time at all", o.validity), Help: help}
	case o.token != "" && len(o.groups) > 0:
		return &exit.UsageError{Err: errors.New("make kubeconfig: --org is of a certificate, and --token means that there is none"), Help: help}
	}
	if err := s.Secrets(&o.token); err != nil {
		return err
	}
	k, err := controlplane.Load(ctx, s, o.Flags)
	if err != nil {
		return err
	}
	if o.validity > usual {
		s.Caution(event.Event{Message: fmt.Sprintf("a certificate of %s is valid for longer than a year, and cannot be revoked", o.validity)})
	}
	data, err := o.make(ctx, s, k)
	if err != nil {
		return fmt.Errorf("make kubeconfig: %w", err)
	}
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind    string `json:"kind"`
			Content string `json:"content"`
		}{"kubeconfig", string(data.Reveal())})
	}
	_, err = s.Streams.Out.Write(data.Reveal())
	return err
}

func (o *options) make(ctx context.Context, s *session.Session, k *controlplane.Known) (secret.Bytes, error) {
	caPEM, err := s.Machine.ReadFile(ctx, k.Cluster.PKI("ca.crt"))
	if err != nil {
		return secret.Bytes{}, err
	}
	spec := pki.KubeconfigSpec{Cluster: k.Cluster.Name, Server: k.Cluster.Endpoint(k.Node), Client: pki.Spec{
		Name: "user", Dir: k.Cluster.CertificatesDir, CA: "ca", CABase: "ca", CommonName: o.name, Organization: o.groups,
		Usages: []pki.Usage{pki.ClientAuth}, Validity: o.validity, Algorithm: k.Cluster.KeyAlgorithm}}
	if spec.Client.Algorithm == "" {
		spec.Client.Algorithm = cluster.RSA2048
	}
	if o.token != "" {
		return pki.EncodeUserToken(spec, caPEM, secret.NewString(o.token)), nil
	}
	key, err := s.Machine.ReadFile(ctx, k.Cluster.PKI("ca.key"))
	if err != nil {
		return secret.Bytes{}, err
	}
	pair, err := pki.Issue(spec.Client, pki.Pair{Cert: caPEM, Key: secret.NewBytes(key)}, s.Now())
	if err != nil {
		return secret.Bytes{}, err
	}
	return pki.EncodeKubeconfig(spec, caPEM, pair.Cert, pair.Key), nil
}
