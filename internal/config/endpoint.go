package config

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config/v1alpha1"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// DefaultBalancerPort is where a node load balancer listens; 6443 is taken on
// control planes.
const DefaultBalancerPort = 7443

// haproxyImage is the release with long-term support, below the repository of
// all images where there is one.
const haproxyImage = "haproxy:3.2"

// endpoint checks and completes how the API servers are reached, and lays down
// in the cluster what follows from it: a controlPlaneEndpoint that is the
// virtual IP, and the addresses in the API servers' certificates, so that those
// of control planes that kubeadm joins have them too.
func (c *checker) endpoint(e *v1alpha1.Endpoint, out *cluster.Cluster, n cluster.Node) {
	defaultEndpointDocument(e, out.ImageRepository)
	root := c.at(v1alpha1.EndpointKind, "")
	if b := e.NodeLoadBalancer; b != nil {
		root.child("nodeLoadBalancer").loadBalancer(b, n)
	}
	if v := e.VirtualIP; v != nil {
		root.child("virtualIP").virtualIP(v, out, n)
	}
	out.LoadBalancer, out.VirtualIP = toEndpoint(e)
	if v := out.VirtualIP; v != nil && v.Address.IsValid() {
		c.virtualEndpoint(out, n)
		out.APIServer.CertSANs = withSAN(out.APIServer.CertSANs, v.Address.String())
	}
	if out.LoadBalancer == nil {
		return
	}
	c.reachableEndpoint(out)
	out.APIServer.CertSANs = withSAN(out.APIServer.CertSANs, out.Loopback().String())
}

func defaultEndpointDocument(e *v1alpha1.Endpoint, repository string) {
	if b := e.NodeLoadBalancer; b != nil {
		b.Port = cmp.Or(b.Port, DefaultBalancerPort)
		if repository == defaultImageRepository {
			repository = "docker.io/library" // Kubernetes' own registry has none
		}
		setDefault(&b.Image, repository+"/"+haproxyImage)
	}
	if v := e.VirtualIP; v != nil && v.RouterID == 0 {
		// Two clusters in one network have two addresses, and so two IDs.
		if addr, err := netip.ParseAddr(v.Address); err == nil {
			bytes := addr.AsSlice()
			v.RouterID = cmp.Or(int32(bytes[len(bytes)-1]), 255)
		}
	}
}

func toEndpoint(e *v1alpha1.Endpoint) (balancer *cluster.NodeLoadBalancer, ip *cluster.VirtualIP) {
	if b := e.NodeLoadBalancer; b != nil {
		balancer = &cluster.NodeLoadBalancer{Port: int(b.Port), Image: b.Image}
	}
	if v := e.VirtualIP; v != nil {
		ip = &cluster.VirtualIP{Interface: v.Interface, RouterID: int(v.RouterID), Image: v.Image}
		ip.Address, _ = netip.ParseAddr(v.Address)
	}
	return balancer, ip
}

func withSAN(sans []string, san string) []string {
	if slices.Contains(sans, san) {
		return sans
	}
	return append(slices.Clone(sans), san)
}

func (f field) loadBalancer(b *v1alpha1.NodeLoadBalancer, n cluster.Node) {
	port := f.child("port")
	port.port(b.Port)
	for taken, by := range map[int]string{
		n.BindPort: "the API server", 2379: "etcd", 2380: "etcd", 2381: "etcd", 10248: "the kubelet", 10250: "the kubelet",
		10249: "kube-proxy", 10256: "kube-proxy", 10257: "the controller manager", 10259: "the scheduler",
	} {
		if int(b.Port) == taken {
			port.bad(fmt.Sprintf("%d is the port of %s", taken, by), fmt.Sprintf("leave it out for %d", DefaultBalancerPort))
		}
	}
	f.child("image").imageRef(b.Image)
}

// imageRef wants one image with its tag or digest.
func (f field) imageRef(ref string) {
	if !matches(`^[a-zA-Z0-9][a-zA-Z0-9.:_/-]{0,250}(:\w[\w.-]{0,127}|@sha256:[0-9a-f]{64})$`, ref) {
		f.bad(strconv.Quote(ref)+" is not an image", "write it as registry.example.com/path/name:tag")
	}
}

func (f field) virtualIP(v *v1alpha1.VirtualIP, c *cluster.Cluster, n cluster.Node) {
	f.child("address").virtualAddress(v.Address, c, n)
	if v.Interface != "" && !matches(`^[^\s/:"{}!#]{1,15}$`, v.Interface) {
		f.child("interface").bad(strconv.Quote(v.Interface)+" is not the name of an interface", "ip -brief link   # shows their names")
	}
	if v.RouterID < 0 || v.RouterID > 255 {
		f.child("routerID").bad(strconv.Itoa(int(v.RouterID))+" is not a VRRP router ID", "one of 1 to 255 that no other router in the network has")
	}
	// No project publishes an image of it that is kept up.
	if f.child("image").required(v.Image, "there is no official image of keepalived; docs/endpoint.md has the four lines to build one") {
		f.child("image").imageRef(v.Image)
	}
}

func (f field) virtualAddress(value string, c *cluster.Cluster, n cluster.Node) {
	const free = "a free address of the control planes' network"
	if !f.required(value, free) {
		return
	}
	addr, err := netip.ParseAddr(value)
	switch {
	case err != nil || addr.Zone() != "" || addr.Is4In6():
		f.bad(strconv.Quote(value)+" is not an IP address", free)
		return
	case !addr.IsGlobalUnicast():
		f.bad(value+" is not an address that machines can have", free)
	case addr == n.Address:
		f.bad(value+" is the node's own address", free)
	case n.Address.IsValid() && addr.Is4() != n.Address.Is4():
		f.bad(fmt.Sprintf("%s and the node's address %s are of different families", value, n.Address), free)
	}
	for _, p := range slices.Concat(c.Networking.ServiceSubnets, c.Networking.PodSubnets) {
		if p.Contains(addr) {
			f.bad(fmt.Sprintf("%s lies in the cluster's own range %s", value, p), "machines, pods and services need ranges of their own")
		}
	}
}

// virtualEndpoint makes the virtual IP the controlPlaneEndpoint. A name may
// stand for it; another address cannot.
func (c *checker) virtualEndpoint(out *cluster.Cluster, n cluster.Node) {
	want := netip.AddrPortFrom(out.VirtualIP.Address, uint16(n.BindPort)).String()
	if out.ControlPlaneEndpoint == "" {
		out.ControlPlaneEndpoint = want
		return
	}
	host, _, _ := net.SplitHostPort(out.ControlPlaneEndpoint)
	if _, err := netip.ParseAddr(host); err == nil && out.ControlPlaneEndpoint != want {
		c.at(v1beta4.ClusterKind, "controlPlaneEndpoint").bad(out.ControlPlaneEndpoint+" is not the virtual IP", "leave it out for "+want+", or give a name that resolves to it")
	}
}

// reachableEndpoint wants an address that a bare machine can join at: it has no
// balancer yet.
func (c *checker) reachableEndpoint(out *cluster.Cluster) {
	f := c.at(v1beta4.ClusterKind, "controlPlaneEndpoint")
	const hint = "an address that every machine reaches a control plane at: a DNS name, or a virtualIP in the document Endpoint"
	host, _, _ := net.SplitHostPort(out.ControlPlaneEndpoint)
	addr, err := netip.ParseAddr(host)
	switch {
	case out.ControlPlaneEndpoint == "":
		f.bad("is required with a nodeLoadBalancer", hint)
	case host == "localhost" || err == nil && addr.IsLoopback():
		f.bad(out.ControlPlaneEndpoint+" is no address that other machines can join at", hint)
	}
}

// MarshalEndpoint is the document that is kept in the ConfigMap
// clusteradm-config.
func MarshalEndpoint(c *cluster.Cluster) ([]byte, error) {
	e := v1alpha1.Endpoint{TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.APIVersion, Kind: v1alpha1.EndpointKind}}
	if b := c.LoadBalancer; b != nil {
		e.NodeLoadBalancer = &v1alpha1.NodeLoadBalancer{Port: int32(b.Port), Image: b.Image}
	}
	if v := c.VirtualIP; v != nil {
		e.VirtualIP = &v1alpha1.VirtualIP{Address: v.Address.String(), Interface: v.Interface, RouterID: int32(v.RouterID), Image: v.Image}
	}
	out, err := yaml.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("marshal %s: %w", v1alpha1.EndpointKind, err)
	}
	return out, nil
}

// UnmarshalEndpoint reads it back into a cluster. The error is an Errors.
func UnmarshalEndpoint(data []byte, into *cluster.Cluster) error {
	c := newChecker(data, Inputs{})
	e := &v1alpha1.Endpoint{}
	c.decode(v1alpha1.EndpointKind, e)
	if c.docs[v1alpha1.EndpointKind] == nil && len(c.errs) == 0 {
		c.errs = append(c.errs, FieldError{Message: "no document of kind " + v1alpha1.EndpointKind})
	}
	defaultEndpointDocument(e, into.ImageRepository)
	root := c.at(v1alpha1.EndpointKind, "")
	// Of the cluster as it is only what the document itself says is checked.
	if b := e.NodeLoadBalancer; b != nil {
		root.child("nodeLoadBalancer").loadBalancer(b, cluster.Node{})
	}
	if v := e.VirtualIP; v != nil {
		root.child("virtualIP").virtualIP(v, &cluster.Cluster{}, cluster.Node{})
	}
	if err := c.result(); err != nil {
		return err
	}
	into.LoadBalancer, into.VirtualIP = toEndpoint(e)
	return nil
}
