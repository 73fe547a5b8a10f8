package session

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/cri/client"
	etcdclient "github.com/clusteradm/clusteradm/internal/etcd/client"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// Runtime is the container runtime of this machine behind a socket, with or
// without unix://. It connects when it is first asked something.
func (s *Session) Runtime(socket string) cri.Client { return client.New(s.Machine, socket) }

// Facts are those of this machine: with programs those too that only programs
// know, the container runtime among them.
func (s *Session) Facts(ctx context.Context, c *cluster.Cluster, n cluster.Node, pkiFiles []string, programs bool) (cluster.HostFacts, error) {
	var f cluster.HostFacts
	var runtime cluster.RuntimeFacts
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		f, err = facts.Gather(ctx, s.Machine, c, pkiFiles, programs)
		return err
	})
	if programs {
		g.Go(func() (err error) {
			runtime, err = facts.Runtime(ctx, s.Machine, s.Runtime(n.CRISocket), n.CRISocket)
			return err
		})
	}
	err := g.Wait()
	f.Runtime = runtime
	return f, err
}

// CheckFacts are Facts with what only the checks look at.
func (s *Session) CheckFacts(ctx context.Context, c *cluster.Cluster, n cluster.Node, pkiFiles []string) (cluster.HostFacts, error) {
	var f cluster.HostFacts
	var machine cluster.MachineFacts
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		f, err = s.Facts(ctx, c, n, pkiFiles, true)
		return err
	})
	g.Go(func() (err error) {
		prober, _ := s.Machine.(host.Prober)
		machine, err = facts.Machine(ctx, s.Machine, facts.Asked{Cluster: c, Node: n, Runtime: s.Runtime(n.CRISocket), P: prober, D: s.Machine, Etcd: s.externalEtcd})
		return err
	})
	err := g.Wait()
	f.Machine = machine
	return f, err
}

// ExternalEtcd is what is known of an etcd that others run, asked with files that
// will be here.
func (s *Session) ExternalEtcd(ctx context.Context, c *cluster.Cluster, n cluster.Node, given map[string]secret.Bytes) (*cluster.ExternalEtcdFacts, error) {
	return facts.ExternalEtcd(ctx, s.Machine, facts.Asked{Cluster: c, Node: n, D: s.Machine, Etcd: s.externalEtcd, Given: given})
}

// externalEtcd connects to one endpoint of an etcd that others run.
func (s *Session) externalEtcd(endpoint string, ca, cert []byte, key secret.Bytes) (facts.EtcdReader, error) {
	return s.Etcd(etcdclient.Config{Endpoints: []string{endpoint}, CA: ca, Cert: cert, Key: key, Dial: s.Machine.DialHost})
}
