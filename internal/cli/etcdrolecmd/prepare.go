package etcdrolecmd

import (
	"context"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/etcd/client"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/pki"
	"github.com/clusteradm/clusteradm/preflight"
)

// prepared is everything known before planning.
type prepared struct {
	input    plan.Input
	found    *pki.Bundle // on the machine
	ours     bool
	endpoint string   // of a member that is there, when joining
	names    []string // of the phases that will be carried out
}

func prepare(ctx context.Context, s *session.Session, o *options, l *config.Loaded, names []string) (*prepared, error) {
	var files []string
	for _, spec := range specs(l) {
		files = append(files, spec.KeyPath(), spec.CertPath())
	}
	look := func() (cluster.HostFacts, error) { return s.Facts(ctx, l.Cluster, l.Node, files, true) }
	if slices.Contains(names, "preflight") {
		look = func() (cluster.HostFacts, error) { return s.CheckFacts(ctx, l.Cluster, l.Node, files) }
	}
	f, err := look()
	if err != nil {
		return nil, err
	}
	// Kubeconfigs are of a node, which this machine is not to be.
	mine := map[string]secret.Bytes{}
	for _, file := range files {
		if data, ok := f.PKI[file]; ok {
			mine[file] = data
		}
	}
	found, err := pki.Read(mine, l.Cluster)
	if err != nil {
		return nil, err
	}
	return &prepared{
		input: plan.Input{Cluster: l.Cluster, Node: l.Node, Facts: session.HostFacts(s.Now(), l.Node.Host, f), PKI: found},
		found: found, ours: ours(f, l.Node, found), endpoint: o.endpoint, names: names,
	}, nil
}

// specs are the certificates of an etcd machine.
func specs(l *config.Loaded) []pki.Spec {
	return slices.DeleteFunc(pki.Tree(l.Cluster, l.Node), func(s pki.Spec) bool { return s.CABase != "etcd/ca" && s.Base != "etcd/ca" })
}

// ours reports that the machine is this very member: its manifest has our name
// and peer URL, and there is the authority that it is to have.
func ours(f cluster.HostFacts, n cluster.Node, b *pki.Bundle) bool {
	flags, err := manifests.Flags(f.Manifests[cluster.ManifestsDir+"/etcd.yaml"])
	return err == nil && flags["name"] == n.Name && flags["initial-advertise-peer-urls"] == manifests.EtcdPeerURL(n) && len(b.Pairs["etcd/ca"].Cert) > 0
}

// runs reports that this machine's member has started before.
func (p *prepared) runs() bool {
	data, ok := p.input.HostFacts().Files[p.input.Cluster.Etcd.DataDir]
	return p.ours && ok && !data.Empty
}

// has reports whether a phase is to be carried out.
func (p *prepared) has(phase string) bool { return slices.Contains(p.names, phase) }

func (p *prepared) checks(s *session.Session, list string) session.Checked {
	in := p.input
	return session.Checked{List: list, Checks: preflight.EtcdMachine(in.Cluster, p.endpoint == ""), Ignore: in.Node.IgnorePreflight,
		Subject: preflight.Subject{Cluster: in.Cluster, Node: in.Node, Facts: in.HostFacts(), Ours: p.ours, Now: in.Facts.Now, Newest: s.Build.Kubernetes}}
}

// ensure makes, in memory, what of the certificates the phases will write and
// is not on the machine.
func (p *prepared) ensure() error {
	in := &p.input
	if p.endpoint != "" && len(p.found.Pairs["etcd/ca"].Cert) == 0 {
		dir := in.Cluster.PKI("etcd")
		return &noAuthorityError{in.Cluster.PKI("etcd", "ca.crt"), "scp HOST:" + dir + "/ca.crt HOST:" + dir + "/ca.key " + dir + "/   # from the machine of etcd init"}
	}
	var wanted []pki.Spec
	for _, spec := range pki.Tree(in.Cluster, in.Node) {
		if p.has("certs/"+spec.Name) || spec.Base == "etcd/ca" && len(p.found.Pairs[spec.Base].Cert) > 0 {
			wanted = append(wanted, spec)
		}
	}
	bundle, err := pki.Ensure(p.found, wanted, nil, in.Facts.Now)
	if err != nil {
		return err
	}
	in.PKI = bundle
	return nil
}

// connect is a client of etcd's that has the certificate for health checks. It
// asks first the member that is there already.
func (p *prepared) connect(s *session.Session) (session.Etcd, error) {
	in := p.input
	var endpoints []string
	if p.endpoint != "" {
		endpoints = append(endpoints, p.endpoint)
	}
	// Where the member serves that is here tells its manifest best.
	flags, _ := manifests.Flags(in.HostFacts().Manifests[cluster.ManifestsDir+"/etcd.yaml"])
	if urls := flags["listen-client-urls"]; urls != "" {
		endpoints = append(endpoints, strings.Split(urls, ",")...)
	}
	if own := manifests.EtcdClientURL(in.Node); !slices.Contains(endpoints, own) {
		endpoints = append(endpoints, own)
	}
	pair := in.PKI.Pairs["etcd/healthcheck-client"]
	if len(pair.Cert) == 0 || pair.Key.Empty() {
		return nobody{}, nil // a phase that comes before, and asks nothing
	}
	return s.Etcd(client.Config{Endpoints: endpoints, CA: in.PKI.Pairs["etcd/ca"].Cert, Cert: pair.Cert, Key: pair.Key, Dial: s.Machine.DialHost})
}

// nobody is an etcd that there is nothing to ask with.
type nobody struct{ etcd.Unavailable }

func (nobody) Close() {}

// noAuthorityError reports a machine without the certificate of etcd's authority.
type noAuthorityError struct{ Path, Command string }

func (e *noAuthorityError) Error() string {
	return "find etcd's authority: there is no " + e.Path
}

// Hint is the command that brings it.
func (e *noAuthorityError) Hint() string { return e.Command }
