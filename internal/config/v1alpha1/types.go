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
