// Package cluster holds what is wanted (Cluster, Node) and what was observed
// (Facts). A Cluster is complete: internal/config has read, defaulted and
// validated it, and nothing changes it afterwards. The package does no I/O
// and knows no file format.
package cluster

import (
	"net"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"time"

	"github.com/clusteradm/clusteradm/internal/secret"
)

// Cluster is the whole of what a cluster is meant to be.
type Cluster struct {
	Name                 string // kubeconfig cluster name, "kubernetes" by default
	Version              string // "v1.36.3"
	ControlPlaneEndpoint string // "host:port", empty when not configured
	CertificatesDir      string // "/etc/kubernetes/pki"
	ImageRepository      string // "registry.k8s.io"
	FeatureGates         map[string]bool

	KeyAlgorithm   KeyAlgorithm
	LeafValidity   time.Duration // of certificates, 8760h by default
	CAValidity     time.Duration // of CAs, 87600h by default
	Networking     Networking
	Etcd           Etcd
	APIServer      APIServer
	Controller     Component
	Scheduler      Component
	DNS            DNS
	ProxyDisabled  bool
	PodNetwork     PodNetwork
	LoadBalancer   *NodeLoadBalancer // nil: none
	VirtualIP      *VirtualIP        // nil: none
	Kubelet        ComponentConfig   // KubeletConfiguration, kubelet.config.k8s.io/v1beta1
	KubeProxy      ComponentConfig   // KubeProxyConfiguration, kubeproxy.config.k8s.io/v1alpha1
	Tokens         []Token           // bootstrap tokens that init creates
	Timeouts       Timeouts
	SkipPhases     []string
	CertificateKey secret.String
}

// KeyAlgorithm names the private keys that are made, in kubeadm's spelling.
type KeyAlgorithm string

// The algorithms of kubeadm.k8s.io/v1beta4 encryptionAlgorithm.
const (
	RSA2048   KeyAlgorithm = "RSA-2048"
	RSA3072   KeyAlgorithm = "RSA-3072"
	RSA4096   KeyAlgorithm = "RSA-4096"
	ECDSAP256 KeyAlgorithm = "ECDSA-P256"
	ECDSAP384 KeyAlgorithm = "ECDSA-P384"
)

// Networking holds the cluster's address ranges. Dual-stack has two of each.
type Networking struct {
	ServiceSubnets []netip.Prefix
	PodSubnets     []netip.Prefix
	DNSDomain      string
}

// Arg is one command-line flag of a component, without the leading dashes. A
// list of them replaces every default of the same name.
type Arg struct{ Name, Value string }

// EnvVar is one literal environment variable of a component.
type EnvVar struct{ Name, Value string }

// Volume is one host path that a static pod mounts.
type Volume struct {
	Name, HostPath, MountPath string
	ReadOnly                  bool
	PathType                  string // a core/v1 HostPathType, empty for none
}

// Component is what can be configured of a static pod.
type Component struct {
	ExtraArgs    []Arg
	ExtraVolumes []Volume
	ExtraEnvs    []EnvVar
}

// APIServer is the API server's configuration.
type APIServer struct {
	Component
	CertSANs []string
}

// Etcd is either local (a static pod on every control plane) or External.
type Etcd struct {
	ImageRepository string
	ImageTag        string
	DataDir         string // "/var/lib/etcd"
	ExtraArgs       []Arg
	ExtraEnvs       []EnvVar
	ServerCertSANs  []string
	PeerCertSANs    []string
	External        *ExternalEtcd // nil for a local one
}

// ExternalEtcd is an etcd cluster that others run.
type ExternalEtcd struct {
	Endpoints                 []string
	HTTPEndpoints             []string // for health and metrics, Endpoints by default
	CAFile, CertFile, KeyFile string
}

// DNS is the CoreDNS addon's configuration.
type DNS struct {
	ImageRepository, ImageTag string
	Disabled                  bool
}

// PodNetwork says how pods get their network.
type PodNetwork struct {
	Kind     PodNetworkKind
	Manifest []byte // of Kind PodNetworkManifest: the user's YAML
}

// PodNetworkKind names a pod network.
type PodNetworkKind string

// The pod networks clusteradm can install.
const (
	PodNetworkFlannel  PodNetworkKind = "flannel"
	PodNetworkNone     PodNetworkKind = "none"
	PodNetworkManifest PodNetworkKind = "manifest"
)

// NodeLoadBalancer is a load balancer on every node (haproxy in a static pod)
// in front of all API servers, for that node's kubelet and kube-proxy. Other
// machines do not reach it.
type NodeLoadBalancer struct {
	Port  int // on the loopback address
	Image string
}

// VirtualIP is an address that one healthy control plane has at a time
// (keepalived in a static pod), so that a bare machine reaches the cluster.
type VirtualIP struct {
	Address   netip.Addr
	Interface string // that it is on; empty for the one of the node's address
	RouterID  int    // VRRP's, 1 to 255, of which each in a network has its own
	Image     string
}

// ComponentConfig is a component's configuration document, complete, as it is
// written to nodes and uploaded.
type ComponentConfig struct {
	YAML []byte
	// Generated is true when the user supplied none: kubeadm marks such a
	// ConfigMap with the annotation kubeadm.kubernetes.io/component-config.hash.
	Generated bool
}

// Token is a bootstrap token.
type Token struct {
	ID          string
	Secret      secret.String
	Description string
	TTL         time.Duration // 0 never expires
	Usages      []string      // "signing", "authentication"
	Groups      []string
	// Generated is true of a token that nobody asked for by its value: any
	// other that lives serves as well.
	Generated bool
}

// Timeouts bound the waits. The names are kubeadm's.
type Timeouts struct {
	ControlPlaneHealth, KubeletHealth, APICall, EtcdCall, TLSBootstrap, Discovery, UpgradeManifests time.Duration
}

// Node is one machine's part in the cluster.
type Node struct {
	Name            string // of the Node object
	Host            string // how the machine is called in plans and messages
	ControlPlane    bool
	Address         netip.Addr // advertise address of a control plane; the node's own on a worker
	BindPort        int        // of the API server, 6443 by default
	CRISocket       string     // "unix:///var/run/containerd/containerd.sock"
	Taints          []Taint    // nil: the default of the role
	KubeletArgs     []Arg
	ImagePullPolicy string
	// ImagePullParallel is false only if imagePullSerial was asked for.
	ImagePullParallel bool
	// Patches are laid over what is rendered for this node, in their order.
	Patches         []Patch
	IgnorePreflight []string // names of checks, lower case, or "all"
}

// Patch is one document of a user's patch file.
type Patch struct {
	Target string // "kube-apiserver", "kubeletconfiguration"
	Type   PatchType
	File   string // where it comes from, for messages
	JSON   []byte
}

// PatchType is how a patch is applied.
type PatchType string

// The types of patches, in the spelling of file names.
const (
	PatchStrategic PatchType = "strategic"
	PatchMerge     PatchType = "merge"
	PatchJSON      PatchType = "json"
)

// Taint is a node taint.
type Taint struct{ Key, Value, Effect string }

// LocalEndpoint is the URL of the API server on this node itself.
func (n Node) LocalEndpoint() string {
	return "https://" + net.JoinHostPort(n.Address.String(), strconv.Itoa(n.BindPort))
}

// Loopback is where a node load balancer listens: on every node the same
// address, of the family that the cluster's services have.
func (c *Cluster) Loopback() netip.Addr {
	if s := c.Networking.ServiceSubnets; len(s) > 0 && s[0].Addr().Is6() {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// KubeletEndpoint is the URL at which the kubelet of a control plane reaches
// the API: the node load balancer when there is one, else its own API server.
func (c *Cluster) KubeletEndpoint(n Node) string {
	if c.LoadBalancer != nil {
		return c.balancer()
	}
	return n.LocalEndpoint()
}

// NodeEndpoint is the URL at which what runs on every node reaches the API: the
// node load balancer when there is one, else the cluster's endpoint.
func (c *Cluster) NodeEndpoint(n Node) string {
	if c.LoadBalancer != nil {
		return c.balancer()
	}
	return c.Endpoint(n)
}

func (c *Cluster) balancer() string {
	return "https://" + net.JoinHostPort(c.Loopback().String(), strconv.Itoa(c.LoadBalancer.Port))
}

// Endpoint is the URL under which the cluster's API is reached: the
// controlPlaneEndpoint when there is one, else this node's own API server.
func (c *Cluster) Endpoint(n Node) string {
	if c.ControlPlaneEndpoint == "" {
		return n.LocalEndpoint()
	}
	host, port, err := net.SplitHostPort(c.ControlPlaneEndpoint)
	if err != nil {
		host, port = c.ControlPlaneEndpoint, strconv.Itoa(n.BindPort)
	}
	return "https://" + net.JoinHostPort(host, port)
}

// URL is that of a server at a host, a name or an address, and a port.
func URL(host, port string) string { return "https://" + net.JoinHostPort(host, port) }

// IsLoopback reports that only its own machine reaches a server, a URL.
func IsLoopback(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// PKI returns the path of a file below the certificates directory.
func (c *Cluster) PKI(elem ...string) string {
	return path.Join(append([]string{c.CertificatesDir}, elem...)...)
}

// APIServiceIP is the first address of the service subnet, the address of the
// Service "kubernetes".
func (n Networking) APIServiceIP() netip.Addr { return nth(n.ServiceSubnets, 1) }

// DNSServiceIP is the tenth address of the service subnet, as kubeadm has it.
func (n Networking) DNSServiceIP() netip.Addr { return nth(n.ServiceSubnets, 10) }

func nth(subnets []netip.Prefix, index int) netip.Addr {
	if len(subnets) == 0 {
		return netip.Addr{}
	}
	addr := subnets[0].Masked().Addr()
	for range index {
		addr = addr.Next()
	}
	return addr
}
