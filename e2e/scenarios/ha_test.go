//go:build e2e

package scenarios

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// highly is a cluster of three control planes and two workers, used all the
// time while its control planes are taken away one after another.
type highly struct {
	t             *testing.T
	c             *clusters.Cluster
	p             *proof
	tool          string
	controlPlanes []string
	load          *clusters.Load
	// victim says whom to take away: who hurts most.
	victim func(ctx context.Context, from *nodes.Node) (string, error)
}

// build makes the cluster; documents are clusteradm's own for init.
func (h *highly) build(documents string) {
	t, c := h.t, h.c
	started := time.Now()
	do(t)(c.InitFirst(t.Context(), h.tool, documents))
	for _, name := range h.controlPlanes[1:] {
		do(t)(c.JoinControlPlane(t.Context(), h.tool, c.Lab.Node(name)))
	}
	for _, name := range []string{"w1", "w2"} {
		do(t)(c.Join(t.Context(), c.Lab.Node(name)))
	}
	h.whole()
	h.p.add("three control planes and two workers, all Ready, in %s", time.Since(started).Round(time.Second))
}

// whole waits for the three control planes and two workers, nobody else.
func (h *highly) whole() {
	h.t.Helper()
	must(h.t, h.c.WaitControlPlanes(h.t.Context(), 4*time.Minute, h.controlPlanes...))
	must(h.t, h.c.From(h.c.Lab.Node(h.controlPlanes[0])).WaitReady(h.t.Context(), 4*time.Minute, "w1", "w2"))
}

// use starts writers and readers that reach the API server at an address, from
// the network of w1.
func (h *highly) use(address string, dial clusters.Dial) {
	admin, err := clusters.OpenAPI(h.t.Context(), h.c.ControlPlane())
	must(h.t, err)
	h.load, err = clusters.StartLoad(h.t.Context(), func() *clusters.API { return admin.At(address, dial, clusters.LoadTimeout) })
	must(h.t, err)
	h.t.Cleanup(h.load.Stop)
	h.p.add("writers and readers use %s from w1", address)
	must(h.t, h.load.Steady(h.t.Context(), time.Now(), time.Minute))
}

// survivor is a control plane that is not the victim.
func (h *highly) survivor(victim *nodes.Node) *nodes.Node {
	i := slices.IndexFunc(h.controlPlanes, func(name string) bool { return name != victim.Name() })
	return h.c.Lab.Node(h.controlPlanes[i])
}

// suffer takes a control plane away and waits until everybody is served again
// and, if it stays away, the cluster has noticed.
func (h *highly) suffer(what string, stays bool, fault func(victim *nodes.Node) error) *nodes.Node {
	h.t.Helper()
	ctx := h.t.Context()
	name, err := h.victim(ctx, h.c.Lab.Node(h.controlPlanes[0]))
	must(h.t, err)
	victim := h.c.Lab.Node(name)
	leader, err := clusters.Leader(ctx, victim)
	must(h.t, err)
	from := time.Now()
	must(h.t, fault(victim))
	must(h.t, h.load.Steady(ctx, time.Now(), 2*time.Minute))
	if stays {
		must(h.t, clusters.Eventually(ctx, 2*time.Minute, "the API servers' addresses without "+name, func() error {
			out, err := h.c.From(h.survivor(victim)).Kubectl(ctx, "get", "endpointslice", "kubernetes", "-o", "jsonpath={.endpoints[*].addresses[*]}")
			if err == nil && slices.Contains(strings.Fields(out), victim.Address()) {
				err = fmt.Errorf("they are %s", out)
			}
			return err
		}))
		must(h.t, h.load.Steady(ctx, time.Now(), 2*time.Minute))
	}
	role := "not etcd's leader"
	if leader == name {
		role = "etcd's leader"
	}
	h.p.add("%s %s, %s: %s", name, what, role, h.load.Outage(from))
	return victim
}

// back brings a control plane back and waits until all is whole.
func (h *highly) back(what string, restore func() error) {
	h.t.Helper()
	from := time.Now()
	must(h.t, restore())
	h.whole()
	must(h.t, h.load.Steady(h.t.Context(), time.Now(), 2*time.Minute))
	h.p.add("%s, all whole again after %s: %s", what, time.Since(from).Round(time.Second), h.load.Outage(from))
}

// trouble is what a machine can suffer: cut off, rebooted, killed and replaced.
// remove is what an administrator does about a machine that is gone.
func (h *highly) trouble(remove func(victim *nodes.Node)) {
	ctx := h.t.Context()
	cut := h.suffer("cut off", true, func(n *nodes.Node) error { return n.Partition(ctx) })
	h.back(cut.Name()+" reachable again", func() error { return cut.Heal(ctx) })

	h.suffer("rebooted", false, func(n *nodes.Node) error { return n.Reboot(ctx) })
	h.back("after the reboot", func() error { return nil })

	gone := h.suffer("killed", true, func(n *nodes.Node) error { return n.Kill(ctx) })
	h.back("a machine with an empty disk joined as "+gone.Name(), func() error {
		remove(gone)
		if err := gone.Renew(ctx); err != nil {
			return err
		}
		if err := gone.CopyFile(ctx, binary, clusters.Binary); err != nil {
			return err
		}
		if err := h.resolve(gone); err != nil {
			return err
		}
		_, err := h.c.JoinControlPlane(ctx, h.tool, gone)
		return err
	})
}

// resolve has a node know the cluster's name, if it has one.
func (h *highly) resolve(n *nodes.Node) error {
	if !strings.HasPrefix(h.c.Endpoint, clusters.EndpointName) {
		return nil
	}
	return h.c.Resolve(h.t.Context(), n, h.controlPlanes...)
}

// judge ends the load and compares what was acknowledged with what is there.
func (h *highly) judge() {
	h.t.Helper()
	h.load.Stop()
	admin, err := clusters.OpenAPI(h.t.Context(), h.c.ControlPlane())
	must(h.t, err)
	h.p.add("%s", do(h.t)(h.load.Judge(h.t.Context(), admin.At(h.c.ControlPlane().Address()+":6443", h.c.Lab.Node("w1").Dial, 30*time.Second))))
}

func newHighly(t *testing.T, p *proof, lab string) *highly {
	h := &highly{t: t, p: p, tool: clusters.Binary, controlPlanes: []string{"cp1", "cp2", "cp3"},
		victim: clusters.Leader, c: up(t, lab, "cp1", "cp2", "cp3", "w1", "w2")}
	return h
}
