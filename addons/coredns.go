package addons

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// CoreDNS is the cluster's DNS as kubeadm v1.36.3 installs it, with two
// replicas and the default Corefile.
func CoreDNS(c *cluster.Cluster, image string) ([]*unstructured.Unstructured, error) {
	ip := c.Networking.DNSServiceIP()
	if !ip.IsValid() {
		return nil, fmt.Errorf("render coredns: the cluster has no service subnet")
	}
	return render("coredns.yaml", map[string]string{
		"Image":  image,
		"IP":     ip.String(),
		"Domain": c.Networking.DNSDomain,
	})
}
