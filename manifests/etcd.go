package manifests

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// EtcdClientAnnotation is where joining and upgrading read the client URL of
// a member back from its pod.
const EtcdClientAnnotation = "kubeadm.kubernetes.io/etcd.advertise-client-urls"

const (
	etcdClientPort  = 2379
	etcdPeerPort    = 2380
	etcdMetricsPort = 2381
)

// Member is one member of an etcd cluster as --initial-cluster has it.
type Member struct{ Name, PeerURL string }

// EtcdClientURL is where the member on n serves clients.
func EtcdClientURL(n cluster.Node) string { return etcdURL(n.Address.String(), etcdClientPort) }

// EtcdPeerURL is where the member on n serves its peers.
func EtcdPeerURL(n cluster.Node) string { return etcdURL(n.Address.String(), etcdPeerPort) }

// Etcd renders the static pod of a local etcd member. Without initialCluster
// the member founds a cluster of its own; with it, which must name the member
// itself too, the member joins an existing one.
func Etcd(c *cluster.Cluster, n cluster.Node, initialCluster []Member) ([]byte, error) {
	images, err := Images(c)
	if err != nil {
		return nil, fmt.Errorf("render pod %s: %w", EtcdName, err)
	}
	if c.Etcd.External != nil {
		return nil, fmt.Errorf("render pod %s: the cluster uses an external etcd", EtcdName)
	}
	requests := cpu("100m")
	requests[corev1.ResourceMemory] = resource.MustParse("100Mi")
	certs := c.PKI("etcd")
	return pod{
		name:        EtcdName,
		image:       images.Etcd,
		command:     append([]string{EtcdName}, memberFlags(c, n, initialCluster)...),
		env:         env(c.Etcd.ExtraEnvs),
		requests:    requests,
		annotations: map[string]string{EtcdClientAnnotation: EtcdClientURL(n)},
		// In this order in kubeadm's file.
		volumes: []volume{
			{"etcd-data", c.Etcd.DataDir, c.Etcd.DataDir, false, corev1.HostPathDirectoryOrCreate},
			{"etcd-certs", certs, certs, false, corev1.HostPathDirectoryOrCreate},
		},
		probes: etcdProbes(c, n),
	}.render()
}

func memberFlags(c *cluster.Cluster, n cluster.Node, initialCluster []Member) []string {
	args := map[string]string{
		"advertise-client-urls":          EtcdClientURL(n),
		"cert-file":                      c.PKI("etcd", "server.crt"),
		"client-cert-auth":               "true",
		"data-dir":                       c.Etcd.DataDir,
		"feature-gates":                  "InitialCorruptCheck=true",
		"initial-advertise-peer-urls":    EtcdPeerURL(n),
		"initial-cluster":                n.Name + "=" + EtcdPeerURL(n),
		"key-file":                       c.PKI("etcd", "server.key"),
		"listen-client-urls":             etcdURL(loopback(n), etcdClientPort) + "," + EtcdClientURL(n),
		"listen-metrics-urls":            "http://" + net.JoinHostPort(loopback(n), strconv.Itoa(etcdMetricsPort)),
		"listen-peer-urls":               EtcdPeerURL(n),
		"name":                           n.Name,
		"peer-cert-file":                 c.PKI("etcd", "peer.crt"),
		"peer-client-cert-auth":          "true",
		"peer-key-file":                  c.PKI("etcd", "peer.key"),
		"peer-trusted-ca-file":           c.PKI("etcd", "ca.crt"),
		"snapshot-count":                 "10000",
		"trusted-ca-file":                c.PKI("etcd", "ca.crt"),
		"watch-progress-notify-interval": "5s",
	}
	if len(initialCluster) > 0 {
		var members []string
		for _, m := range initialCluster {
			members = append(members, m.Name+"="+m.PeerURL)
		}
		args["initial-cluster"] = strings.Join(members, ",")
		args["initial-cluster-state"] = "existing"
	}
	return flags(args, c.Etcd.ExtraArgs)
}

// etcdProbes asks the metrics listener, the only one without client
// certificates; where the user moved it, its first URL.
func etcdProbes(c *cluster.Cluster, n cluster.Node) probes {
	p := probes{
		host: loopback(n), port: etcdMetricsPort, scheme: corev1.URISchemeHTTP,
		liveness: "/livez", readiness: "/readyz", startup: "/readyz",
		within: c.Timeouts.ControlPlaneHealth,
	}
	urls, ok := argValue(c.Etcd.ExtraArgs, "listen-metrics-urls")
	if !ok {
		return p
	}
	first, _, _ := strings.Cut(urls, ",")
	u, err := url.Parse(first)
	if err != nil {
		return p
	}
	if u.Scheme == "https" {
		p.scheme = corev1.URISchemeHTTPS
	}
	if u.Hostname() != "" {
		p.host = u.Hostname()
	}
	if port, err := strconv.Atoi(u.Port()); err == nil && 0 < port && port < 1<<16 {
		p.port = port
	}
	return p
}

func etcdURL(host string, port int) string {
	return "https://" + net.JoinHostPort(host, strconv.Itoa(port))
}
