package config

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/config/v1alpha1"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Overrides are the flags that were given; a zero field was not. They go
// before the documents, where kubeadm refuses most of them beside --config.
type Overrides struct {
	// Of reset, besides CertDir.
	CleanupTmpDir bool
	Force         bool
	// Of init and join; CRISocket, DryRun and the two lists of reset as well.
	NodeName                  string
	CRISocket                 string
	APIServerAdvertiseAddress string
	APIServerBindPort         int
	CertificateKey            string
	PatchesDir                string
	IgnorePreflightErrors     []string // added to those of the documents
	SkipPhases                []string // instead of those of the documents
	DryRun                    bool
	Token                     string // init: the token to make; join: for both uses
	// Of init.
	TokenTTL               *time.Duration // 0 never expires
	KubernetesVersion      string
	ControlPlaneEndpoint   string
	PodNetworkCIDR         string
	ServiceCIDR            string
	ServiceDNSDomain       string
	CertDir                string
	ImageRepository        string
	APIServerCertExtraSANs []string
	FeatureGates           map[string]bool
	PodNetwork             string // flannel, none or the path of a manifest
	// Of join.
	ControlPlane             bool
	APIServerEndpoint        string // the argument of join
	DiscoveryToken           string
	DiscoveryTokenCACertHash []string
	DiscoveryTokenSkipCAHash bool
	DiscoveryFile            string
	TLSBootstrapToken        string
}

// setter writes flags over fields and remembers which field a flag set.
type setter struct {
	c    *checker
	kind string
}

func (s setter) text(field *string, value, path, flag string) {
	if value != "" {
		*field = value
		s.c.fromFlag(s.kind, path, flag)
	}
}

func (s setter) list(field *[]string, value []string, path, flag string) {
	if len(value) > 0 {
		*field = slices.Clone(value)
		s.c.fromFlag(s.kind, path, flag)
	}
}

func (o Overrides) init(c *checker, init *v1beta4.InitConfiguration, conf *v1beta4.ClusterConfiguration, addons *v1alpha1.Addons) {
	s := setter{c, v1beta4.InitKind}
	o.node(s, &init.NodeRegistration, &init.Patches, &init.SkipPhases)
	o.endpoint(s, &init.LocalAPIEndpoint, "localAPIEndpoint")
	s.text(&init.CertificateKey, o.CertificateKey, "certificateKey", "--certificate-key")
	init.DryRun = init.DryRun || o.DryRun
	if o.Token != "" {
		init.BootstrapTokens = []v1beta4.BootstrapToken{{Token: o.Token, Description: defaultTokenDescription}}
		c.fromFlag(s.kind, "bootstrapTokens", "--token")
	}
	if o.TokenTTL != nil {
		if len(init.BootstrapTokens) == 0 {
			init.BootstrapTokens = []v1beta4.BootstrapToken{{Description: defaultTokenDescription}}
		}
		for i := range init.BootstrapTokens {
			init.BootstrapTokens[i].TTL = &metav1.Duration{Duration: *o.TokenTTL}
			init.BootstrapTokens[i].Expires = nil
			c.fromFlag(s.kind, index("bootstrapTokens", i)+".ttl", "--token-ttl")
		}
	}

	s = setter{c, v1beta4.ClusterKind}
	s.text(&conf.KubernetesVersion, o.KubernetesVersion, "kubernetesVersion", "--kubernetes-version")
	s.text(&conf.ControlPlaneEndpoint, o.ControlPlaneEndpoint, "controlPlaneEndpoint", "--control-plane-endpoint")
	s.text(&conf.Networking.PodSubnet, o.PodNetworkCIDR, "networking.podSubnet", "--pod-network-cidr")
	s.text(&conf.Networking.ServiceSubnet, o.ServiceCIDR, "networking.serviceSubnet", "--service-cidr")
	s.text(&conf.Networking.DNSDomain, o.ServiceDNSDomain, "networking.dnsDomain", "--service-dns-domain")
	s.text(&conf.CertificatesDir, o.CertDir, "certificatesDir", "--cert-dir")
	s.text(&conf.ImageRepository, o.ImageRepository, "imageRepository", "--image-repository")
	s.list(&conf.APIServer.CertSANs, o.APIServerCertExtraSANs, "apiServer.certSANs", "--apiserver-cert-extra-sans")
	if len(o.FeatureGates) > 0 {
		conf.FeatureGates = o.FeatureGates
		c.fromFlag(s.kind, "featureGates", "--feature-gates")
	}

	if o.PodNetwork == "" {
		return
	}
	addons.PodNetwork = v1alpha1.PodNetwork{Kind: o.PodNetwork}
	if strings.ContainsRune(o.PodNetwork, '/') || hasSuffix(o.PodNetwork, ".yaml", ".yml", ".json") {
		addons.PodNetwork = v1alpha1.PodNetwork{Kind: "manifest", Manifest: o.PodNetwork}
	}
	c.fromFlag(v1alpha1.AddonsKind, "podNetwork", "--pod-network")
}

func (o Overrides) join(c *checker, join *v1beta4.JoinConfiguration) {
	s := setter{c, v1beta4.JoinKind}
	o.node(s, &join.NodeRegistration, &join.Patches, &join.SkipPhases)
	join.DryRun = join.DryRun || o.DryRun
	if o.ControlPlane && join.ControlPlane == nil {
		join.ControlPlane = &v1beta4.JoinControlPlane{}
	}
	// Without --control-plane its flags say nothing, as in kubeadm.
	if join.ControlPlane != nil {
		o.endpoint(s, &join.ControlPlane.LocalAPIEndpoint, "controlPlane.localAPIEndpoint")
		s.text(&join.ControlPlane.CertificateKey, o.CertificateKey, "controlPlane.certificateKey", "--certificate-key")
	}
	d := &join.Discovery
	if o.DiscoveryFile != "" {
		d.File = &v1beta4.FileDiscovery{}
		s.text(&d.File.KubeConfigPath, o.DiscoveryFile, "discovery.file.kubeConfigPath", "--discovery-file")
	}
	if o.APIServerEndpoint != "" && d.BootstrapToken == nil {
		d.BootstrapToken = &v1beta4.BootstrapTokenDiscovery{}
	}
	if b := d.BootstrapToken; b != nil {
		s.text(&b.APIServerEndpoint, o.APIServerEndpoint, "discovery.bootstrapToken.apiServerEndpoint", "the endpoint argument")
		s.text(&b.Token, o.Token, "discovery.bootstrapToken.token", "--token")
		s.text(&b.Token, o.DiscoveryToken, "discovery.bootstrapToken.token", "--discovery-token")
		s.list(&b.CACertHashes, o.DiscoveryTokenCACertHash, "discovery.bootstrapToken.caCertHashes", "--discovery-token-ca-cert-hash")
		b.UnsafeSkipCAVerification = b.UnsafeSkipCAVerification || o.DiscoveryTokenSkipCAHash
	}
	s.text(&d.TLSBootstrapToken, o.Token, "discovery.tlsBootstrapToken", "--token")
	s.text(&d.TLSBootstrapToken, o.TLSBootstrapToken, "discovery.tlsBootstrapToken", "--tls-bootstrap-token")
}

func (o Overrides) reset(c *checker, reset *v1beta4.ResetConfiguration) {
	s := setter{c, v1beta4.ResetKind}
	s.text(&reset.CertificatesDir, o.CertDir, "certificatesDir", "--cert-dir")
	s.text(&reset.CRISocket, o.CRISocket, "criSocket", "--cri-socket")
	s.list(&reset.SkipPhases, o.SkipPhases, "skipPhases", "--skip-phases")
	o.ignore(s, &reset.IgnorePreflightErrors, "ignorePreflightErrors")
	reset.CleanupTmpDir = reset.CleanupTmpDir || o.CleanupTmpDir
	reset.DryRun = reset.DryRun || o.DryRun
	reset.Force = reset.Force || o.Force
}

func (o Overrides) ignore(s setter, field *[]string, path string) {
	for i := range o.IgnorePreflightErrors {
		s.c.fromFlag(s.kind, index(path, len(*field)+i), "--ignore-preflight-errors")
	}
	*field = append(slices.Clone(*field), o.IgnorePreflightErrors...)
}

func (o Overrides) node(s setter, node *v1beta4.NodeRegistrationOptions, patches **v1beta4.Patches, skip *[]string) {
	s.text(&node.Name, o.NodeName, "nodeRegistration.name", "--node-name")
	s.text(&node.CRISocket, o.CRISocket, "nodeRegistration.criSocket", "--cri-socket")
	s.list(skip, o.SkipPhases, "skipPhases", "--skip-phases")
	if o.PatchesDir != "" {
		*patches = &v1beta4.Patches{}
		s.text(&(*patches).Directory, o.PatchesDir, "patches.directory", "--patches")
	}
	o.ignore(s, &node.IgnorePreflightErrors, "nodeRegistration.ignorePreflightErrors")
}

func (o Overrides) endpoint(s setter, endpoint *v1beta4.APIEndpoint, path string) {
	s.text(&endpoint.AdvertiseAddress, o.APIServerAdvertiseAddress, path+".advertiseAddress", "--apiserver-advertise-address")
	if o.APIServerBindPort != 0 {
		// Clamped, so that a number too large for the field stays invalid.
		endpoint.BindPort = int32(max(-1, min(o.APIServerBindPort, math.MaxInt32)))
		s.c.fromFlag(s.kind, path+".bindPort", "--apiserver-bind-port")
	}
}

func hasSuffix(s string, suffixes ...string) bool {
	return slices.ContainsFunc(suffixes, func(suffix string) bool { return strings.HasSuffix(s, suffix) })
}
