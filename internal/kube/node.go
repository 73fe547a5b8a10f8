package kube

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// NodeAddress is one at which a Node says that its machine is.
type NodeAddress struct{ Type, Address string }

// NodeAddresses are all of a Node.
func NodeAddresses(node *unstructured.Unstructured) []NodeAddress {
	list, _, _ := unstructured.NestedSlice(node.Object, "status", "addresses")
	var found []NodeAddress
	for _, entry := range list {
		a, _ := entry.(map[string]any)
		kind, _ := a["type"].(string)
		if text, ok := a["address"].(string); ok {
			found = append(found, NodeAddress{kind, text})
		}
	}
	return found
}
