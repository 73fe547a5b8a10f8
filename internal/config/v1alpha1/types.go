// Package v1alpha1 has clusteradm's own document, clusteradm.io/v1alpha1: what
// kubeadm's API has no field for. It holds shapes only.
package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// APIVersion is the group and version of every document here.
const APIVersion = "clusteradm.io/v1alpha1"

// AddonsKind is the kind of Addons.
const AddonsKind = "Addons"

// Addons is what init installs beyond what kubeadm does.
type Addons struct {
	metav1.TypeMeta `json:",inline"`
	PodNetwork      PodNetwork `json:"podNetwork,omitempty"`
}

// PodNetwork is one of clusteradm's own pod networks or a user's manifest.
type PodNetwork struct {
	Kind     string `json:"kind,omitempty"`     // flannel, none or manifest; none by default
	Manifest string `json:"manifest,omitempty"` // path of the YAML, of kind manifest
}

// EndpointKind is the kind of Endpoint.
const EndpointKind = "Endpoint"

// Endpoint is how the API servers are reached beyond the address in
// controlPlaneEndpoint. It is also kept in the ConfigMap clusteradm-config.
type Endpoint struct {
	metav1.TypeMeta  `json:",inline"`
	NodeLoadBalancer *NodeLoadBalancer `json:"nodeLoadBalancer,omitempty"`
	VirtualIP        *VirtualIP        `json:"virtualIP,omitempty"`
}

// NodeLoadBalancer is a load balancer on every node, for what runs on it.
type NodeLoadBalancer struct {
	Port  int32  `json:"port,omitempty"`  // on the loopback address
	Image string `json:"image,omitempty"` // of haproxy
}

// VirtualIP is an address that one healthy control plane has at a time.
type VirtualIP struct {
	Address   string `json:"address"`
	Interface string `json:"interface,omitempty"` // the one of the node's address by default
	RouterID  int32  `json:"routerID,omitempty"`  // VRRP's, 1 to 255; the last byte of the address by default
	Image     string `json:"image"`               // of keepalived
}
