package addons

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// The images that the templates were written for.
const (
	FlannelImage       = "ghcr.io/flannel-io/flannel:v0.28.4"
	FlannelPluginImage = "ghcr.io/flannel-io/flannel-cni-plugin:v1.9.1-flannel1"
)

// FlannelImages names flannel's images; an empty one is upstream's. Plugin is
// what puts the CNI plugin "flannel" into /opt/cni/bin: the distributions' CNI
// packages do not have it.
type FlannelImages struct{ Daemon, Plugin string }

// FlannelNamespace is where flannel runs.
const FlannelNamespace = "kube-flannel"

// Flannel is the pod network flannel over VXLAN, as upstream's manifest of
// v0.28.4 has it, but for the address of the API server: that is the one
// kube-proxy uses, on n where the cluster has no endpoint of its own. Upstream
// goes through the Service, which a new node does not reach before kube-proxy
// runs there; flannel then gives up after 30 s and starts again.
func Flannel(c *cluster.Cluster, n cluster.Node, images FlannelImages) ([]*unstructured.Unstructured, error) {
	network, err := flannelNetwork(c)
	if err != nil {
		return nil, fmt.Errorf("render flannel: %w", err)
	}
	server, err := url.Parse(c.NodeEndpoint(n))
	if err != nil {
		return nil, fmt.Errorf("render flannel: %w", err)
	}
	objects, err := render("flannel.yaml", map[string]string{
		"Image":  cmp.Or(images.Daemon, FlannelImage),
		"Plugin": cmp.Or(images.Plugin, FlannelPluginImage),
		"Host":   server.Hostname(),
		"Port":   server.Port(),
	})
	if err != nil {
		return nil, err
	}
	cm := find(objects, "ConfigMap", "kube-flannel-cfg")
	if err := unstructured.SetNestedField(cm.Object, network, "data", "net-conf.json"); err != nil {
		return nil, fmt.Errorf("render flannel: %w", err)
	}
	return objects, nil
}

// flannelNetwork renders net-conf.json. flannel takes one subnet of a family.
func flannelNetwork(c *cluster.Cluster) (string, error) {
	type backend struct{ Type string }
	conf := struct {
		Network        string `json:",omitempty"`
		IPv6Network    string `json:",omitempty"`
		EnableIPv4     *bool  `json:",omitempty"` // true by default
		EnableIPv6     bool   `json:",omitempty"`
		EnableNFTables bool
		Backend        backend
	}{Backend: backend{"vxlan"}}
	for _, subnet := range c.Networking.PodSubnets {
		field := &conf.Network
		if subnet.Addr().Is6() {
			field, conf.EnableIPv6 = &conf.IPv6Network, true
		}
		if *field != "" {
			return "", fmt.Errorf("pod subnets %s and %s are of one address family", *field, subnet)
		}
		*field = subnet.String()
	}
	if conf.Network == "" && !conf.EnableIPv6 {
		return "", fmt.Errorf("the cluster has no pod subnet")
	}
	if conf.Network == "" {
		conf.EnableIPv4 = new(bool)
	}
	data, err := json.MarshalIndent(conf, "", "  ")
	if err != nil {
		return "", fmt.Errorf("render net-conf.json: %w", err)
	}
	return string(data) + "\n", nil
}
