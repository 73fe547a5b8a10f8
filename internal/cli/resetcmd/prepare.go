package resetcmd

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/preflight"
)

// load reads the configuration. Where it does not say so, the container runtime
// is the one that the kubelet has.
func load(ctx context.Context, s *session.Session, docs []byte, o config.Overrides) (*config.Reset, error) {
	in := s.Inputs(ctx, o)
	if socket := facts.RuntimeEndpoint(ctx, s.Machine); socket != "" {
		in.CRISockets = []string{socket}
	}
	return config.LoadReset(docs, in)
}

// prepared is everything known before planning.
type prepared struct {
	input   plan.Input
	subject preflight.Subject
	parts   world.Parts
	// asks is that the phases to be run are those in which kubeadm asks.
	asks   bool
	cleans bool // and those that leave nothing of the cluster
	closes []func()
}

func (p *prepared) close() {
	for _, c := range p.closes {
		c()
	}
}

func prepare(ctx context.Context, s *session.Session, reset *config.Reset, names []string) (*prepared, error) {
	f, err := facts.Gather(ctx, s.Machine, &cluster.Cluster{}, nil, false)
	if err != nil {
		return nil, err
	}
	remains, err := facts.Remains(ctx, s.Machine)
	if err != nil {
		return nil, err
	}
	p := &prepared{asks: slices.Contains(names, "preflight"), cleans: slices.Contains(names, "cleanup-node")}
	runtime := s.Runtime(reset.CRISocket)
	if c, ok := runtime.(interface{ Close() error }); ok {
		p.closes = append(p.closes, func() { _ = c.Close() }) // nothing is lost with it
	}
	p.parts.Runtime = runtime
	if err := facts.Pods(ctx, runtime, &remains); err != nil {
		return nil, err
	}
	if remains.Etcd != nil {
		if err := p.askEtcd(ctx, s, remains.Etcd); err != nil {
			return nil, err
		}
	}
	node := cluster.Node{Name: cmp.Or(remains.NodeName, s.Hostname), Host: s.Hostname, CRISocket: reset.CRISocket, IgnorePreflight: reset.IgnorePreflight}
	certificates := reset.CertificatesDir
	if remains.CertificatesDir != "" && certificates == cluster.KubernetesDir+"/pki" {
		certificates = remains.CertificatesDir
	}
	p.input = plan.Input{Node: node, Facts: session.HostFacts(s.Now(), s.Hostname, f), Reset: plan.Reset{
		CertificatesDir: certificates, CleanupTmpDir: reset.CleanupTmpDir, UnmountFlags: reset.UnmountFlags, Remains: remains,
		KeepEtcdData: !slices.Contains(names, "remove-etcd-member") && remains.Etcd != nil && !remains.Etcd.Left(),
	}}
	p.subject = preflight.Subject{Node: node, Facts: f, Remains: remains}
	return p, nil
}

// askEtcd asks the local etcd, or another member, for the membership. That it
// cannot be asked is a fact for the checks to judge.
func (p *prepared) askEtcd(ctx context.Context, s *session.Session, e *cluster.LocalEtcd) error {
	asked, err := s.EtcdOf(ctx, e)
	if err != nil {
		e.Unknown = err.Error()
		return ctx.Err()
	}
	p.closes = append(p.closes, asked.Close)
	p.parts.Etcd = asked
	return facts.EtcdMembers(ctx, asked, e)
}

// left lists what stays in directories that a cluster's files are in.
func (p *prepared) left(ctx context.Context, s *session.Session) ([]string, error) {
	dirs := []string{cluster.KubernetesDir, cluster.ManifestsDir, p.input.Reset.CertificatesDir, p.input.Reset.CertificatesDir + "/etcd",
		cluster.KubeletDir, "/etc/cni/net.d", "/var/lib/etcd"}
	e := p.input.Reset.Remains.Etcd
	if e != nil {
		dirs = append(dirs, e.DataDir)
	}
	slices.Sort(dirs)
	dirs = slices.Compact(dirs)
	var left []string
	for _, dir := range dirs {
		entries, err := s.Machine.ReadDir(ctx, dir)
		if err != nil {
			continue // it is not there any more
		}
		for _, entry := range entries {
			path := dir + "/" + entry.Name
			kept := e != nil && p.input.Reset.KeepEtcdData && path == e.DataDir+"/member"
			if !kept && !slices.Contains(dirs, path) {
				left = append(left, path)
			}
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("list what stays: %w", context.Cause(ctx))
	}
	return left, nil
}
