package endpointcmd

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/kube/client"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

// node is this machine and what it knows of its cluster.
type node struct {
	cluster *cluster.Cluster
	cluster.Node
	facts cluster.HostFacts
	ca    []byte
	cert  string      // that a control plane's API server serves
	api   *world.Lazy // as whom it may ask
}

// notANodeError is of a machine that is in no cluster.
type notANodeError struct{}

func (notANodeError) Error() string {
	return "look at this machine: it is no node of a cluster, there is no " + cluster.KubeletConf
}

// Hint is where to run it.
func (notANodeError) Hint() string { return "run it on a node of the cluster" }

// thisNode finds out. A control plane asks its own API server as the
// administrator, so that a change of the endpoint does not depend on either; a
// worker asks as its kubelet: at the address that is given, or where its
// kubelet asks.
func thisNode(ctx context.Context, s *session.Session, at string) (*node, error) {
	k, err := controlplane.Load(ctx, s, controlplane.Flags{})
	if err != nil {
		return nil, err
	}
	n := &node{cluster: k.Cluster, Node: k.Node}
	var flags map[string]string
	if flags, n.ControlPlane = k.Flags[manifests.KubeAPIServer]; n.ControlPlane {
		n.cert = flags["tls-cert-file"]
	}
	paths := append(pki.InspectedFiles(k.Cluster), k.Cluster.PKI("ca.crt"))
	asked := *k.Cluster
	asked.VirtualIP = &cluster.VirtualIP{} // there may be one from now on, in the network of this machine's address
	if n.facts, err = facts.Gather(ctx, s.Machine, &asked, paths, false); err == nil {
		err = facts.Attributes(ctx, s.Machine, &n.facts, slices.Concat(paths, phases.EndpointFiles(), []string{cluster.AdminConf, cluster.SuperAdminConf, cluster.KubeletConf}))
	}
	if err != nil {
		return nil, err
	}
	if n.ControlPlane {
		n.ca = n.facts.PKI[k.Cluster.PKI("ca.crt")].Reveal()
		n.api = controlplane.Administrator(s, n.Node, k.Cluster.Timeouts.APICall)
		return n, nil
	}
	return n, n.worker(ctx, s, at)
}

// uploaded takes the cluster's configuration as it is there.
func (n *node) uploaded(ctx context.Context) (err error) {
	n.cluster, err = controlplane.Uploaded(ctx, n.api)
	return err
}

// worker asks with what its kubelet has.
func (n *node) worker(ctx context.Context, s *session.Session, at string) error {
	conf, err := s.KubeletConfig(ctx)
	if errors.Is(err, fs.ErrNotExist) && n.facts.PKI[cluster.KubeletConf].Empty() {
		return notANodeError{}
	}
	if err != nil {
		return err
	}
	conf.Timeout = n.cluster.Timeouts.APICall
	if at != "" {
		conf.Server, conf.ServerName = "https://"+at, ""
	}
	n.ca = conf.CA
	n.api = &world.Lazy{Connect: func(context.Context) (world.Client, error) { return client.New(conf) }}
	return nil
}
