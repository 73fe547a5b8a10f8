package pki

import (
	"github.com/clusteradm/clusteradm/internal/cluster"
)

// KubeconfigSpec says what one kubeconfig with a client certificate is to be.
type KubeconfigSpec struct {
	Name    string // of the kubeadm phase, "controller-manager"
	Path    string
	Cluster string // the cluster's name in it
	Server  string // URL
	Client  Spec   // CommonName is the user's name; it has no Base of its own
}

// KubeconfigSpecs lists the kubeconfigs of a control-plane node in the order of
// kubeadm's phases. What serves the node itself talks to its own API server, so
// that the node does not depend on others or on a load balancer; only the kubelet
// goes through a node load balancer, which outlives that API server.
func KubeconfigSpecs(c *cluster.Cluster, n cluster.Node) []KubeconfigSpec {
	shared, local, kubelet := c.Endpoint(n), n.LocalEndpoint(), c.KubeletEndpoint(n)
	spec := func(name, path, server, user string, groups ...string) KubeconfigSpec {
		return KubeconfigSpec{Name: name, Path: path, Cluster: c.Name, Server: server, Client: Spec{
			Name: name, Dir: c.CertificatesDir, CA: "ca", CABase: "ca",
			CommonName: user, Organization: groups, Usages: []Usage{ClientAuth},
			Validity: c.LeafValidity, Algorithm: c.KeyAlgorithm,
		}}
	}
	return []KubeconfigSpec{
		spec("admin", cluster.AdminConf, shared, "kubernetes-admin", "kubeadm:cluster-admins"),
		spec("super-admin", cluster.SuperAdminConf, shared, "kubernetes-super-admin", "system:masters"),
		spec("kubelet", cluster.KubeletConf, kubelet, nodeUser(n.Name), "system:nodes"),
		spec("controller-manager", cluster.ControllerConf, local, "system:kube-controller-manager"),
		spec("scheduler", cluster.SchedulerConf, local, "system:kube-scheduler"),
	}
}

func nodeUser(node string) string { return "system:node:" + node }

func kubeconfigPaths() []string {
	return []string{cluster.AdminConf, cluster.SuperAdminConf, cluster.KubeletConf, cluster.ControllerConf, cluster.SchedulerConf}
}
