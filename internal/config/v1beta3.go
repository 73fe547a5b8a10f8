package config

import (
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config/v1beta3"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
)

// place is a field of a document.
type place struct{ kind, path string }

// older reports a document of v1beta3. What it says is converted before flags,
// defaults and validation see it; c.moved leads from a field of v1beta4 to the
// one in the user's text, so that errors name that.
func (c *checker) older(kind string) bool {
	doc := c.docs[kind]
	return doc != nil && doc.apiVersion == v1beta3.APIVersion
}

func (c *checker) decodeInit(out *v1beta4.InitConfiguration) {
	if !c.older(v1beta4.InitKind) {
		c.decode(v1beta4.InitKind, out)
		return
	}
	var in v1beta3.InitConfiguration
	c.decode(v1beta4.InitKind, &in)
	*out = v1beta4.InitConfiguration{
		TypeMeta: in.TypeMeta, BootstrapTokens: in.BootstrapTokens, LocalAPIEndpoint: in.LocalAPIEndpoint,
		NodeRegistration: c.oldNode(v1beta4.InitKind, in.NodeRegistration),
		CertificateKey:   in.CertificateKey, SkipPhases: in.SkipPhases, Patches: in.Patches,
	}
}

func (c *checker) decodeJoin(out *v1beta4.JoinConfiguration) {
	if !c.older(v1beta4.JoinKind) {
		c.decode(v1beta4.JoinKind, out)
		return
	}
	var in v1beta3.JoinConfiguration
	c.decode(v1beta4.JoinKind, &in)
	*out = v1beta4.JoinConfiguration{
		TypeMeta: in.TypeMeta, NodeRegistration: c.oldNode(v1beta4.JoinKind, in.NodeRegistration), CACertPath: in.CACertPath,
		Discovery:    v1beta4.Discovery{BootstrapToken: in.Discovery.BootstrapToken, File: in.Discovery.File, TLSBootstrapToken: in.Discovery.TLSBootstrapToken},
		ControlPlane: in.ControlPlane, SkipPhases: in.SkipPhases, Patches: in.Patches,
	}
	if in.Discovery.Timeout != nil {
		out.Timeouts = &v1beta4.Timeouts{Discovery: in.Discovery.Timeout}
		c.moved[place{v1beta4.JoinKind, "timeouts.discovery"}] = place{v1beta4.JoinKind, "discovery.timeout"}
	}
}

// decodeCluster hands the timeout that a ClusterConfiguration of v1beta3 has to
// the two documents that have it now, unless they have one of their own.
func (c *checker) decodeCluster(out *v1beta4.ClusterConfiguration, init *v1beta4.InitConfiguration, join *v1beta4.JoinConfiguration) {
	if !c.older(v1beta4.ClusterKind) {
		c.decode(v1beta4.ClusterKind, out)
		return
	}
	var in v1beta3.ClusterConfiguration
	c.decode(v1beta4.ClusterKind, &in)
	component := func(path string, old v1beta3.ControlPlaneComponent) v1beta4.ControlPlaneComponent {
		return v1beta4.ControlPlaneComponent{ExtraArgs: c.oldArgs(v1beta4.ClusterKind, path+".extraArgs", old.ExtraArgs), ExtraVolumes: old.ExtraVolumes}
	}
	*out = v1beta4.ClusterConfiguration{
		TypeMeta: in.TypeMeta, Networking: in.Networking, KubernetesVersion: in.KubernetesVersion, ControlPlaneEndpoint: in.ControlPlaneEndpoint,
		APIServer:         v1beta4.APIServer{ControlPlaneComponent: component("apiServer", in.APIServer.ControlPlaneComponent), CertSANs: in.APIServer.CertSANs},
		ControllerManager: component("controllerManager", in.ControllerManager), Scheduler: component("scheduler", in.Scheduler),
		DNS:             v1beta4.DNS{ImageMeta: in.DNS.ImageMeta},
		CertificatesDir: in.CertificatesDir, ImageRepository: in.ImageRepository, FeatureGates: in.FeatureGates, ClusterName: in.ClusterName,
		// The only one that v1beta3 knew, so that is what its author meant.
		EncryptionAlgorithm: string(cluster.RSA2048),
	}
	if l := in.Etcd.Local; l != nil {
		out.Etcd.Local = &v1beta4.LocalEtcd{ImageMeta: l.ImageMeta, DataDir: l.DataDir, ServerCertSANs: l.ServerCertSANs, PeerCertSANs: l.PeerCertSANs,
			ExtraArgs: c.oldArgs(v1beta4.ClusterKind, "etcd.local.extraArgs", l.ExtraArgs)}
	}
	if x := in.Etcd.External; x != nil {
		out.Etcd.External = &v1beta4.ExternalEtcd{Endpoints: x.Endpoints, CAFile: x.CAFile, CertFile: x.CertFile, KeyFile: x.KeyFile}
	}
	limit := in.APIServer.TimeoutForControlPlane
	if limit == nil || limit.Duration == 0 {
		return
	}
	for kind, timeouts := range map[string]**v1beta4.Timeouts{v1beta4.InitKind: &init.Timeouts, v1beta4.JoinKind: &join.Timeouts} {
		if *timeouts == nil {
			*timeouts = &v1beta4.Timeouts{}
		}
		if t := *timeouts; t.ControlPlaneComponentHealthCheck == nil {
			t.ControlPlaneComponentHealthCheck = limit
			c.moved[place{kind, "timeouts.controlPlaneComponentHealthCheck"}] = place{v1beta4.ClusterKind, "apiServer.timeoutForControlPlane"}
		}
	}
}

// oldNode pulls images one after the other: v1beta3 knows nothing else, so that
// is what kubeadm writes into what it converts.
func (c *checker) oldNode(kind string, in v1beta3.NodeRegistrationOptions) v1beta4.NodeRegistrationOptions {
	serial := true
	return v1beta4.NodeRegistrationOptions{
		Name: in.Name, CRISocket: in.CRISocket, Taints: in.Taints, IgnorePreflightErrors: in.IgnorePreflightErrors, ImagePullPolicy: in.ImagePullPolicy,
		ImagePullSerial:  &serial,
		KubeletExtraArgs: c.oldArgs(kind, "nodeRegistration.kubeletExtraArgs", in.KubeletExtraArgs),
	}
}

// oldArgs is a map of flags as a list, in the order of the names, as kubeadm
// has it.
func (c *checker) oldArgs(kind, path string, in map[string]string) []v1beta4.Arg {
	if in == nil {
		return nil
	}
	out := []v1beta4.Arg{}
	for i, name := range sortedKeys(in) {
		out = append(out, v1beta4.Arg{Name: name, Value: in[name]})
		old := place{kind, join(path, name)}
		at := index(path, i)
		for _, now := range []string{at, at + ".name", at + ".value"} {
			c.moved[place{kind, now}] = old
		}
	}
	return out
}
