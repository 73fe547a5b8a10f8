//go:build e2e

package scenarios

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// The load balancer on every node. The cluster's endpoint is a name for its
// control planes, as a site's DNS would have it; whoever is on a node uses the
// balancer. Of the machine that is gone for good only the Node is deleted: the
// member of etcd is removed by the join of the new machine.
func TestHALoadBalancer(t *testing.T) {
	budget(t, 8*time.Minute)
	ctx, p := t.Context(), newProof(t, "ha-load-balancer")
	if p == nil {
		return
	}
	h := newHighly(t, p, "halb")
	h.c.Endpoint = clusters.EndpointName + ":6443"
	for _, n := range h.c.Lab.Nodes() {
		must(t, h.resolve(n))
	}
	h.build(endpointDocument("nodeLoadBalancer: {image: '%s'}", h.c.Versions.HAProxyImage()))
	w1 := h.c.Lab.Node("w1")
	kubelet := do(t)(clusters.Must(ctx, w1, "grep", "server:", "/etc/kubernetes/kubelet.conf"))
	if !strings.Contains(kubelet, "https://127.0.0.1:7443") {
		t.Errorf("the kubelet of w1 does not use the balancer: %s", kubelet)
	}
	h.use("127.0.0.1:7443", w1.Dial)
	h.trouble(func(victim *nodes.Node) {
		// What the join's own diagnosis asks for while the Node counts as Ready.
		do(t)(h.c.From(h.survivor(victim)).Kubectl(ctx, "delete", "node", victim.Name()))
	})
	h.judge()
}

// The virtual IP is the cluster's endpoint. The member of the machine that is
// gone for good is removed by clusteradm before another of its name joins.
func TestHAVirtualIP(t *testing.T) {
	budget(t, 8*time.Minute)
	ctx, p := t.Context(), newProof(t, "ha-virtual-ip")
	if p == nil {
		return
	}
	h := newHighly(t, p, "havip")
	address := strings.TrimSuffix(h.c.Lab.Subnet(), "0/24") + "200"
	h.c.Endpoint = address + ":6443"
	h.victim = func(ctx context.Context, _ *nodes.Node) (string, error) { return h.holder(ctx, address) }
	h.build(endpointDocument("virtualIP: {address: %s, image: '%s'}", address, h.c.Versions.KeepalivedImage()))
	h.use(h.c.Endpoint, h.c.Lab.Node("w1").Dial)
	h.trouble(func(victim *nodes.Node) {
		survivor := h.survivor(victim)
		do(t)(clusters.Must(ctx, survivor, clusters.Binary, "etcd", "member", "remove", victim.Name()))
		do(t)(h.c.From(survivor).Kubectl(ctx, "delete", "node", victim.Name()))
	})
	h.judge()
}

// endpointDocument is clusteradm's own document about the endpoint.
func endpointDocument(format string, args ...any) string {
	return "apiVersion: clusteradm.io/v1alpha1\nkind: Endpoint\n" + fmt.Sprintf(format, args...) + "\n"
}

// holder is the control plane that has the virtual IP.
func (h *highly) holder(ctx context.Context, address string) (string, error) {
	for _, name := range h.controlPlanes {
		out, err := clusters.Must(ctx, h.c.Lab.Node(name), "ip", "-o", "-4", "addr", "show")
		if err != nil {
			return "", err
		}
		if strings.Contains(out, " "+address+"/") {
			return name, nil
		}
	}
	return "", fmt.Errorf("find who has %s: no control plane", address)
}
