package nodes

import (
	"fmt"
	"strings"
	"text/template"

	"github.com/clusteradm/clusteradm/e2e/components"
)

// Kubeadm is what kubeadm is told about a cluster in a lab. Everything that is
// peculiar to the lab is in the rendered documents and nowhere else.
type Kubeadm struct {
	Versions components.Versions
	Node     string // name of the node that the document is for
	Address  string // its address
	// Endpoint is controlPlaneEndpoint for init; for join, where to discover.
	Endpoint       string
	Token          string // default: one made for the lab
	CACertHashes   []string
	CertificateKey string // init: for --upload-certs; join: makes it a control plane
	PodSubnet      string // default 10.244.0.0/16, flannel's
	ServiceSubnet  string // default 10.96.0.0/12
	ProxyMode      string // default: kube-proxy's own
	// SlowEtcd gives etcd the timings of a disk that others use too.
	SlowEtcd bool
}

// LabToken is the bootstrap token used unless another is given.
const LabToken = "abcdef.0123456789abcdef"

// LabCertificateKey encrypts the certificates that control planes share.
const LabCertificateKey = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"

// IgnoredPreflight are the checks that this kind of machine cannot pass: the
// kernel's configuration is not readable and cgroups are version 1.
var IgnoredPreflight = []string{"SystemVerification"}

// InitConfig renders the document for kubeadm init --config (v1beta4).
func (k Kubeadm) InitConfig() (string, error) { return k.render(initTemplate) }

// JoinConfig renders the document for kubeadm join --config (v1beta4).
func (k Kubeadm) JoinConfig() (string, error) {
	if k.Endpoint == "" {
		return "", fmt.Errorf("render join configuration: no endpoint")
	}
	return k.render(joinTemplate)
}

func (k Kubeadm) render(text string) (string, error) {
	if k.Node == "" || k.Address == "" {
		return "", fmt.Errorf("render kubeadm configuration: node and address are required")
	}
	for field, value := range map[*string]string{
		&k.Token: LabToken, &k.PodSubnet: "10.244.0.0/16", &k.ServiceSubnet: "10.96.0.0/12",
	} {
		if *field == "" {
			*field = value
		}
	}
	tmpl, err := template.New("kubeadm").Parse(text)
	if err != nil {
		return "", fmt.Errorf("render kubeadm configuration: %w", err)
	}
	var b strings.Builder
	err = tmpl.Execute(&b, struct {
		Kubeadm
		Ignored []string
	}{k, IgnoredPreflight})
	if err != nil {
		return "", fmt.Errorf("render kubeadm configuration: %w", err)
	}
	return b.String(), nil
}

const registrationTemplate = `nodeRegistration:
  name: {{.Node}}
  criSocket: unix:///run/containerd/containerd.sock
  imagePullPolicy: IfNotPresent
  kubeletExtraArgs:
  - name: node-ip
    value: {{.Address}}
  ignorePreflightErrors:
{{- range .Ignored}}
  - {{.}}
{{- end}}
`

const initTemplate = `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens:
- token: {{.Token}}
  ttl: 24h0m0s
  usages: [signing, authentication]
  groups: ["system:bootstrappers:kubeadm:default-node-token"]
localAPIEndpoint:
  advertiseAddress: {{.Address}}
  bindPort: 6443
{{- if .CertificateKey}}
certificateKey: {{.CertificateKey}}
{{- end}}
` + registrationTemplate + `---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: kubernetes
kubernetesVersion: {{.Versions.Kubernetes}}
{{- if .Endpoint}}
controlPlaneEndpoint: {{.Endpoint}}
{{- end}}
networking:
  podSubnet: {{.PodSubnet}}
  serviceSubnet: {{.ServiceSubnet}}
dns:
  imageTag: {{.Versions.CoreDNSTag}}
etcd:
  local:
    imageTag: {{.Versions.EtcdTag}}
{{- if .SlowEtcd}}
    extraArgs:
    - name: heartbeat-interval
      value: "500"
    - name: election-timeout
      value: "5000"
{{- end}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
failCgroupV1: false
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
{{- if .ProxyMode}}
mode: {{.ProxyMode}}
{{- end}}
conntrack:
  maxPerCore: 0
  min: 0
`

const joinTemplate = `apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    token: {{.Token}}
    apiServerEndpoint: {{.Endpoint}}
{{- if .CACertHashes}}
    caCertHashes:
{{- range .CACertHashes}}
    - {{.}}
{{- end}}
{{- else}}
    unsafeSkipCAVerification: true
{{- end}}
{{- if .CertificateKey}}
controlPlane:
  certificateKey: {{.CertificateKey}}
  localAPIEndpoint:
    advertiseAddress: {{.Address}}
    bindPort: 6443
{{- end}}
` + registrationTemplate
