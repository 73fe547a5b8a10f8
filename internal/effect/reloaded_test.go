package effect_test

import (
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// haproxy runs with loaded and has wanted on its disk.
func haproxy(loaded, wanted string) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) {
		w.Machine.AddUnit(hosttest.Unit{Name: "kubelet.service", Enabled: true, Active: true})
		w.Machine.Put(cluster.ManifestsDir+"/clusteradm-haproxy.yaml", "kind: Pod\n", 0o600)
		w.Machine.Put(cluster.HAProxyConfig, wanted, 0o644)
		w.Loaded = []byte(loaded)
	}
}

const (
	oldConfig = "{ path /healthz } { path /config/old }"
	newConfig = "{ path /healthz } { path /config/new }"
)

func reloadedEffect() effect.Reloaded {
	return effect.Reloaded{Host: "n1", Name: "haproxy", Alive: "http://127.0.0.1:7443/healthz", Running: "http://127.0.0.1:7443/config/new",
		Socket: "/run/clusteradm/haproxy/master.sock", Command: "reload"}
}

func reloadedRows() map[string]row {
	return map[string]row{
		"reloaded, runs with another configuration": {effect: reloadedEffect(), before: haproxy(oldConfig, newConfig)},
		"reloaded, runs with it":                    {effect: reloadedEffect(), before: haproxy(newConfig, newConfig), so: true},
	}
}

// One that does not run yet reads its configuration when it starts: that is
// waited for, and nothing told.
func TestReloadedWaitsForAProgram(t *testing.T) {
	w := newWorld(t)
	observed, err := reloadedEffect().Observe(t.Context(), w)
	must(t, err)
	if c := reloadedEffect().Diff(observed); c.Verb != plan.Unknown {
		t.Errorf("of a program that does not run: %+v", c)
	}
	if err := reloadedEffect().Apply(t.Context(), w, observed); err == nil {
		t.Error("it was told to reload")
	}
}
