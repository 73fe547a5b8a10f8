package config

import (
	"fmt"
	"net/netip"
	"path"

	"github.com/clusteradm/clusteradm/internal/cluster"
	kubeproxy "k8s.io/kube-proxy/config/v1alpha1"
	kubelet "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"
)

const proxyKubeconfig = "/var/lib/kube-proxy/kubeconfig.conf"

// components completes the components' configurations and writes them through
// their own types, so that the bytes, and with them kubeadm's hash of what it
// generated, are the same as kubeadm's.
func (c *checker) components(out *cluster.Cluster, node cluster.Node, k *kubelet.KubeletConfiguration, p *kubeproxy.KubeProxyConfiguration) error {
	c.kubelet(k, out)
	c.kubeProxy(p, out, node)
	for _, one := range []struct {
		kind string
		conf any
		to   *cluster.ComponentConfig
	}{{kubeletKind, k, &out.Kubelet}, {kubeProxyKind, p, &out.KubeProxy}} {
		data, err := yaml.Marshal(one.conf)
		if err != nil {
			return fmt.Errorf("marshal %s: %w", one.kind, err)
		}
		*one.to = cluster.ComponentConfig{YAML: data, Generated: c.docs[one.kind] == nil}
	}
	return nil
}

func (c *checker) kubelet(k *kubelet.KubeletConfiguration, out *cluster.Cluster) {
	root := c.at(kubeletKind, "")
	k.APIVersion, k.Kind = kubelet.SchemeGroupVersion.String(), kubeletKind
	root.recommend("staticPodPath", &k.StaticPodPath, cluster.ManifestsDir)
	root.child("staticPodPath").absolutePath(k.StaticPodPath)
	if ip := out.Networking.DNSServiceIP(); k.ClusterDNS == nil && ip.IsValid() {
		k.ClusterDNS = []string{ip.String()}
	}
	for i, ip := range k.ClusterDNS {
		if _, err := netip.ParseAddr(ip); err != nil {
			root.child("clusterDNS").item(i).bad("is not an IP address", "")
		}
	}
	if k.ClusterDomain != "" { // else it is reported where it comes from
		root.child("clusterDomain").dnsName(k.ClusterDomain)
	}
	root.recommend("clusterDomain", &k.ClusterDomain, out.Networking.DNSDomain)
	root.recommend("authentication.x509.clientCAFile", &k.Authentication.X509.ClientCAFile, out.PKI("ca.crt"))
	root.recommendBool("authentication.anonymous.enabled", &k.Authentication.Anonymous.Enabled, false)
	root.recommendBool("authentication.webhook.enabled", &k.Authentication.Webhook.Enabled, true)
	root.recommend("authorization.mode", (*string)(&k.Authorization.Mode), string(kubelet.KubeletAuthorizationModeWebhook))
	root.recommend("healthzBindAddress", &k.HealthzBindAddress, "127.0.0.1")
	if k.HealthzPort == nil {
		port := int32(10248)
		k.HealthzPort = &port
	} else if *k.HealthzPort != 10248 {
		root.child("healthzPort").warn("10248 is recommended", "")
	}
	if k.ReadOnlyPort != 0 {
		root.child("readOnlyPort").warn("0 is recommended: the port answers anybody", "")
	}
	// The field cannot tell false from absent, so kubeadm sets it always.
	k.RotateCertificates = true
	setDefault(&k.CgroupDriver, "systemd")
}

func (c *checker) kubeProxy(p *kubeproxy.KubeProxyConfiguration, out *cluster.Cluster, node cluster.Node) {
	root := c.at(kubeProxyKind, "")
	p.APIVersion, p.Kind = kubeproxy.SchemeGroupVersion.String(), kubeProxyKind
	bind := "0.0.0.0"
	if node.Address.Is6() {
		bind = "::"
	}
	root.recommend("bindAddress", &p.BindAddress, bind)
	if _, err := netip.ParseAddr(p.BindAddress); err != nil {
		root.child("bindAddress").bad("is not an IP address", "")
	}
	if pods := fromPrefixes(out.Networking.PodSubnets); pods != "" {
		root.recommend("clusterCIDR", &p.ClusterCIDR, pods)
	}
	if p.ClusterCIDR != "" {
		if _, err := parsePrefixes(p.ClusterCIDR); err != nil {
			root.child("clusterCIDR").bad(err.Error(), "")
		}
	}
	root.recommend("clientConnection.kubeconfig", &p.ClientConnection.Kubeconfig, proxyKubeconfig)
	if !path.IsAbs(p.ClientConnection.Kubeconfig) {
		root.child("clientConnection").child("kubeconfig").bad("is not an absolute path", "")
	}
}

// recommend fills in a value, and warns where the user has another.
func (f field) recommend(path string, value *string, want string) {
	if setDefault(value, want); *value != want {
		field{f.c, f.kind, path}.warn(want+" is recommended", "")
	}
}

func (f field) recommendBool(path string, value **bool, want bool) {
	if *value == nil {
		*value = &want
	} else if **value != want {
		field{f.c, f.kind, path}.warn(fmt.Sprintf("%t is recommended", want), "")
	}
}
