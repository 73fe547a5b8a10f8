// Package v1beta3 has the documents of the deprecated API
// kubeadm.k8s.io/v1beta3, which is read and never written. What did not change
// until v1beta4 is taken from there. The package holds shapes only.
package v1beta3

import (
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// APIVersion is the group and version of every document here. The kinds are
// InitConfiguration, ClusterConfiguration and JoinConfiguration.
const APIVersion = "kubeadm.k8s.io/v1beta3"

// InitConfiguration lacks dryRun and timeouts.
type InitConfiguration struct {
	metav1.TypeMeta  `json:",inline"`
	BootstrapTokens  []v1beta4.BootstrapToken `json:"bootstrapTokens,omitempty"`
	NodeRegistration NodeRegistrationOptions  `json:"nodeRegistration,omitempty"`
	LocalAPIEndpoint v1beta4.APIEndpoint      `json:"localAPIEndpoint,omitempty"`
	CertificateKey   string                   `json:"certificateKey,omitempty"`
	SkipPhases       []string                 `json:"skipPhases,omitempty"`
	Patches          *v1beta4.Patches         `json:"patches,omitempty"`
}

// ClusterConfiguration lacks proxy, the encryption algorithm and the periods
// of validity.
type ClusterConfiguration struct {
	metav1.TypeMeta      `json:",inline"`
	Etcd                 Etcd                  `json:"etcd,omitempty"`
	Networking           v1beta4.Networking    `json:"networking,omitempty"`
	KubernetesVersion    string                `json:"kubernetesVersion,omitempty"`
	ControlPlaneEndpoint string                `json:"controlPlaneEndpoint,omitempty"`
	APIServer            APIServer             `json:"apiServer,omitempty"`
	ControllerManager    ControlPlaneComponent `json:"controllerManager,omitempty"`
	Scheduler            ControlPlaneComponent `json:"scheduler,omitempty"`
	DNS                  DNS                   `json:"dns,omitempty"`
	CertificatesDir      string                `json:"certificatesDir,omitempty"`
	ImageRepository      string                `json:"imageRepository,omitempty"`
	FeatureGates         map[string]bool       `json:"featureGates,omitempty"`
	ClusterName          string                `json:"clusterName,omitempty"`
}

// JoinConfiguration lacks dryRun and timeouts.
type JoinConfiguration struct {
	metav1.TypeMeta  `json:",inline"`
	NodeRegistration NodeRegistrationOptions   `json:"nodeRegistration,omitempty"`
	CACertPath       string                    `json:"caCertPath,omitempty"`
	Discovery        Discovery                 `json:"discovery"`
	ControlPlane     *v1beta4.JoinControlPlane `json:"controlPlane,omitempty"`
	SkipPhases       []string                  `json:"skipPhases,omitempty"`
	Patches          *v1beta4.Patches          `json:"patches,omitempty"`
}

// NodeRegistrationOptions has flags as a map and lacks imagePullSerial.
type NodeRegistrationOptions struct {
	Name                  string            `json:"name,omitempty"`
	CRISocket             string            `json:"criSocket,omitempty"`
	Taints                []corev1.Taint    `json:"taints"`
	KubeletExtraArgs      map[string]string `json:"kubeletExtraArgs,omitempty"`
	IgnorePreflightErrors []string          `json:"ignorePreflightErrors,omitempty"`
	ImagePullPolicy       string            `json:"imagePullPolicy,omitempty"`
}

// Etcd is exactly one of local and external.
type Etcd struct {
	Local    *LocalEtcd    `json:"local,omitempty"`
	External *ExternalEtcd `json:"external,omitempty"`
}

// LocalEtcd has flags as a map and lacks extraEnvs.
type LocalEtcd struct {
	v1beta4.ImageMeta `json:",inline"`
	DataDir           string            `json:"dataDir"`
	ExtraArgs         map[string]string `json:"extraArgs,omitempty"`
	ServerCertSANs    []string          `json:"serverCertSANs,omitempty"`
	PeerCertSANs      []string          `json:"peerCertSANs,omitempty"`
}

// ExternalEtcd lacks httpEndpoints.
type ExternalEtcd struct {
	Endpoints []string `json:"endpoints"`
	CAFile    string   `json:"caFile"`
	CertFile  string   `json:"certFile"`
	KeyFile   string   `json:"keyFile"`
}

// ControlPlaneComponent has flags as a map and lacks extraEnvs.
type ControlPlaneComponent struct {
	ExtraArgs    map[string]string       `json:"extraArgs,omitempty"`
	ExtraVolumes []v1beta4.HostPathMount `json:"extraVolumes,omitempty"`
}

// APIServer has the timeout that InitConfiguration has now.
type APIServer struct {
	ControlPlaneComponent  `json:",inline"`
	CertSANs               []string         `json:"certSANs,omitempty"`
	TimeoutForControlPlane *metav1.Duration `json:"timeoutForControlPlane,omitempty"`
}

// DNS cannot be disabled.
type DNS struct {
	v1beta4.ImageMeta `json:",inline"`
}

// Discovery has the timeout that is one of timeouts now.
type Discovery struct {
	BootstrapToken    *v1beta4.BootstrapTokenDiscovery `json:"bootstrapToken,omitempty"`
	File              *v1beta4.FileDiscovery           `json:"file,omitempty"`
	TLSBootstrapToken string                           `json:"tlsBootstrapToken,omitempty"`
	Timeout           *metav1.Duration                 `json:"timeout,omitempty"`
}
