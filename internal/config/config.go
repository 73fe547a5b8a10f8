// Package config reads the documents a cluster is described by, kubeadm's
// (kubeadm.k8s.io/v1beta4), the components' and clusteradm's own, together
// with the flags, into a complete cluster.Cluster and cluster.Node.
//
// It does no I/O: bytes come in, values go out, and randomness, the clock, the
// host's name and address are parameters. It never returns a value that it
// has not validated, reports everything wrong at once with line and field, and
// asks no server for a version. The names of fields, flags and defaults are
// kubeadm's; where it differs, a comment says so and why.
package config

import (
	"io"
	"io/fs"
	"net/netip"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config/v1alpha1"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// Inputs is what a configuration depends on besides its documents.
type Inputs struct {
	Overrides      Overrides
	Host           string     // how plans call the machine; the node name when empty
	Hostname       string     // of the machine: the default node name
	DefaultAddress netip.Addr // of the interface with the default route
	CRISockets     []string   // those found on the machine: with several one must be configured, with none it is containerd's
	Now            time.Time  // tokens with a time of expiry are reckoned from it
	Rand           io.Reader  // tokens are made from it
	// ReadFile reads what the documents name: a pod network manifest, patches, a
	// discovery file. ReadDir lists a directory of patches. Nil refuses all.
	ReadFile func(path string) ([]byte, error)
	ReadDir  func(path string) ([]fs.DirEntry, error)
	// KnownChecks are the names of the preflight checks there are, one that
	// ends in * for all that begin so. Others that a configuration ignores are
	// warned about. Nil knows all.
	KnownChecks []string
	// Elsewhere says that the configuration is not for this machine: what only
	// its own machine can tell, such as its name, is neither needed nor filled
	// in.
	Elsewhere bool
	// AllowDeprecated keeps deprecated versions of the API from being warned of.
	AllowDeprecated bool
}

// Loaded is what init is asked to do.
type Loaded struct {
	Cluster  *cluster.Cluster
	Node     cluster.Node
	DryRun   bool
	Warnings Errors   // valid, but not what the contract recommends
	Unused   []string // kinds that were given and have no meaning for init
}

// Join is what join is asked to do.
type Join struct {
	Node           cluster.Node
	Discovery      Discovery
	CACertPath     string
	CertificateKey secret.String
	Timeouts       cluster.Timeouts
	SkipPhases     []string
	DryRun         bool
	Warnings       Errors   // valid, but not recommended
	Unused         []string // kinds that were given and have no meaning for join
}

// Discovery is how a joining node comes to trust the cluster: by Token and
// Endpoint, or by File.
type Discovery struct {
	Token                    secret.String
	Endpoint                 string // "host:port"
	CACertHashes             []string
	UnsafeSkipCAVerification bool
	File                     string // path or https URL of a kubeconfig
	TLSBootstrapToken        secret.String
	// Wait is how long a cluster that is still to come is waited for: only
	// where the documents say so, while kubeadm waits five minutes.
	Wait time.Duration
}

// Load reads the configuration of init. Empty docs are all defaults. The error
// is an Errors, unless no token could be made.
func Load(docs []byte, in Inputs) (*Loaded, error) {
	c := newChecker(docs, in)
	given := c.decodeAll()
	c.needOneOf(initKinds()...)
	in.Overrides.init(c, &given.init, &given.cluster, &given.addons)
	out, err := c.loadInit(given, in)
	if err == nil {
		err = c.result()
	}
	if err != nil {
		return nil, err
	}
	out.Unused, out.Warnings = c.unusedBut(initKinds()...), c.warned()
	return out, nil
}

// initKinds are the kinds that have a meaning for init.
func initKinds() []string {
	return []string{v1beta4.InitKind, v1beta4.ClusterKind, v1alpha1.AddonsKind, v1alpha1.EndpointKind, kubeletKind, kubeProxyKind}
}

// loadInit completes and checks what is given. What it returns is to be used
// only if nothing was wrong.
func (c *checker) loadInit(given *given, in Inputs) (*Loaded, error) {
	init, conf := &given.init, &given.cluster
	asked := map[string]bool{} // tokens given by their value
	for _, t := range init.BootstrapTokens {
		asked[t.Token] = t.Token != ""
	}
	if err := defaultInit(init, in); err != nil {
		return nil, err
	}
	defaultCluster(conf, init.LocalAPIEndpoint.BindPort)
	network := c.podNetwork(&given.addons, conf, in)
	c.init(init, in.Now)
	c.cluster(conf)
	c.placement(init, conf)

	out := &Loaded{Cluster: toCluster(conf), Node: toNode(init.NodeRegistration, in), DryRun: init.DryRun}
	out.Cluster.PodNetwork = network
	out.Node.ControlPlane = true
	out.Node.Address, _ = netip.ParseAddr(init.LocalAPIEndpoint.AdvertiseAddress)
	out.Node.BindPort = int(init.LocalAPIEndpoint.BindPort)
	c.endpoint(&given.endpoint, out.Cluster, out.Node)
	out.Node.Patches = c.at(v1beta4.InitKind, "").patches(init.Patches, in)
	out.Cluster.Tokens = toTokens(init.BootstrapTokens, in.Now)
	for i, t := range init.BootstrapTokens {
		out.Cluster.Tokens[i].Generated = !asked[t.Token]
	}
	out.Cluster.Timeouts = toTimeouts(init.Timeouts)
	out.Cluster.SkipPhases = init.SkipPhases
	out.Cluster.CertificateKey = secret.NewString(init.CertificateKey)
	return out, c.components(out.Cluster, out.Node, &given.kubelet, &given.proxy)
}

// LoadJoin reads the configuration of join. Empty docs take all from the
// overrides.
func LoadJoin(docs []byte, in Inputs) (*Join, error) {
	c := newChecker(docs, in)
	join := &c.decodeAll().join
	c.needOneOf(v1beta4.JoinKind)
	in.Overrides.join(c, join)
	out := c.loadJoin(join, in)
	if err := c.result(); err != nil {
		return nil, err
	}
	out.Unused, out.Warnings = c.unusedBut(v1beta4.JoinKind), c.warned()
	return out, nil
}

func (c *checker) loadJoin(join *v1beta4.JoinConfiguration, in Inputs) *Join {
	waits := join.Timeouts != nil && join.Timeouts.Discovery != nil
	defaultJoin(join, in)
	c.join(join, in)
	out := &Join{
		Node: toNode(join.NodeRegistration, in), Discovery: toDiscovery(join.Discovery), CACertPath: join.CACertPath,
		Timeouts: toTimeouts(join.Timeouts), SkipPhases: join.SkipPhases, DryRun: join.DryRun,
	}
	if waits {
		out.Discovery.Wait = out.Timeouts.Discovery
	}
	out.Node.Address, out.Node.BindPort = in.DefaultAddress, defaultBindPort
	out.Node.Patches = c.at(v1beta4.JoinKind, "").patches(join.Patches, in)
	if cp := join.ControlPlane; cp != nil {
		out.Node.ControlPlane = true
		out.Node.Address, _ = netip.ParseAddr(cp.LocalAPIEndpoint.AdvertiseAddress)
		out.Node.BindPort = int(cp.LocalAPIEndpoint.BindPort)
		out.CertificateKey = secret.NewString(cp.CertificateKey)
	}
	return out
}
