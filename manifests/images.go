package manifests

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

const defaultRegistry = "registry.k8s.io"

// ImageSet is the image reference of every component.
type ImageSet struct {
	APIServer, ControllerManager, Scheduler, Proxy string

	CoreDNS, Pause, Etcd string
}

// tags are the versions that do not follow from the Kubernetes version.
type tags struct{ etcd, coreDNS, pause string }

// tagsOf is the table of each minor's own kubeadm, at the patch release named
// in the comment. (A kubeadm that deploys an older minor takes CoreDNS and
// pause of its own minor; here a version means the same images always.)
func tagsOf(major, minor uint) (tags, bool) {
	if major != 1 {
		return tags{}, false
	}
	switch minor {
	case 33: // v1.33.13
		return tags{etcd: "3.5.24-0", coreDNS: "v1.12.0", pause: "3.10"}, true
	case 34: // v1.34.4
		return tags{etcd: "3.6.5-0", coreDNS: "v1.12.1", pause: "3.10.1"}, true
	case 35: // v1.35.4
		return tags{etcd: "3.6.6-0", coreDNS: "v1.13.1", pause: "3.10.1"}, true
	case 36: // v1.36.3
		return tags{etcd: "3.6.8-0", coreDNS: "v1.14.2", pause: "3.10.2"}, true
	}
	return tags{}, false
}

// Images returns the image of every component, whether the cluster uses it or
// not; Pull lists those it does.
func Images(c *cluster.Cluster) (ImageSet, error) {
	v, err := version.ParseSemantic(c.Version)
	if err != nil {
		return ImageSet{}, fmt.Errorf("choose images: %w", err)
	}
	t, ok := tagsOf(v.Major(), v.Minor())
	if !ok {
		return ImageSet{}, fmt.Errorf("choose images: kubernetes %s is not one of v1.33 to v1.36", c.Version)
	}
	kubernetes := func(name string) string {
		// A tag cannot hold the + of a build suffix.
		return image(c.ImageRepository, name, strings.ReplaceAll(c.Version, "+", "_"))
	}
	dns := cmp.Or(c.DNS.ImageRepository, c.ImageRepository)
	if dns == defaultRegistry {
		// CoreDNS moved one level down there; mirrors kept the old place.
		dns += "/coredns"
	}
	return ImageSet{
		APIServer:         kubernetes(KubeAPIServer),
		ControllerManager: kubernetes(KubeControllerManager),
		Scheduler:         kubernetes(KubeScheduler),
		Proxy:             kubernetes("kube-proxy"),
		CoreDNS:           image(dns, "coredns", cmp.Or(c.DNS.ImageTag, t.coreDNS)),
		Pause:             image(c.ImageRepository, "pause", t.pause),
		Etcd:              image(cmp.Or(c.Etcd.ImageRepository, c.ImageRepository), EtcdName, cmp.Or(c.Etcd.ImageTag, t.etcd)),
	}, nil
}

// Pull lists the images that a control-plane node of c needs, in kubeadm's
// order, and those of what clusteradm adds.
func (s ImageSet) Pull(c *cluster.Cluster) []string {
	list := []string{s.APIServer, s.ControllerManager, s.Scheduler}
	if !c.ProxyDisabled {
		list = append(list, s.Proxy)
	}
	if !c.DNS.Disabled {
		list = append(list, s.CoreDNS)
	}
	list = append(list, s.Pause)
	if c.Etcd.External == nil {
		list = append(list, s.Etcd)
	}
	list = append(list, NodeImages(c)...)
	if c.VirtualIP != nil {
		list = append(list, c.VirtualIP.Image)
	}
	return list
}

// NodeImages lists what a worker must have before its kubelet starts: through
// the load balancer it asks for its certificate.
func NodeImages(c *cluster.Cluster) []string {
	if c.LoadBalancer == nil {
		return nil
	}
	return []string{c.LoadBalancer.Image}
}

func image(repository, name, tag string) string { return repository + "/" + name + ":" + tag }
