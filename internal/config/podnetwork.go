package config

import (
	"strconv"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config/v1alpha1"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
)

// podNetwork reads the choice of a pod network. None is the default, as with
// kubeadm, which installs none. Flannel brings its own pod subnet.
func (c *checker) podNetwork(addons *v1alpha1.Addons, conf *v1beta4.ClusterConfiguration, in Inputs) cluster.PodNetwork {
	f := c.at(v1alpha1.AddonsKind, "podNetwork")
	choice := addons.PodNetwork
	kind := cluster.PodNetworkKind(choice.Kind)
	if kind == "" {
		kind = cluster.PodNetworkNone
		if choice.Manifest != "" {
			kind = cluster.PodNetworkManifest
		}
	}
	if kind != cluster.PodNetworkManifest && choice.Manifest != "" {
		f.child("manifest").bad("needs the kind manifest", "")
	}
	switch kind {
	case cluster.PodNetworkNone:
	case cluster.PodNetworkFlannel:
		if conf.Networking.PodSubnet != "" {
			break
		}
		services, err := parsePrefixes(conf.Networking.ServiceSubnet)
		if err == nil && (len(services) > 1 || services[0].Addr().Is6()) {
			c.at(v1beta4.ClusterKind, "networking.podSubnet").bad("is required", "flannel's own default is IPv4 only")
			break
		}
		conf.Networking.PodSubnet = DefaultPodSubnet
	case cluster.PodNetworkManifest:
		return cluster.PodNetwork{Kind: kind, Manifest: f.child("manifest").manifest(choice.Manifest, in)}
	default:
		f.child("kind").bad(strconv.Quote(choice.Kind)+" is not known", "one of flannel, none and manifest, or for the flag the path of a manifest, such as ./net.yaml")
	}
	return cluster.PodNetwork{Kind: kind}
}

func (f field) manifest(path string, in Inputs) []byte {
	switch {
	case path == "":
		f.bad("is required", "name the file")
		return nil
	case in.ReadFile == nil:
		f.bad("cannot be read here", "")
		return nil
	}
	data, err := in.ReadFile(path)
	if err != nil {
		f.unreadable("read manifest", err)
		return nil
	}
	if len(data) == 0 {
		f.bad("is an empty file", "")
	}
	return data
}
