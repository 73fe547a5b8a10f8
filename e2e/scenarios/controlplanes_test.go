//go:build e2e

package scenarios

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
)

// severalOf is a lab for several control planes, found at the first.
func severalOf(t *testing.T, lab string, names ...string) *clusters.Cluster {
	c := up(t, lab, names...)
	c.Endpoint = c.ControlPlane().Address() + ":6443"
	return c
}

// Two and three control-plane joins started at one moment all succeed.
func TestConcurrentJoins(t *testing.T) {
	budget(t, 10*time.Minute)
	ctx, p := t.Context(), newProof(t, "concurrent-joins")
	if p == nil {
		return
	}
	for _, names := range together {
		t.Run(fmt.Sprintf("%d-joins", len(names)-1), func(t *testing.T) {
			c := severalOf(t, "together", names...)
			do(t)(c.InitFirst(ctx, clusters.Binary, ""))
			started := time.Now()
			for i, err := range c.JoinTogether(ctx, clusters.Binary, c.Lab.Nodes()[1:]...) {
				if err != nil {
					t.Errorf("join of %s: %v", names[i+1], err)
				}
			}
			took := time.Since(started)
			if t.Failed() {
				t.FailNow()
			}
			must(t, c.WaitControlPlanes(ctx, 4*time.Minute, names...))
			p.add("%d joins started at one moment: all done after %s, etcd has exactly %s as healthy voters, every API server is ready",
				len(names)-1, took.Round(100*time.Millisecond), strings.Join(names, ", "))
		})
	}
}

// kubeadm joins a control plane to a cluster of clusteradm's, and clusteradm
// one to a cluster of kubeadm's.
func TestKubeadmHA(t *testing.T) {
	budget(t, 8*time.Minute)
	ctx, p := t.Context(), newProof(t, "kubeadm-ha")
	if p == nil {
		return
	}
	ours := severalOf(t, "kubeadmha", "a1", "a2", "b1", "b2")
	do(t)(ours.InitFirst(ctx, clusters.Binary, ""))
	do(t)(ours.JoinControlPlane(ctx, clusters.Kubeadm, ours.Lab.Node("a2")))
	must(t, ours.WaitControlPlanes(ctx, 4*time.Minute, "a1", "a2"))
	p.add("the real kubeadm joined a control plane to a cluster of clusteradm's, with the certificates that clusteradm had uploaded")

	theirs := ours.Another(ours.Lab.Node("b1"))
	theirs.Endpoint = theirs.ControlPlane().Address() + ":6443"
	must(t, clusters.Bridge(ctx, theirs.Lab.Node("b1"), theirs.Lab.Node("b2")))
	do(t)(theirs.InitFirst(ctx, clusters.Kubeadm, ""))
	do(t)(theirs.JoinControlPlane(ctx, clusters.Binary, theirs.Lab.Node("b2")))
	must(t, theirs.WaitControlPlanes(ctx, 4*time.Minute, "b1", "b2"))
	expiry := do(t)(clusters.Must(ctx, theirs.Lab.Node("b2"), "kubeadm", "certs", "check-expiration"))
	// super-admin.conf is on the first control plane only, kubeadm's way too.
	if strings.Count(expiry, "MISSING") != strings.Count(expiry, "!MISSING! super-admin.conf") || strings.Contains(expiry, "invalid") {
		t.Errorf("kubeadm certs check-expiration on b2:\n%s", expiry)
	}
	p.add("clusteradm joined a control plane to a cluster of kubeadm's, with the certificates that kubeadm had uploaded; kubeadm certs check-expiration finds all that a joined control plane has")
}

// A control-plane join killed anywhere and run again gives a healthy cluster
// with exactly the members it should have. The cluster has one control plane
// before, so that a member that counts before it runs would stop everything.
func TestControlPlaneJoinKilled(t *testing.T) {
	budget(t, time.Duration(2*kills+6)*time.Minute)
	ctx, p := t.Context(), newProof(t, "controlplane-join-killed")
	if p == nil {
		return
	}
	s := seed(t)
	r := rand.New(rand.NewPCG(s, 4))
	p.add("seed %d (SEED=%d repeats it)", s, s)
	c := severalOf(t, "killcp", "cp1", "cp2")
	cp2 := c.Lab.Node("cp2")
	do(t)(c.InitFirst(ctx, clusters.Binary, ""))

	must(t, c.WriteControlPlaneConfig(ctx, cp2, "/root/join.yaml"))
	started := time.Now()
	out := do(t)(clusters.Must(ctx, cp2, clusters.Binary, "join", "--config", "/root/join.yaml", "-o", "json"))
	whole := time.Since(started)
	phases := phasesOf(out)
	p.add("uninterrupted: %s, phases %s", whole.Round(10*time.Millisecond), strings.Join(phases, " "))
	must(t, c.WaitControlPlanes(ctx, 2*time.Minute, "cp1", "cp2"))

	moments := spread(kills, whole, r)
	if soak {
		for _, phase := range phases {
			moments = append(moments, kill{phase: phase})
		}
	}
	hit := map[string]bool{}
	for _, k := range moments {
		t.Run(strings.ReplaceAll(k.String(), " ", "-"), func(t *testing.T) {
			var phase string
			// A run that was faster than the measured one is no kill: earlier, then.
			for alive := false; !alive; {
				must(t, c.Leave(ctx, cp2))
				must(t, cp2.CopyFile(ctx, binary, clusters.Binary))
				must(t, c.WriteControlPlaneConfig(ctx, cp2, "/root/join.yaml"))
				var err error
				phase, alive, err = killed(ctx, cp2, k, clusters.Binary, "join", "--config", "/root/join.yaml")
				must(t, err)
				if !alive {
					k.after = k.after * 9 / 10
				}
			}
			hit[phase], hit[k.phase] = true, true
			started := time.Now()
			do(t)(clusters.Must(ctx, cp2, clusters.Binary, "join", "--config", "/root/join.yaml"))
			again := time.Since(started)
			must(t, c.WaitControlPlanes(ctx, 2*time.Minute, "cp1", "cp2"))
			p.add("killed %s, alive until then, in phase %q; again: %s, and etcd has exactly cp1 and cp2 as healthy voters", k, phase, again.Round(10*time.Millisecond))
		})
	}
	if soak {
		for _, phase := range phases {
			if !hit[phase] {
				t.Errorf("no kill hit phase %s", phase)
			}
		}
	}
}

// phasesOf are the phases that a run told of, in their order.
func phasesOf(events string) []string {
	var phases []string
	for line := range strings.Lines(events) {
		var e struct{ Kind, Phase string }
		if json.Unmarshal([]byte(line), &e) == nil && e.Kind == "phase-started" {
			phases = append(phases, e.Phase)
		}
	}
	return phases
}
