package config

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DefaultKubernetesVersion is installed when none is asked for. Where kubeadm
// asks a server for the newest, clusteradm asks nobody.
const DefaultKubernetesVersion = "v1.36.3"

// DefaultPodSubnet is flannel's own and used with flannel only.
const DefaultPodSubnet = "10.244.0.0/16"

const (
	defaultServiceSubnet    = "10.96.0.0/12"
	defaultDNSDomain        = "cluster.local"
	defaultCertificatesDir  = "/etc/kubernetes/pki"
	defaultImageRepository  = "registry.k8s.io"
	defaultClusterName      = "kubernetes"
	defaultEtcdDataDir      = "/var/lib/etcd"
	defaultCRISocket        = "unix:///var/run/containerd/containerd.sock"
	defaultCACertPath       = "/etc/kubernetes/pki/ca.crt"
	defaultTokenGroup       = "system:bootstrappers:kubeadm:default-node-token"
	defaultTokenDescription = "default bootstrap token made by clusteradm init"
	defaultTokenTTL         = 24 * time.Hour
	defaultBindPort         = 6443
	defaultLeafValidity     = 365 * 24 * time.Hour
	defaultCAValidity       = 10 * defaultLeafValidity
	controlPlaneTaint       = "node-role.kubernetes.io/control-plane"
)

func defaultInit(init *v1beta4.InitConfiguration, in Inputs) error {
	if err := defaultTokens(init, in); err != nil {
		return err
	}
	defaultNode(&init.NodeRegistration, in, true)
	defaultEndpoint(&init.LocalAPIEndpoint, in)
	init.Timeouts = defaultTimeouts(init.Timeouts)
	return nil
}

func defaultTokens(init *v1beta4.InitConfiguration, in Inputs) error {
	if len(init.BootstrapTokens) == 0 && !in.Elsewhere {
		init.BootstrapTokens = []v1beta4.BootstrapToken{{Description: defaultTokenDescription}}
	}
	for i := range init.BootstrapTokens {
		t := &init.BootstrapTokens[i]
		if t.Token == "" {
			token, err := NewToken(in.Rand)
			if err != nil {
				return fmt.Errorf("make bootstrap token: %w", err)
			}
			t.Token = token
		}
		if t.TTL == nil && t.Expires == nil {
			t.TTL = &metav1.Duration{Duration: defaultTokenTTL}
		}
		if len(t.Usages) == 0 {
			t.Usages = []string{"signing", "authentication"}
		}
		// Groups are of no use to a token that authenticates nobody, and
		// invalid on it.
		if len(t.Groups) == 0 && slices.Contains(t.Usages, "authentication") {
			t.Groups = []string{defaultTokenGroup}
		}
	}
	return nil
}

func defaultJoin(join *v1beta4.JoinConfiguration, in Inputs) {
	setDefault(&join.CACertPath, defaultCACertPath)
	d := &join.Discovery
	if d.BootstrapToken != nil {
		setDefault(&d.TLSBootstrapToken, d.BootstrapToken.Token)
	}
	if d.File != nil {
		if u, err := url.Parse(d.File.KubeConfigPath); err == nil && u.Scheme == "file" {
			d.File.KubeConfigPath = u.Path
		}
	}
	defaultNode(&join.NodeRegistration, in, join.ControlPlane != nil)
	if join.ControlPlane != nil {
		defaultEndpoint(&join.ControlPlane.LocalAPIEndpoint, in)
	}
	join.Timeouts = defaultTimeouts(join.Timeouts)
}

func defaultNode(node *v1beta4.NodeRegistrationOptions, in Inputs, controlPlane bool) {
	// The kubelet registers under the name that its flag gives it; certificates
	// for another would be of no use.
	setDefault(&node.Name, hostnameOverride(*node))
	if !in.Elsewhere {
		setDefault(&node.Name, in.Hostname)
	}
	node.Name = strings.ToLower(strings.TrimSpace(node.Name))
	// Only an absent list takes the default: an empty one asks for no taint.
	if controlPlane && node.Taints == nil {
		node.Taints = []corev1.Taint{{Key: controlPlaneTaint, Effect: corev1.TaintEffectNoSchedule}}
	}
	defaultSocket(&node.CRISocket, in)
	setDefault(&node.ImagePullPolicy, string(corev1.PullIfNotPresent))
	// kubeadm pulls one after the other; here that has to be asked for.
	if node.ImagePullSerial == nil {
		node.ImagePullSerial = new(bool)
	}
}

func hostnameOverride(node v1beta4.NodeRegistrationOptions) string {
	return argValue(node.KubeletExtraArgs, "hostname-override")
}

// defaultSocket takes the only container runtime's on the machine. Of several
// none is taken, for validation to say so.
func defaultSocket(socket *string, in Inputs) {
	switch {
	case in.Elsewhere:
	case len(in.CRISockets) == 0:
		setDefault(socket, defaultCRISocket)
	case len(in.CRISockets) == 1:
		setDefault(socket, in.CRISockets[0])
	}
	if strings.HasPrefix(*socket, "/") {
		*socket = "unix://" + *socket
	}
}

// defaultEndpoint takes the unspecified address for "choose one", as kubeadm.
func defaultEndpoint(e *v1beta4.APIEndpoint, in Inputs) {
	if a, err := netip.ParseAddr(e.AdvertiseAddress); err == nil && a.IsUnspecified() {
		e.AdvertiseAddress = ""
	}
	if in.DefaultAddress.IsValid() && !in.Elsewhere {
		setDefault(&e.AdvertiseAddress, in.DefaultAddress.String())
	}
	if e.BindPort == 0 {
		e.BindPort = defaultBindPort
	}
}

func defaultCluster(conf *v1beta4.ClusterConfiguration, bindPort int32) {
	// New keys are P-256, not kubeadm's RSA-2048: made and used many times
	// faster. It is written into kubeadm-config, so that kubeadm keeps to it.
	setDefault(&conf.EncryptionAlgorithm, string(cluster.ECDSAP256))
	setDefault(&conf.KubernetesVersion, DefaultKubernetesVersion)
	conf.KubernetesVersion = withV(conf.KubernetesVersion)
	setDefault(&conf.Networking.ServiceSubnet, defaultServiceSubnet)
	setDefault(&conf.Networking.DNSDomain, defaultDNSDomain)
	setDefault(&conf.CertificatesDir, defaultCertificatesDir)
	setDefault(&conf.ImageRepository, defaultImageRepository)
	setDefault(&conf.ClusterName, defaultClusterName)
	setDuration(&conf.CertificateValidityPeriod, defaultLeafValidity)
	setDuration(&conf.CACertificateValidityPeriod, defaultCAValidity)
	if conf.Etcd.Local == nil && conf.Etcd.External == nil {
		conf.Etcd.Local = &v1beta4.LocalEtcd{}
	}
	if conf.Etcd.Local != nil {
		setDefault(&conf.Etcd.Local.DataDir, defaultEtcdDataDir)
		conf.Etcd.Local.DataDir = trimSlash(conf.Etcd.Local.DataDir)
	}
	if e := conf.Etcd.External; e != nil && len(e.HTTPEndpoints) == 0 {
		e.HTTPEndpoints = slices.Clone(e.Endpoints)
	}
	conf.CertificatesDir = trimSlash(conf.CertificatesDir)
	for i, san := range conf.APIServer.CertSANs {
		conf.APIServer.CertSANs[i] = strings.ToLower(san)
	}
	if host, ok := hostOnly(conf.ControlPlaneEndpoint); ok && bindPort != 0 {
		conf.ControlPlaneEndpoint = net.JoinHostPort(host, strconv.Itoa(int(bindPort)))
	}
}

func defaultTimeouts(t *v1beta4.Timeouts) *v1beta4.Timeouts {
	if t == nil {
		t = &v1beta4.Timeouts{}
	}
	setDuration(&t.ControlPlaneComponentHealthCheck, 4*time.Minute)
	setDuration(&t.KubeletHealthCheck, 4*time.Minute)
	setDuration(&t.KubernetesAPICall, time.Minute)
	setDuration(&t.EtcdAPICall, 2*time.Minute)
	setDuration(&t.TLSBootstrap, 5*time.Minute)
	setDuration(&t.Discovery, 5*time.Minute)
	setDuration(&t.UpgradeManifests, 5*time.Minute)
	return t
}

// NewToken makes a bootstrap token of 16 characters' secret from 36 letters
// and digits. Bytes that would make some letters likelier are thrown away.
func NewToken(random io.Reader) (string, error) {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	const even = 256 / len(letters) * len(letters)
	if random == nil {
		return "", fmt.Errorf("no source of randomness")
	}
	var out []byte
	one := make([]byte, 1)
	// A working source needs 23 reads or so; a stuck one must not hang init.
	for tries := 0; len(out) < 22; tries++ {
		if tries == 1000 {
			return "", fmt.Errorf("the source of randomness repeats itself")
		}
		if _, err := io.ReadFull(random, one); err != nil {
			return "", err
		}
		if int(one[0]) < even {
			out = append(out, letters[int(one[0])%len(letters)])
		}
	}
	return string(out[:6]) + "." + string(out[6:]), nil
}

// withV is a version in the form with which all else is written.
func withV(version string) string {
	if version != "" && version[0] >= '0' && version[0] <= '9' {
		return "v" + version
	}
	return version
}

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

func setDuration(field **metav1.Duration, value time.Duration) {
	if *field == nil {
		*field = &metav1.Duration{Duration: value}
	}
}

// trimSlash takes the slash off the end of a directory, but leaves the root.
func trimSlash(dir string) string {
	if trimmed := strings.TrimRight(dir, "/"); trimmed != "" {
		return trimmed
	}
	return dir
}

// hostOnly returns the host of an endpoint that names no port.
func hostOnly(endpoint string) (string, bool) {
	if endpoint == "" {
		return "", false
	}
	if addr, err := netip.ParseAddr(strings.Trim(endpoint, "[]")); err == nil {
		return addr.String(), true
	}
	return endpoint, !strings.ContainsAny(endpoint, ":[]")
}
