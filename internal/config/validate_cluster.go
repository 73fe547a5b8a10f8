package config

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
)

// cluster checks what every reader of a ClusterConfiguration relies on.
func (c *checker) cluster(conf *v1beta4.ClusterConfiguration) {
	root := c.at(v1beta4.ClusterKind, "")
	root.child("kubernetesVersion").supported(conf.KubernetesVersion)
	if conf.ControlPlaneEndpoint != "" {
		root.child("controlPlaneEndpoint").hostPort(conf.ControlPlaneEndpoint)
	}
	root.child("certificatesDir").ownDirectory(conf.CertificatesDir)
	root.child("imageRepository").imageRepository(conf.ImageRepository)
	if !matches(`^[A-Za-z0-9][A-Za-z0-9._@:/-]{0,252}$`, conf.ClusterName) {
		root.child("clusterName").bad(strconv.Quote(conf.ClusterName)+" is not a cluster name", "use letters, digits, dashes and dots")
	}
	root.child("encryptionAlgorithm").oneOf(conf.EncryptionAlgorithm, string(cluster.ECDSAP256), string(cluster.ECDSAP384), string(cluster.RSA2048), string(cluster.RSA3072), string(cluster.RSA4096))
	root.featureGates(conf.FeatureGates)
	root.validity(conf.CertificateValidityPeriod.Duration, conf.CACertificateValidityPeriod.Duration)

	root.child("dns").image(conf.DNS.ImageMeta)
	root.child("apiServer").component(conf.APIServer.ControlPlaneComponent)
	root.child("apiServer").child("certSANs").certSANs(conf.APIServer.CertSANs)
	root.child("controllerManager").component(conf.ControllerManager)
	root.child("scheduler").component(conf.Scheduler)
	root.child("etcd").etcd(conf.Etcd)
	root.child("networking").networking(conf)
}

// supported has kubeadm's bound: the tool's own minor and the one before. A
// newer control plane is a matter of preflight.
func (f field) supported(value string) {
	newest, _ := parseVersion(DefaultKubernetesVersion)
	if got, ok := f.version(value); ok && !f.c.existing && got < newest-1 {
		f.bad(value+" is too old", fmt.Sprintf("the oldest supported is v1.%d.0", (newest-1)&0xffff))
	}
}

func (f field) version(value string) (minor int, ok bool) {
	minor, ok = parseVersion(value)
	if !ok {
		f.bad(strconv.Quote(value)+" is not a Kubernetes version", "write an exact version such as "+DefaultKubernetesVersion+"; labels such as stable-1 would need a server to look them up")
	}
	return minor, ok
}

func (f field) featureGates(gates map[string]bool) {
	known := knownGates()
	for _, name := range sortedKeys(gates) {
		at := f.child("featureGates").child(name)
		if !slices.Contains(known, name) {
			at.bad("unknown feature gate", "known are "+strings.Join(known, ", "))
		}
		if name == "NodeLocalCRISocket" && !gates[name] {
			at.bad("cannot be switched off", "it is locked to true")
		}
		if name == "RootlessControlPlane" && gates[name] {
			at.bad("is not supported", "leave it out")
		}
		if name == "PublicKeysECDSA" && !f.c.existing {
			at.warn("is deprecated", "use encryptionAlgorithm: ECDSA-P256")
		}
	}
}

func (f field) validity(leaf, ca time.Duration) {
	at := f.child("certificateValidityPeriod")
	if leaf > defaultLeafValidity {
		at.warn("is more than the recommended "+defaultLeafValidity.String(), "")
	}
	if ca > defaultCAValidity {
		f.child("caCertificateValidityPeriod").warn("is more than the recommended "+defaultCAValidity.String(), "")
	}
	if leaf <= 0 {
		at.bad("must be more than zero", "")
	}
	if ca <= 0 {
		f.child("caCertificateValidityPeriod").bad("must be more than zero", "")
		return
	}
	if leaf > ca && !f.c.existing {
		at.bad("is longer than caCertificateValidityPeriod", "a certificate cannot outlive its CA")
	}
}

// image allows both parts to be empty.
func (f field) image(meta v1beta4.ImageMeta) {
	if meta.ImageRepository != "" {
		f.child("imageRepository").imageRepository(meta.ImageRepository)
	}
	f.child("imageTag").imageTag(meta.ImageTag)
}

func (f field) etcd(e v1beta4.Etcd) {
	if e.Local != nil && e.External != nil {
		f.bad("local and external cannot both be set", "keep one of the two")
		return
	}
	if l := e.Local; l != nil {
		f = f.child("local")
		f.child("dataDir").ownDirectory(l.DataDir)
		f.image(l.ImageMeta)
		f.child("extraArgs").args(l.ExtraArgs)
		f.child("extraEnvs").envs(l.ExtraEnvs)
		f.child("serverCertSANs").certSANs(l.ServerCertSANs)
		f.child("peerCertSANs").certSANs(l.PeerCertSANs)
	}
	if x := e.External; x != nil {
		f.child("external").externalEtcd(x)
	}
}

func (f field) externalEtcd(x *v1beta4.ExternalEtcd) {
	if len(x.Endpoints) == 0 {
		f.child("endpoints").bad("is required", "")
	}
	// Only without any certificate may the connection be in the clear.
	secure := x.CAFile != "" || x.CertFile != "" || x.KeyFile != ""
	f.child("endpoints").urls(x.Endpoints, secure)
	if !slices.Equal(x.Endpoints, x.HTTPEndpoints) {
		f.child("httpEndpoints").urls(x.HTTPEndpoints, false)
	}
	if (x.CertFile == "") != (x.KeyFile == "") {
		f.bad("certFile and keyFile are set only together", "")
	}
	if x.CertFile != "" && x.CAFile == "" {
		f.child("caFile").bad("is required with certFile", "")
	}
	for _, file := range []struct{ name, path string }{{"caFile", x.CAFile}, {"certFile", x.CertFile}, {"keyFile", x.KeyFile}} {
		if file.path != "" {
			f.child(file.name).absolutePath(file.path)
		}
	}
}

func (f field) urls(urls []string, secure bool) {
	for i, text := range urls {
		u, err := url.Parse(text)
		switch {
		// They end up in one comma-separated flag.
		case err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(text, ", ") || hasControl(text):
			f.item(i).bad("is not a URL", "write it as https://host:2379")
		case u.Scheme != "https" && (secure || u.Scheme != "http"):
			f.item(i).bad("does not use https", "")
		}
	}
}
