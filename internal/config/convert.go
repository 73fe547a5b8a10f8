package config

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// toCluster converts a defaulted and validated configuration.
func toCluster(conf *v1beta4.ClusterConfiguration) *cluster.Cluster {
	out := &cluster.Cluster{
		Name: conf.ClusterName, Version: conf.KubernetesVersion, ControlPlaneEndpoint: conf.ControlPlaneEndpoint,
		CertificatesDir: conf.CertificatesDir, ImageRepository: conf.ImageRepository, FeatureGates: conf.FeatureGates,
		KeyAlgorithm: cluster.KeyAlgorithm(conf.EncryptionAlgorithm),
		LeafValidity: conf.CertificateValidityPeriod.Duration, CAValidity: conf.CACertificateValidityPeriod.Duration,
		Networking: cluster.Networking{
			ServiceSubnets: toPrefixes(conf.Networking.ServiceSubnet), PodSubnets: toPrefixes(conf.Networking.PodSubnet),
			DNSDomain: conf.Networking.DNSDomain,
		},
		APIServer:     cluster.APIServer{Component: toComponent(conf.APIServer.ControlPlaneComponent), CertSANs: conf.APIServer.CertSANs},
		Controller:    toComponent(conf.ControllerManager),
		Scheduler:     toComponent(conf.Scheduler),
		DNS:           cluster.DNS{ImageRepository: conf.DNS.ImageRepository, ImageTag: conf.DNS.ImageTag, Disabled: conf.DNS.Disabled},
		ProxyDisabled: conf.Proxy.Disabled,
		PodNetwork:    cluster.PodNetwork{Kind: cluster.PodNetworkNone},
	}
	// kubeadm lets the deprecated gate win over the field.
	if conf.FeatureGates["PublicKeysECDSA"] {
		out.KeyAlgorithm = cluster.ECDSAP256
	}
	if l := conf.Etcd.Local; l != nil {
		out.Etcd = cluster.Etcd{
			ImageRepository: l.ImageRepository, ImageTag: l.ImageTag, DataDir: l.DataDir, ExtraArgs: toArgs(l.ExtraArgs), ExtraEnvs: toEnvs(l.ExtraEnvs),
			ServerCertSANs: l.ServerCertSANs, PeerCertSANs: l.PeerCertSANs,
		}
	}
	if x := conf.Etcd.External; x != nil {
		out.Etcd.External = &cluster.ExternalEtcd{Endpoints: x.Endpoints, HTTPEndpoints: x.HTTPEndpoints, CAFile: x.CAFile, CertFile: x.CertFile, KeyFile: x.KeyFile}
	}
	return out
}

func toPrefixes(value string) []netip.Prefix {
	if value == "" {
		return nil
	}
	prefixes, _ := parsePrefixes(value)
	return prefixes
}

func toComponent(c v1beta4.ControlPlaneComponent) cluster.Component {
	out := cluster.Component{ExtraArgs: toArgs(c.ExtraArgs), ExtraEnvs: toEnvs(c.ExtraEnvs)}
	for _, v := range c.ExtraVolumes {
		out.ExtraVolumes = append(out.ExtraVolumes, cluster.Volume(v))
	}
	return out
}

func toArgs(args []v1beta4.Arg) []cluster.Arg {
	var out []cluster.Arg
	for _, a := range args {
		out = append(out, cluster.Arg(a))
	}
	return out
}

func toEnvs(envs []v1beta4.EnvVar) []cluster.EnvVar {
	var out []cluster.EnvVar
	for _, e := range envs {
		out = append(out, cluster.EnvVar{Name: e.Name, Value: e.Value})
	}
	return out
}

// toNode leaves the address, the role and the patches to the caller.
func toNode(node v1beta4.NodeRegistrationOptions, in Inputs) cluster.Node {
	out := cluster.Node{
		Name: node.Name, Host: cmp.Or(in.Host, node.Name), CRISocket: node.CRISocket, KubeletArgs: toArgs(node.KubeletExtraArgs),
		ImagePullPolicy: node.ImagePullPolicy, ImagePullParallel: !*node.ImagePullSerial, IgnorePreflight: checkNames(node.IgnorePreflightErrors),
	}
	// Not nil even when empty: nil would be the role's default.
	if node.Taints != nil {
		out.Taints = []cluster.Taint{}
	}
	for _, t := range node.Taints {
		out.Taints = append(out.Taints, cluster.Taint{Key: t.Key, Value: t.Value, Effect: string(t.Effect)})
	}
	return out
}

// checkNames makes names of checks comparable.
func checkNames(names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, strings.ToLower(name))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// toTokens turns times of expiry into lifetimes, the one form a Cluster has.
func toTokens(tokens []v1beta4.BootstrapToken, now time.Time) []cluster.Token {
	var out []cluster.Token
	for _, t := range tokens {
		id, value, _ := strings.Cut(t.Token, ".")
		token := cluster.Token{ID: id, Secret: secret.NewString(value), Description: t.Description, Usages: t.Usages, Groups: t.Groups}
		if t.Expires != nil {
			token.TTL = t.Expires.Sub(now)
		} else {
			token.TTL = t.TTL.Duration
		}
		out = append(out, token)
	}
	return out
}

func toTimeouts(t *v1beta4.Timeouts) cluster.Timeouts {
	return cluster.Timeouts{
		ControlPlaneHealth: t.ControlPlaneComponentHealthCheck.Duration, KubeletHealth: t.KubeletHealthCheck.Duration,
		APICall: t.KubernetesAPICall.Duration, EtcdCall: t.EtcdAPICall.Duration, TLSBootstrap: t.TLSBootstrap.Duration,
		Discovery: t.Discovery.Duration, UpgradeManifests: t.UpgradeManifests.Duration,
	}
}

func toDiscovery(d v1beta4.Discovery) Discovery {
	out := Discovery{TLSBootstrapToken: secret.NewString(d.TLSBootstrapToken)}
	if b := d.BootstrapToken; b != nil {
		out.Token, out.Endpoint = secret.NewString(b.Token), b.APIServerEndpoint
		out.CACertHashes, out.UnsafeSkipCAVerification = b.CACertHashes, b.UnsafeSkipCAVerification
	}
	if d.File != nil {
		out.File = d.File.KubeConfigPath
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
