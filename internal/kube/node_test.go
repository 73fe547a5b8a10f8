package kube_test

import (
	"slices"
	"testing"

	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
)

func TestNodeAddresses(t *testing.T) {
	for status, want := range map[string][]kube.NodeAddress{
		"{}": nil,
		"{addresses: [{type: InternalIP, address: 192.0.2.10}, {type: Hostname, address: cp1}]}": {{"InternalIP", "192.0.2.10"}, {"Hostname", "cp1"}},
		"{addresses: [7, {type: 3}, {address: x}]}":                                              {{"", "x"}},
	} {
		node := kubetest.Object(t, "apiVersion: v1\nkind: Node\nmetadata: {name: n}\nstatus: "+status+"\n")
		if got := kube.NodeAddresses(node); !slices.Equal(got, want) {
			t.Errorf("%s: %v", status, got)
		}
	}
}
