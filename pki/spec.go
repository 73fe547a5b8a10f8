package pki

import (
	"crypto/x509"
	"net/netip"
	"path"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// Usage is an extended key usage, by its name in messages.
type Usage string

// The usages of leaf certificates.
const (
	ServerAuth Usage = "server auth"
	ClientAuth Usage = "client auth"
)

func (u Usage) extended() x509.ExtKeyUsage {
	if u == ClientAuth {
		return x509.ExtKeyUsageClientAuth
	}
	return x509.ExtKeyUsageServerAuth
}

// Spec says what one certificate and its key are to be.
type Spec struct {
	Name   string // of the kubeadm phase, "apiserver-kubelet-client"
	Dir    string // the certificates directory
	Base   string // path below Dir without extension, "etcd/server"
	CA     string // Name of the issuing CA, empty for a root
	CABase string // Base of the issuing CA, empty for a root

	CommonName   string
	Organization []string
	Usages       []Usage
	DNSNames     []string // sorted, without duplicates
	IPs          []netip.Addr
	IsCA         bool
	KeyOnly      bool // a key and its public half, no certificate

	Validity  time.Duration
	Algorithm cluster.KeyAlgorithm
}

// CertPath is where the certificate belongs.
func (s Spec) CertPath() string { return path.Join(s.Dir, s.Base+".crt") }

// KeyPath is where the private key belongs.
func (s Spec) KeyPath() string { return path.Join(s.Dir, s.Base+".key") }

// PublicPath is where the public key of a KeyOnly spec belongs.
func (s Spec) PublicPath() string { return path.Join(s.Dir, s.Base+".pub") }

// Tree lists what belongs below the certificates directory of a control-plane
// node, in the order of kubeadm's phases; the service account's key pair is
// the last one. With an external etcd there is no etcd CA and nothing under it.
func Tree(c *cluster.Cluster, n cluster.Node) []Spec {
	api, server, peer := apiServerSANs(c, n), etcdSANs(n, c.Etcd.ServerCertSANs), etcdSANs(n, c.Etcd.PeerCertSANs)
	both := []Usage{ServerAuth, ClientAuth} // etcd dials itself with its serving certificate
	tree := []Spec{
		root("ca", "ca", "kubernetes"),
		leaf("apiserver", "apiserver", "ca", "ca", "kube-apiserver", api, ServerAuth),
		leaf("apiserver-kubelet-client", "apiserver-kubelet-client", "ca", "ca", "kube-apiserver-kubelet-client", sans{}, ClientAuth),
		root("front-proxy-ca", "front-proxy-ca", "front-proxy-ca"),
		leaf("front-proxy-client", "front-proxy-client", "front-proxy-ca", "front-proxy-ca", "front-proxy-client", sans{}, ClientAuth),
	}
	if c.Etcd.External == nil {
		tree = append(tree,
			root("etcd-ca", "etcd/ca", "etcd-ca"),
			leaf("etcd-server", "etcd/server", "etcd-ca", "etcd/ca", n.Name, server, both...),
			leaf("etcd-peer", "etcd/peer", "etcd-ca", "etcd/ca", n.Name, peer, both...),
			leaf("etcd-healthcheck-client", "etcd/healthcheck-client", "etcd-ca", "etcd/ca", "kube-etcd-healthcheck-client", sans{}, ClientAuth),
			leaf("apiserver-etcd-client", "apiserver-etcd-client", "etcd-ca", "etcd/ca", "kube-apiserver-etcd-client", sans{}, ClientAuth),
		)
	}
	tree = append(tree, Spec{Name: "sa", Base: "sa", KeyOnly: true})
	for i := range tree {
		tree[i].Dir, tree[i].Algorithm = c.CertificatesDir, c.KeyAlgorithm
		switch {
		case tree[i].IsCA:
			tree[i].Validity = c.CAValidity
		case !tree[i].KeyOnly:
			tree[i].Validity = c.LeafValidity
		}
	}
	return tree
}

func root(name, base, commonName string) Spec {
	return Spec{Name: name, Base: base, CommonName: commonName, DNSNames: []string{commonName}, IsCA: true}
}

func leaf(name, base, ca, caBase, commonName string, s sans, usages ...Usage) Spec {
	return Spec{Name: name, Base: base, CA: ca, CABase: caBase, CommonName: commonName,
		DNSNames: s.dns, IPs: s.ips, Usages: usages}
}
