// Package manifests renders what kubeadm's contract puts on a node and into
// the cluster: static pods, the kubelet's files, and the ConfigMaps, Secrets
// and RBAC of kubeadm itself. Every function is pure: the cluster, the node
// and what the machine looks like come in, bytes or objects go out.
//
// Files are byte for byte those of kubeadm v1.36.3, so that adopting a
// cluster that kubeadm made changes nothing. Objects are ready for server-side
// apply: no status, no timestamps. Nothing here validates configuration;
// internal/config has done that.
package manifests

import "github.com/clusteradm/clusteradm/internal/cluster"

// Names of the static pods, which are also those of their containers and,
// with ".yaml", of their files.
const (
	KubeAPIServer         = "kube-apiserver"
	KubeControllerManager = "kube-controller-manager"
	KubeScheduler         = "kube-scheduler"
	EtcdName              = "etcd"
)

// Options is what a file takes from the machine and not from configuration.
type Options struct {
	// TrustDirs are those of TrustDirs() that exist on the machine.
	TrustDirs []string
	// ProxyEnv is passed to the control plane, but not to etcd, whose peers
	// are never behind a proxy. See ProxyEnv().
	ProxyEnv []cluster.EnvVar
	// ExternalCA means that there is a CA certificate without its key: the
	// controller manager then gets empty signing flags and signs nothing.
	ExternalCA bool
	// SystemdResolved is true where systemd-resolved runs.
	SystemdResolved bool
	// Hostname is the machine's own.
	Hostname string
}

// TrustDirs lists the directories that may hold the targets of links in
// /etc/ssl/certs; the ones that exist are mounted beside it.
func TrustDirs() []string {
	return []string{
		"/etc/ca-certificates",
		"/etc/pki/ca-trust",
		"/etc/pki/tls/certs",
		"/usr/local/share/ca-certificates",
		"/usr/share/ca-certificates",
	}
}
