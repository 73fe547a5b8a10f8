package manifests

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// AdvertiseAnnotation is where joining and upgrading read the address of an
// API server back from its pod.
const AdvertiseAnnotation = "kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint"

const hostCerts = "/etc/ssl/certs"

// APIServer renders the static pod of kube-apiserver.
func APIServer(c *cluster.Cluster, n cluster.Node, o Options) ([]byte, error) {
	images, err := Images(c)
	if err != nil {
		return nil, fmt.Errorf("render pod %s: %w", KubeAPIServer, err)
	}
	address := n.Address.String()
	volumes := append(trustVolumes(c, o), externalEtcdVolumes(c)...)
	return pod{
		name:        KubeAPIServer,
		image:       images.APIServer,
		command:     append([]string{KubeAPIServer}, apiServerFlags(c, n)...),
		env:         env(o.ProxyEnv, c.APIServer.ExtraEnvs),
		requests:    cpu("250m"),
		annotations: map[string]string{AdvertiseAnnotation: net.JoinHostPort(address, strconv.Itoa(n.BindPort))},
		volumes:     withExtra(volumes, c.APIServer.ExtraVolumes),
		probes: probes{
			host: probeHost(address), port: n.BindPort, scheme: corev1.URISchemeHTTPS,
			liveness: "/livez", readiness: "/readyz", startup: "/livez",
			within: c.Timeouts.ControlPlaneHealth,
		},
	}.render()
}

func apiServerFlags(c *cluster.Cluster, n cluster.Node) []string {
	args := map[string]string{
		"advertise-address":                  n.Address.String(),
		"allow-privileged":                   "true",
		"client-ca-file":                     c.PKI("ca.crt"),
		"enable-admission-plugins":           "NodeRestriction",
		"enable-bootstrap-token-auth":        "true",
		"kubelet-client-certificate":         c.PKI("apiserver-kubelet-client.crt"),
		"kubelet-client-key":                 c.PKI("apiserver-kubelet-client.key"),
		"kubelet-preferred-address-types":    "InternalIP,ExternalIP,Hostname",
		"proxy-client-cert-file":             c.PKI("front-proxy-client.crt"),
		"proxy-client-key-file":              c.PKI("front-proxy-client.key"),
		"requestheader-allowed-names":        "front-proxy-client",
		"requestheader-client-ca-file":       c.PKI("front-proxy-ca.crt"),
		"requestheader-extra-headers-prefix": "X-Remote-Extra-",
		"requestheader-group-headers":        "X-Remote-Group",
		"requestheader-username-headers":     "X-Remote-User",
		"secure-port":                        strconv.Itoa(n.BindPort),
		"service-account-issuer":             "https://kubernetes.default.svc." + c.Networking.DNSDomain,
		"service-account-key-file":           c.PKI("sa.pub"),
		"service-account-signing-key-file":   c.PKI("sa.key"),
		"service-cluster-ip-range":           prefixes(c.Networking.ServiceSubnets),
		"tls-cert-file":                      c.PKI("apiserver.crt"),
		"tls-private-key-file":               c.PKI("apiserver.key"),
	}
	etcdFlags(args, c, n)
	// The API server refuses a mode together with an authorization
	// configuration file.
	if _, structured := argValue(c.APIServer.ExtraArgs, "authorization-config"); !structured {
		args["authorization-mode"] = "Node,RBAC"
	}
	return flags(args, c.APIServer.ExtraArgs)
}

func etcdFlags(args map[string]string, c *cluster.Cluster, n cluster.Node) {
	if ext := c.Etcd.External; ext != nil {
		args["etcd-servers"] = strings.Join(ext.Endpoints, ",")
		if ext.CAFile != "" {
			args["etcd-cafile"] = ext.CAFile
		}
		if ext.CertFile != "" && ext.KeyFile != "" {
			args["etcd-certfile"] = ext.CertFile
			args["etcd-keyfile"] = ext.KeyFile
		}
		return
	}
	args["etcd-servers"] = etcdURL(loopback(n), etcdClientPort)
	if urls, ok := argValue(c.Etcd.ExtraArgs, "advertise-client-urls"); ok {
		args["etcd-servers"] = urls
	}
	args["etcd-cafile"] = c.PKI("etcd", "ca.crt")
	args["etcd-certfile"] = c.PKI("apiserver-etcd-client.crt")
	args["etcd-keyfile"] = c.PKI("apiserver-etcd-client.key")
}

// trustVolumes are the certificates that the API server and the controller
// manager see: the cluster's and the machine's.
func trustVolumes(c *cluster.Cluster, o Options) []volume {
	volumes := []volume{directory("k8s-certs", c.CertificatesDir), directory("ca-certs", hostCerts)}
	for _, dir := range o.TrustDirs {
		volumes = append(volumes, directory(strings.ReplaceAll(strings.TrimPrefix(dir, "/"), "/", "-"), dir))
	}
	return volumes
}

// externalEtcdVolumes mounts the directories of an external etcd's files,
// except those that are, or could be, mounted already, those that the user
// mounts, and those below another one of the list.
func externalEtcdVolumes(c *cluster.Cluster) []volume {
	ext := c.Etcd.External
	if ext == nil {
		return nil
	}
	mounted := append(TrustDirs(), hostCerts, c.CertificatesDir)
	for _, v := range c.APIServer.ExtraVolumes {
		// A second mount at one path makes a pod invalid.
		mounted = append(mounted, v.MountPath)
	}
	var dirs []string
	for _, file := range []string{ext.CAFile, ext.CertFile, ext.KeyFile} {
		dir := path.Dir(file)
		if dir == "." || below(dir, mounted) || below(dir, dirs) {
			continue
		}
		dirs = slices.DeleteFunc(dirs, func(d string) bool { return below(d, []string{dir}) })
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	var volumes []volume
	for i, dir := range dirs {
		volumes = append(volumes, directory("etcd-certs-"+strconv.Itoa(i), dir))
	}
	return volumes
}

// below compares path elements, where kubeadm compares plain prefixes and so
// takes /etc/kubernetes/pki-etcd for a part of /etc/kubernetes/pki.
func below(dir string, parents []string) bool {
	return slices.ContainsFunc(parents, func(parent string) bool {
		return dir == parent || strings.HasPrefix(dir, strings.TrimSuffix(parent, "/")+"/")
	})
}

func prefixes(list []netip.Prefix) string {
	var out []string
	for _, p := range list {
		out = append(out, p.String())
	}
	return strings.Join(out, ",")
}

// loopback is the loopback address of the family that the node advertises.
func loopback(n cluster.Node) string {
	if n.Address.Is6() {
		return "::1"
	}
	return "127.0.0.1"
}
