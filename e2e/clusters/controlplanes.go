package clusters

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// Kubeadm is the real one, on every node.
const Kubeadm = "/usr/bin/kubeadm"

// EndpointName is a name for all control planes, which nodes know once Resolve
// told them. It stands for a name in a site's DNS.
const EndpointName = "api.lab"

// resolve gives a node a name for machines, in their order, in place of the one
// it had.
const resolve = `grep -v " $1\$" /etc/hosts >/etc/hosts.new; for a in $2; do echo "$a $1" >>/etc/hosts.new; done; cat /etc/hosts.new >/etc/hosts; rm /etc/hosts.new`

// Resolve has a node know EndpointName as the addresses of the control planes.
func (c *Cluster) Resolve(ctx context.Context, n *nodes.Node, controlPlanes ...string) error {
	var addresses []string
	for _, name := range controlPlanes {
		addresses = append(addresses, c.Lab.Node(name).Address())
	}
	_, err := Must(ctx, n, "sh", "-c", resolve, "sh", EndpointName, strings.Join(addresses, " "))
	return err
}

// InitFirst makes the first control plane of several, with the certificates
// uploaded for the others. Documents of clusteradm's own are for clusteradm;
// kubeadm's cluster has no pod network.
func (c *Cluster) InitFirst(ctx context.Context, tool, documents string, flags ...string) (string, error) {
	n := c.ControlPlane()
	text, err := nodes.Kubeadm{Versions: c.Versions, Node: n.Name(), Address: n.Address(), Endpoint: c.Endpoint,
		CertificateKey: nodes.LabCertificateKey}.InitConfig()
	if err != nil {
		return "", err
	}
	if tool == Binary {
		text += flannel
	}
	if documents != "" {
		text += "---\n" + documents
	}
	if err := n.WriteFile(ctx, "/root/init.yaml", []byte(text), 0o600); err != nil {
		return "", err
	}
	out, err := Must(ctx, n, append([]string{tool, "init", "--config", "/root/init.yaml", "--upload-certs"}, flags...)...)
	if err != nil {
		return "", err
	}
	c.pin, err = c.Pin(ctx) // while there is a control plane that can be asked
	return out, err
}

// WriteControlPlaneConfig puts the configuration of a further control plane on
// a node, for either tool.
func (c *Cluster) WriteControlPlaneConfig(ctx context.Context, n *nodes.Node, path string) error {
	pin, err := c.Pin(ctx)
	if err != nil {
		return err
	}
	text, err := nodes.Kubeadm{Versions: c.Versions, Node: n.Name(), Address: n.Address(), Endpoint: c.discovery(),
		CACertHashes: []string{pin}, CertificateKey: nodes.LabCertificateKey}.JoinConfig()
	if err != nil {
		return err
	}
	return n.WriteFile(ctx, path, []byte(text), 0o600)
}

// JoinControlPlane makes a node a further control plane.
func (c *Cluster) JoinControlPlane(ctx context.Context, tool string, n *nodes.Node, flags ...string) (string, error) {
	if err := c.WriteControlPlaneConfig(ctx, n, "/root/join.yaml"); err != nil {
		return "", err
	}
	return Must(ctx, n, append([]string{tool, "join", "--config", "/root/join.yaml"}, flags...)...)
}

// JoinTogether starts the joins of several control planes at one moment and
// returns what each of them came to.
func (c *Cluster) JoinTogether(ctx context.Context, tool string, list ...*nodes.Node) []error {
	errs := make([]error, len(list))
	for i, n := range list {
		errs[i] = c.WriteControlPlaneConfig(ctx, n, "/root/join.yaml")
	}
	var group sync.WaitGroup
	for i, n := range list {
		if errs[i] == nil {
			group.Go(func() { _, errs[i] = Must(ctx, n, tool, "join", "--config", "/root/join.yaml") })
		}
	}
	group.Wait()
	return errs
}

// Leave takes a control plane out of the cluster with upstream's tools alone
// and has its machine begin anew, with nothing of ours on it. A node that is no
// control plane begins anew all the same.
func (c *Cluster) Leave(ctx context.Context, n *nodes.Node) error {
	members, err := Members(ctx, c.ControlPlane())
	if err != nil {
		return err
	}
	for _, m := range members {
		if slices.Equal(m.PeerURLs, []string{"https://" + n.Address() + ":2380"}) {
			// etcd removes no member while another has been connected for less than
			// five seconds.
			err := Eventually(ctx, 30*time.Second, "etcd to let "+n.Name()+" go", func() error {
				_, err := Etcdctl(ctx, c.ControlPlane(), "member", "remove", fmt.Sprintf("%x", m.ID))
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	if _, err := c.Kubectl(ctx, "delete", "node", n.Name(), "--ignore-not-found"); err != nil {
		return err
	}
	return n.Renew(ctx)
}

// Readyz asks the node's own API server, from the node, whether it is ready.
func Readyz(ctx context.Context, n *nodes.Node) error {
	_, err := Must(ctx, n, "curl", "-sSf", "--max-time", "5", "--cacert", "/etc/kubernetes/pki/ca.crt", "-o", "/dev/null", "https://"+n.Address()+":6443/readyz")
	return err
}

// WaitControlPlanes waits until each of the control planes serves by itself,
// is a Ready Node, and etcd has exactly their members. The first is asked.
func (c *Cluster) WaitControlPlanes(ctx context.Context, within time.Duration, names ...string) error {
	if err := c.From(c.Lab.Node(names[0])).WaitReady(ctx, within, names...); err != nil {
		return err
	}
	return Eventually(ctx, within, "control planes "+strings.Join(names, ", "), func() error {
		for _, name := range names {
			if err := Readyz(ctx, c.Lab.Node(name)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return c.ExactMembers(ctx, c.Lab.Node(names[0]), names...)
	})
}

// bridge is a pod network for one node, which makes its Node Ready: for
// clusters that kubeadm made.
const bridge = `{"cniVersion":"1.0.0","name":"lab","plugins":[{"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":true,
"ipam":{"type":"host-local","ranges":[[{"subnet":"10.244.%d.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}},{"type":"portmap","capabilities":{"portMappings":true}}]}
`

// Bridge gives nodes a pod network that ends at the node.
func Bridge(ctx context.Context, list ...*nodes.Node) error {
	for i, n := range list {
		if err := n.WriteFile(ctx, "/etc/cni/net.d/10-lab.conflist", fmt.Appendf(nil, bridge, 100+i), 0o644); err != nil {
			return err
		}
	}
	return nil
}
