package manifests

import (
	"net/netip"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

func subnets(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func defaultNode() cluster.Node {
	return cluster.Node{
		Name:         "cp1",
		ControlPlane: true,
		Address:      netip.MustParseAddr("192.0.2.10"),
		BindPort:     6443,
		CRISocket:    "unix:///var/run/containerd/containerd.sock",
	}
}

func defaultCluster() *cluster.Cluster {
	return &cluster.Cluster{
		Name:            "kubernetes",
		Version:         "v1.36.3",
		CertificatesDir: "/etc/kubernetes/pki",
		ImageRepository: "registry.k8s.io",
		Networking: cluster.Networking{
			ServiceSubnets: subnets("10.96.0.0/12"),
			DNSDomain:      "cluster.local",
		},
		Etcd: cluster.Etcd{DataDir: "/var/lib/etcd"},
	}
}

// kubeadmCase is one configuration that kubeadm has rendered too.
type kubeadmCase struct {
	cluster *cluster.Cluster
	node    cluster.Node
	options Options
}

func kubeadmCases() map[string]kubeadmCase {
	debian := Options{TrustDirs: []string{"/etc/ca-certificates", "/usr/local/share/ca-certificates", "/usr/share/ca-certificates"}}

	withPods := defaultCluster()
	withPods.Networking.PodSubnets = subnets("10.244.0.0/16")

	external := defaultCluster()
	external.DNS.Disabled, external.ProxyDisabled = true, true
	external.Etcd.External = &cluster.ExternalEtcd{
		Endpoints: []string{"https://e1.example:2379", "https://e2.example:2379"},
		CAFile:    "/srv/pki/ca/etcd.crt",
		CertFile:  "/srv/pki/etcd/client.crt",
		KeyFile:   "/srv/pki/etcd/private/client.key",
	}

	withProxy, withoutKey := debian, debian
	withProxy.ProxyEnv = ProxyEnv([]string{"HTTPS_PROXY=http://proxy.example:3128", "PATH=/bin", "no_proxy=10.0.0.0/8", "NO_PROXY=b", "EMPTY_PROXY=", "odd"})
	withoutKey.ExternalCA = true

	sixCluster, sixNode := six()
	return map[string]kubeadmCase{
		"default":    {withPods, defaultNode(), debian},
		"externalca": {withPods, defaultNode(), withoutKey},
		"external":   {external, defaultNode(), debian},
		"extra":      {extra(), defaultNode(), withProxy},
		"ipv6":       {sixCluster, sixNode, debian},
	}
}

func six() (*cluster.Cluster, cluster.Node) {
	c, n := defaultCluster(), defaultNode()
	n.Address, n.BindPort = netip.MustParseAddr("2001:db8::10"), 6444
	c.Name = "six"
	c.CertificatesDir = "/etc/kubernetes/certs"
	c.ImageRepository = "mirror.example/k8s"
	c.ControlPlaneEndpoint = "api.example:443"
	c.Networking = cluster.Networking{
		PodSubnets:     subnets("fd00:10::/56", "10.244.0.0/16"),
		ServiceSubnets: subnets("fd00:20::/112", "10.96.0.0/16"),
		DNSDomain:      "k8s.example",
	}
	c.Etcd = cluster.Etcd{DataDir: "/srv/etcd", ImageTag: "3.6.9-0"}
	c.DNS = cluster.DNS{ImageRepository: "dns.example", ImageTag: "v1.14.7"}
	c.Timeouts.ControlPlaneHealth = 2*time.Minute + 5*time.Second
	return c, n
}

func extra() *cluster.Cluster {
	c := defaultCluster()
	c.APIServer.ExtraArgs = []cluster.Arg{
		{Name: "v", Value: "4"},
		{Name: "authorization-config", Value: "/etc/kubernetes/authz.yaml"},
		{Name: "enable-admission-plugins", Value: "NodeRestriction,AlwaysPullImages"},
		{Name: "service-account-issuer", Value: "https://a.example"},
		{Name: "service-account-issuer", Value: "https://kubernetes.default.svc.cluster.local"},
	}
	c.APIServer.ExtraVolumes = []cluster.Volume{
		{Name: "authz", HostPath: "/etc/kubernetes/authz.yaml", MountPath: "/etc/kubernetes/authz.yaml", ReadOnly: true, PathType: "File"},
		{Name: "ca-certs", HostPath: "/opt/certs", MountPath: "/etc/ssl/certs"},
	}
	c.APIServer.ExtraEnvs = []cluster.EnvVar{{Name: "GOGC", Value: "50"}, {Name: "NO_PROXY", Value: "mine"}}
	c.Controller.ExtraArgs = []cluster.Arg{{Name: "bind-address", Value: "0.0.0.0"}}
	c.Scheduler.ExtraArgs = []cluster.Arg{{Name: "bind-address", Value: "::"}, {Name: "bind-address", Value: "192.0.2.10"}}
	c.Etcd.ExtraArgs = []cluster.Arg{
		{Name: "listen-metrics-urls", Value: "https://0.0.0.0:2391,http://127.0.0.1:2381"},
		{Name: "advertise-client-urls", Value: "https://192.0.2.10:2379,https://192.0.2.11:2379"},
	}
	c.Etcd.ExtraEnvs = []cluster.EnvVar{{Name: "ETCD_EXPERIMENTAL", Value: "1"}}
	return c
}
