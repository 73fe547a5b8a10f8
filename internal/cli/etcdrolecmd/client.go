package etcdrolecmd

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/phasecmd"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/phases"
)

// ClientCertificate returns the command that hands an etcd to control planes.
func ClientCertificate(s *session.Session) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "client-certificate",
		Short: "Print what a control plane needs to use the etcd of this machine",
		Long: `Print what a control plane needs to use the etcd of this machine: the stanza
etcd.external of its ClusterConfiguration, with every member that etcd has now,
and which files are to be copied. The client certificate of the API servers is
made if it is not there; that takes the key of etcd's authority.`,
		Example: `  clusteradm etcd client-certificate
  clusteradm etcd client-certificate -o json`,
		Args: session.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return hand(cmd.Context(), s, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.CertDir, "cert-dir", "", "directory of certificates and keys (default /etc/kubernetes/pki)")
	f.StringVar(&o.file, "config", "", "path of the configuration file of etcd init")
	return cmd
}

// clientPhase is the one phase that the command may have to carry out.
const clientPhase = "apiserver-etcd-client"

func hand(ctx context.Context, s *session.Session, o *options) error {
	loaded, err := o.load(ctx, s)
	if err != nil {
		return err
	}
	l := phasecmd.List{Name: "etcd client-certificate"}
	for _, phase := range phases.EtcdInit() {
		if phase.Name == "certs" {
			phase.Sub = slices.DeleteFunc(phase.Sub, func(sub plan.Phase) bool { return sub.Name != clientPhase })
			l.Phases = append(l.Phases, phase)
		}
	}
	release, err := s.Lock(l.Name, false)
	if err != nil {
		return err
	}
	defer release()
	s.Warn(loaded.Warnings, loaded.Unused)
	p, err := prepare(ctx, s, o, loaded, phasecmd.Names(l.Phases, nil))
	if err != nil {
		return err
	}
	if len(p.found.Pairs["etcd/ca"].Cert) == 0 {
		return &noAuthorityError{Path: p.input.Cluster.PKI("etcd", "ca.crt"), Command: "clusteradm etcd init"}
	}
	if err := p.ensure(); err != nil {
		return err
	}
	asked, err := p.connect(s)
	if err != nil {
		return err
	}
	defer asked.Close()
	members, err := asked.Members(ctx)
	if err != nil {
		return err
	}
	planned, err := plan.Build(l.Name, l.Phases, p.input, nil)
	if err != nil {
		return err
	}
	if _, err := s.Apply(ctx, world.Parts{}, planned); err != nil {
		return err
	}
	return p.stanza(s, members)
}

// external is the stanza, with kubeadm's names.
type external struct {
	Endpoints []string `json:"endpoints"`
	CAFile    string   `json:"caFile"`
	CertFile  string   `json:"certFile"`
	KeyFile   string   `json:"keyFile"`
}

func (p *prepared) stanza(s *session.Session, members []etcd.Member) error {
	c := p.input.Cluster
	e := external{Endpoints: endpoints(members), CAFile: c.PKI("etcd", "ca.crt"), CertFile: c.PKI(clientPhase + ".crt"), KeyFile: c.PKI(clientPhase + ".key")}
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind     string   `json:"kind"`
			External external `json:"external"`
		}{"external-etcd", e})
	}
	_, err := fmt.Fprintf(s.Streams.Out, `# To be copied to every control plane, to the same paths:
#   %[2]s
#   %[3]s
#   %[4]s
# Into its ClusterConfiguration:
etcd:
  external:
    endpoints:
    - %[1]s
    caFile: %[2]s
    certFile: %[3]s
    keyFile: %[4]s
`, strings.Join(e.Endpoints, "\n    - "), e.CAFile, e.CertFile, e.KeyFile)
	return err
}

// endpoints are where the members that vote serve, by name.
func endpoints(members []etcd.Member) []string {
	sorted := slices.SortedFunc(slices.Values(members), func(a, b etcd.Member) int { return cmp.Compare(a.Name, b.Name) })
	var urls []string
	for _, m := range sorted {
		if !m.Learner && len(m.ClientURLs) > 0 {
			urls = append(urls, m.ClientURLs[0])
		}
	}
	return urls
}
