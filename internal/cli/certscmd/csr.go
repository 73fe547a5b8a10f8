package certscmd

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

type csrOptions struct {
	config, certDir, confDir string
	dryRun                   bool
}

func generateCSR(s *session.Session) *cobra.Command {
	o := &csrOptions{}
	cmd := &cobra.Command{
		Use:   "generate-csr",
		Short: "Make keys and requests for certificates that an external authority signs",
		Long: `Make keys and certificate signing requests for all certificates of a control
plane, and kubeconfigs with a key and no certificate, each with a request beside
it.

Have the requests signed. Put each certificate beside its key, as .crt, and that
of a kubeconfig in it as client-certificate-data, in base64. With the
authorities' certificates there too, ca.crt, front-proxy-ca.crt and etcd/ca.crt,
and without their keys, clusteradm init makes a control plane of them.

A key that exists is used again, and what has its certificate is left alone.`,
		Example: "  clusteradm certs generate-csr --cert-dir csr/pki --kubeconfig-dir csr",
		Args:    session.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runCSR(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.config, "config", "", "path of the configuration file")
	f.StringVar(&o.certDir, "cert-dir", "", "directory of keys and requests (default /etc/kubernetes/pki)")
	f.StringVar(&o.confDir, "kubeconfig-dir", cluster.KubernetesDir, "directory of kubeconfigs and their requests")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be changed and change nothing")
	return cmd
}

func runCSR(ctx context.Context, s *session.Session, o *csrOptions) error {
	docs, err := s.Documents(o.config)
	if err != nil {
		return err
	}
	// As with kubeadm, they may be relative to where the command is typed.
	for _, dir := range []*string{&o.certDir, &o.confDir} {
		if *dir == "" {
			continue
		}
		if *dir, err = filepath.Abs(*dir); err != nil {
			return err
		}
	}
	loaded, err := config.Load(docs, s.Inputs(ctx, config.Overrides{CertDir: o.certDir}))
	if err != nil {
		return err
	}
	release, err := s.Lock("certs generate-csr", o.dryRun)
	if err != nil {
		return err
	}
	defer release()
	c, n := loaded.Cluster, loaded.Node
	f, err := facts.Gather(ctx, s.Machine, c, pki.RequestFiles(c, n, o.confDir), false)
	if err != nil {
		return err
	}
	made, err := pki.Requests(f.PKI, c, n, o.confDir)
	if err != nil {
		return err
	}
	in := plan.Input{Cluster: c, Node: n, Facts: session.HostFacts(s.Now(), n.Host, f), Certs: plan.Certs{Files: made}}
	p, err := plan.Build("certs generate-csr", phases.Requests(), in, nil)
	if err != nil {
		return err
	}
	parts := world.Parts{Kube: controlplane.Administrator(s, in.Node, in.Cluster.Timeouts.APICall)}
	if o.dryRun {
		return s.DryRun(ctx, parts, p)
	}
	if _, err := s.Apply(ctx, parts, p); err != nil {
		return err
	}
	requests := []string{}
	for _, file := range made {
		if strings.HasSuffix(file.Path, ".csr") {
			requests = append(requests, file.Path)
		}
	}
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind     string   `json:"kind"`
			Requests []string `json:"requests"`
		}{"result", requests})
	}
	for _, r := range requests {
		fmt.Fprintln(s.Streams.Out, r)
	}
	return nil
}
