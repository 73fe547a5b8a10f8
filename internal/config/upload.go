package config

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// MarshalClusterConfiguration is the document that is kept in the ConfigMap
// kubeadm-config, byte for byte as kubeadm writes it.
func MarshalClusterConfiguration(c *cluster.Cluster) ([]byte, error) {
	conf := v1beta4.ClusterConfiguration{
		TypeMeta: metav1.TypeMeta{APIVersion: v1beta4.APIVersion, Kind: v1beta4.ClusterKind},
		Networking: v1beta4.Networking{
			ServiceSubnet: fromPrefixes(c.Networking.ServiceSubnets), PodSubnet: fromPrefixes(c.Networking.PodSubnets), DNSDomain: c.Networking.DNSDomain,
		},
		KubernetesVersion: c.Version, ControlPlaneEndpoint: c.ControlPlaneEndpoint,
		APIServer:         v1beta4.APIServer{ControlPlaneComponent: fromComponent(c.APIServer.Component), CertSANs: c.APIServer.CertSANs},
		ControllerManager: fromComponent(c.Controller), Scheduler: fromComponent(c.Scheduler),
		DNS:             v1beta4.DNS{ImageMeta: v1beta4.ImageMeta{ImageRepository: c.DNS.ImageRepository, ImageTag: c.DNS.ImageTag}, Disabled: c.DNS.Disabled},
		Proxy:           v1beta4.Proxy{Disabled: c.ProxyDisabled},
		CertificatesDir: c.CertificatesDir, ImageRepository: c.ImageRepository, FeatureGates: c.FeatureGates, ClusterName: c.Name,
		EncryptionAlgorithm:         string(c.KeyAlgorithm),
		CertificateValidityPeriod:   &metav1.Duration{Duration: c.LeafValidity},
		CACertificateValidityPeriod: &metav1.Duration{Duration: c.CAValidity},
	}
	if x := c.Etcd.External; x != nil {
		conf.Etcd.External = &v1beta4.ExternalEtcd{Endpoints: x.Endpoints, HTTPEndpoints: x.HTTPEndpoints, CAFile: x.CAFile, CertFile: x.CertFile, KeyFile: x.KeyFile}
	} else {
		conf.Etcd.Local = &v1beta4.LocalEtcd{
			ImageMeta: v1beta4.ImageMeta{ImageRepository: c.Etcd.ImageRepository, ImageTag: c.Etcd.ImageTag}, DataDir: c.Etcd.DataDir,
			ExtraArgs: fromArgs(c.Etcd.ExtraArgs), ExtraEnvs: fromEnvs(c.Etcd.ExtraEnvs), ServerCertSANs: c.Etcd.ServerCertSANs, PeerCertSANs: c.Etcd.PeerCertSANs,
		}
	}
	out, err := yaml.Marshal(conf)
	if err != nil {
		return nil, fmt.Errorf("marshal ClusterConfiguration: %w", err)
	}
	return out, nil
}

// UnmarshalClusterConfiguration reads kubeadm-config back, written by
// clusteradm or by kubeadm. Component configurations, tokens, the certificate
// key and the pod network are not in it. The error is an Errors.
func UnmarshalClusterConfiguration(data []byte) (*cluster.Cluster, error) {
	c := newChecker(data, Inputs{})
	c.existing = true
	conf := &v1beta4.ClusterConfiguration{}
	c.decodeCluster(conf, &v1beta4.InitConfiguration{}, &v1beta4.JoinConfiguration{})
	if c.docs[v1beta4.ClusterKind] == nil && len(c.errs) == 0 {
		c.errs = append(c.errs, FieldError{Message: "no document of kind " + v1beta4.ClusterKind})
	}
	// What an older kubeadm did not write down was RSA, whatever is the
	// default for new clusters.
	setDefault(&conf.EncryptionAlgorithm, string(cluster.RSA2048))
	c.at(v1beta4.ClusterKind, "kubernetesVersion").required(conf.KubernetesVersion, "")
	defaultCluster(conf, defaultBindPort)
	c.cluster(conf)
	if err := c.result(); err != nil {
		return nil, err
	}
	out := toCluster(conf)
	out.Timeouts = toTimeouts(defaultTimeouts(nil))
	return out, nil
}

func fromPrefixes(prefixes []netip.Prefix) string {
	var parts []string
	for _, p := range prefixes {
		parts = append(parts, p.String())
	}
	return strings.Join(parts, ",")
}

func fromComponent(c cluster.Component) v1beta4.ControlPlaneComponent {
	out := v1beta4.ControlPlaneComponent{ExtraArgs: fromArgs(c.ExtraArgs), ExtraEnvs: fromEnvs(c.ExtraEnvs)}
	for _, v := range c.ExtraVolumes {
		out.ExtraVolumes = append(out.ExtraVolumes, v1beta4.HostPathMount(v))
	}
	return out
}

func fromArgs(args []cluster.Arg) []v1beta4.Arg {
	var out []v1beta4.Arg
	for _, a := range args {
		out = append(out, v1beta4.Arg(a))
	}
	return out
}

func fromEnvs(envs []cluster.EnvVar) []v1beta4.EnvVar {
	var out []v1beta4.EnvVar
	for _, e := range envs {
		out = append(out, v1beta4.EnvVar{Name: e.Name, Value: e.Value})
	}
	return out
}
