package joincmd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/client"
	"github.com/clusteradm/clusteradm/internal/lease"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

// NoEndpointError reports a cluster that has no address for all of its control
// planes: the nodes know the first one alone.
type NoEndpointError struct{}

func (NoEndpointError) Error() string {
	return "join as a control plane: the cluster has no controlPlaneEndpoint, so its nodes know the first control plane only"
}

// Hint is the command that gives it one.
func (NoEndpointError) Hint() string {
	return "on a control plane run: clusteradm endpoint set HOST:PORT"
}

// pkiFiles are the paths that facts are read of.
func pkiFiles(c *cluster.Cluster, n cluster.Node, caPath string) []string {
	if !n.ControlPlane {
		return []string{caPath}
	}
	files := pki.SharedFiles(c)
	for _, spec := range pki.Tree(c, n) {
		files = append(files, spec.KeyPath(), spec.CertPath(), spec.PublicPath())
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// takeIn has what control planes share, and what there is of this node's own.
func (p *prepared) takeIn(ctx context.Context, r kube.Reader, key secret.String) error {
	in := &p.input
	f := in.HostFacts()
	files, err := sharedFiles(ctx, r, in.Cluster, f.PKI, in.Join.CA, key)
	if err != nil {
		return err
	}
	if e := in.Cluster.Etcd.External; e != nil {
		paths := []string{e.CAFile, e.CertFile, e.KeyFile} // the last two may be one file
		slices.Sort(paths)
		for _, path := range slices.Compact(paths) {
			if data := files[path]; !data.Empty() {
				in.Join.Shared = append(in.Join.Shared, pki.NamedFile{Path: path, Content: data, Mode: 0o600})
			}
		}
	}
	all := maps.Clone(f.PKI)
	maps.Copy(all, files)
	in.PKI, err = pki.Read(all, in.Cluster)
	return err
}

// askExternalEtcd asks the etcd that others run with what this node will show
// it, for the checks: the files may have been downloaded and be nowhere yet.
func (p *prepared) askExternalEtcd(ctx context.Context, s *session.Session) error {
	in := &p.input
	given := map[string]secret.Bytes{}
	for _, f := range in.Join.Shared {
		given[f.Path] = f.Content
	}
	found, err := s.ExternalEtcd(ctx, in.Cluster, in.Node, given)
	f := in.HostFacts()
	f.Machine.Etcd = found
	in.Facts.Hosts[in.Node.Host] = f
	return err
}

// join makes what is this node's own and connects.
func (p *prepared) join(ctx context.Context, s *session.Session) error {
	if !p.input.Node.ControlPlane {
		return nil
	}
	if err := p.ensure(); err != nil {
		return err
	}
	return p.connect(ctx, s)
}

// ensure makes, in memory, this node's own keys and certificates.
func (p *prepared) ensure() (err error) {
	in := &p.input
	kubeconfigs := slices.DeleteFunc(pki.KubeconfigSpecs(in.Cluster, in.Node), func(k pki.KubeconfigSpec) bool {
		return k.Path == cluster.SuperAdminConf || k.Path == cluster.KubeletConf && in.PKI.External("ca")
	})
	controlplane.DropUnusableKubelet(in, kubeconfigs)
	in.PKI, err = pki.Ensure(in.PKI, pki.Tree(in.Cluster, in.Node), kubeconfigs, in.Facts.Now)
	return err
}

// connect reaches the cluster as its administrator, and its etcd, and finds out
// what this node is to that.
func (p *prepared) connect(ctx context.Context, s *session.Session) error {
	in := &p.input
	admin, err := p.administrator(s, in.Cluster.Timeouts.APICall)
	if err != nil {
		return err
	}
	p.closes = append(p.closes, admin.Close)
	p.keeper = &lease.Keeper{Client: admin, Holder: in.Node.Name, Now: s.Now}
	p.parts.Kube = p.keeper
	if in.Cluster.Etcd.External != nil {
		return nil
	}
	return p.askEtcd(ctx, s, admin)
}

// administrator asks with the admin.conf that was made for this node.
func (p *prepared) administrator(s *session.Session, timeout time.Duration) (*client.Client, error) {
	config, err := client.FromKubeconfig(p.input.PKI.Kubeconfigs[cluster.AdminConf].Reveal())
	if err != nil {
		return nil, fmt.Errorf("connect with %s: %w", cluster.AdminConf, err)
	}
	config.Server, config.Dial, config.Timeout = p.input.Cluster.Endpoint(p.input.Node), s.Machine.DialHost, timeout
	return client.New(config)
}
