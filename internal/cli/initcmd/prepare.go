package initcmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/phasecmd"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/kube/client"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/pki"
)

// prepared is everything known before planning.
type prepared struct {
	input plan.Input
	found *pki.Bundle // on the machine
	ours  bool
	// names are the phases that will be carried out, "certs/ca".
	names []string
}

func prepare(ctx context.Context, s *session.Session, l *config.Loaded, list []plan.Phase, skip []string) (*prepared, error) {
	var files []string
	for _, spec := range pki.Tree(l.Cluster, l.Node) {
		files = append(files, spec.KeyPath(), spec.CertPath(), spec.PublicPath())
	}
	if l.Cluster.Etcd.External != nil { // whose client's files control planes share
		files = append(files, pki.SharedFiles(l.Cluster)...)
		slices.Sort(files)
		files = slices.Compact(files)
	}
	names := phasecmd.Names(list, skip)
	look := func() (cluster.HostFacts, error) {
		return s.Facts(ctx, l.Cluster, l.Node, files, slices.ContainsFunc(names, needsPrograms))
	}
	if slices.Contains(names, "preflight") {
		look = func() (cluster.HostFacts, error) { return s.CheckFacts(ctx, l.Cluster, l.Node, files) }
	}
	f, err := look()
	if err != nil {
		return nil, err
	}
	f.ProxyEnv = manifests.ProxyEnv(s.Environ)
	found, err := pki.Read(f.PKI, l.Cluster)
	if err != nil {
		return nil, err
	}
	return &prepared{
		input: plan.Input{Cluster: l.Cluster, Node: l.Node, Facts: session.HostFacts(s.Now(), l.Node.Host, f), PKI: found, Binary: s.Binary},
		found: found,
		ours:  ours(f, l.Cluster, l.Node, found),
		names: names,
	}, nil
}

// needsPrograms reports a phase whose steps or checks depend on facts that only
// programs know; certificates and kubeconfigs are made from files alone.
func needsPrograms(phase string) bool {
	family, _, _ := strings.Cut(phase, "/")
	return family != "certs" && family != "kubeconfig"
}

// ours reports that the machine is this node of this cluster: its kubelet.conf
// trusts our CA and has our node's name and address.
func ours(f cluster.HostFacts, c *cluster.Cluster, n cluster.Node, b *pki.Bundle) bool {
	data := f.PKI[cluster.KubeletConf]
	if data.Empty() {
		return false
	}
	conf, err := pki.DecodeKubeconfig(data)
	if err != nil {
		return false
	}
	theirs, err := pki.Pin(conf.CA)
	if err != nil {
		return false
	}
	mine, err := pki.Pin(b.Pairs["ca"].Cert)
	return err == nil && theirs == mine && conf.Server == c.KubeletEndpoint(n) && conf.User == "system:node:"+n.Name
}

// has reports whether a phase is to be carried out.
func (p *prepared) has(phase string) bool { return slices.Contains(p.names, phase) }

// ensure makes, in memory, what of the PKI the phases will write and is not on
// the machine.
func (p *prepared) ensure() error {
	in := &p.input
	var specs []pki.Spec
	for _, spec := range pki.Tree(in.Cluster, in.Node) {
		exists := len(p.found.Pairs[spec.Base].Cert) > 0
		if slices.Contains(p.names, "certs/"+spec.Name) || exists && spec.IsCA {
			specs = append(specs, spec)
		}
	}
	var kubeconfigs []pki.KubeconfigSpec
	for _, spec := range pki.KubeconfigSpecs(in.Cluster, in.Node) {
		if slices.Contains(p.names, "kubeconfig/"+spec.Name) {
			kubeconfigs = append(kubeconfigs, spec)
		}
	}
	if err := p.serviceAccountStays(); err != nil {
		return err
	}
	controlplane.DropUnusableKubelet(in, kubeconfigs)
	bundle, err := pki.Ensure(p.found, specs, kubeconfigs, in.Facts.Now)
	if err != nil {
		return err
	}
	in.PKI = bundle
	return nil
}

// share encrypts what further control planes need, if that was asked for.
func (p *prepared) share(s *session.Session, asked, whole bool) (bool, error) {
	in := &p.input
	switch {
	case !p.has("upload-certs"):
		return false, nil
	case !asked:
		if !whole {
			s.Caution(event.Event{Message: "nothing is shared without --upload-certs", Hint: "clusteradm init phase upload-certs --upload-certs"})
		}
		return false, nil
	case whole && in.Cluster.ControlPlaneEndpoint == "":
		s.Caution(event.Event{Message: "certificates are shared, but further control planes can join only a cluster that has a controlPlaneEndpoint",
			Hint: "clusteradm endpoint set HOST[:PORT]   # afterwards"})
	}
	if p.ours && in.Cluster.CertificateKey.Empty() {
		s.Caution(event.Event{Message: "the certificate key is a new one: commands that were printed earlier join no control plane any more",
			Hint: "clusteradm init --upload-certs --certificate-key -   # keeps that one"})
	}
	shared, err := s.Share(in.PKI, in.Cluster.CertificateKey)
	in.Shared = shared
	return err == nil, err
}

// serviceAccountStays refuses to make new service account keys for a control
// plane that runs: every token of the cluster was signed with the old ones.
func (p *prepared) serviceAccountStays() error {
	sa := p.found.ServiceAccount
	_, running := p.input.HostFacts().Manifests[cluster.ManifestsDir+"/kube-apiserver.yaml"]
	if !p.ours || !running || !sa.Private.Empty() || len(sa.Public) > 0 {
		return nil
	}
	path := p.input.Cluster.PKI("sa.key")
	return &pki.CheckError{Path: path, Problem: pki.Missing, Reason: "it signed the service account tokens of the running cluster",
		Hint: "restore " + path + " and sa.pub from a backup"}
}

// client talks to this node's own API server as the administrator whose
// credentials are at hand, so that init depends on no balancer.
func (p *prepared) client(s *session.Session) *world.Lazy {
	return &world.Lazy{Connect: func(context.Context) (world.Client, error) {
		for _, path := range []string{cluster.SuperAdminConf, cluster.AdminConf} {
			data := p.input.PKI.Kubeconfigs[path]
			if data.Empty() {
				continue
			}
			config, err := client.FromKubeconfig(data.Reveal())
			if err != nil {
				return nil, fmt.Errorf("connect with %s: %w", path, err)
			}
			config.Server = p.input.Node.LocalEndpoint()
			config.Dial = s.Machine.DialHost
			config.Timeout = p.input.Cluster.Timeouts.APICall
			return client.New(config)
		}
		return nil, errors.New("connect to the API server: there is no admin.conf; run: clusteradm init phase kubeconfig all")
	}}
}
