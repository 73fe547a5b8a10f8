package controlplane

import (
	"net/netip"
	"slices"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
)

func TestAPIServers(t *testing.T) {
	store := kubetest.New()
	if _, err := APIServers(t.Context(), store); !apierrors.IsNotFound(err) {
		t.Errorf("of no cluster: %v", err)
	}
	for name, c := range map[string]struct {
		slice string
		want  []netip.AddrPort
	}{
		"one": {"endpoints: [{addresses: [192.0.2.10]}]\nports: [{name: https, port: 6443}]\n", []netip.AddrPort{netip.MustParseAddrPort("192.0.2.10:6443")}},
		"in order": {"endpoints: [{addresses: ['192.0.2.11']}, {addresses: ['192.0.2.10']}]\nports: [{port: 6443}]\n",
			[]netip.AddrPort{netip.MustParseAddrPort("192.0.2.10:6443"), netip.MustParseAddrPort("192.0.2.11:6443")}},
		// An empty list would be taken for a cluster without API servers.
		"none":     {"endpoints: []\nports: [{port: 6443}]\n", nil},
		"no ports": {"endpoints: [{addresses: [192.0.2.10]}]\n", nil},
		"garbage":  {"endpoints: [1, {addresses: [x, 2]}]\nports: [{port: 70000}, 3]\n", nil},
	} {
		store.Put(kubetest.Object(t, "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: kubernetes, namespace: default}\naddressType: IPv4\n"+c.slice))
		got, err := APIServers(t.Context(), store)
		if !slices.Equal(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
