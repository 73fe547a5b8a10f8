package effect_test

import (
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// run has an administrator run a command.
func run(args ...string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		_, err := w.Machine.Run(t.Context(), host.Cmd{Args: args})
		must(t, err)
	}
}

// there puts a swap file where /proc/swaps says that there is one.
func there(_ *testing.T, w *world) { w.Machine.Put("/swap.img", hosttest.SwapSpace(), 0o600) }

// reused has something else in its place.
func reused(_ *testing.T, w *world) {
	w.Machine.Put("/swap.img", strings.Repeat("\x00", 1<<16), 0o600)
}

func kernelModule(i int, gone bool) effect.Module {
	return effect.Module{Host: "n1", Module: cluster.KernelModules()[i], Gone: gone}
}

func kernelRows() map[string]row {
	forward := effect.Sysctl{Host: "n1", Name: "net.ipv4.ip_forward", Value: "1"}
	off := effect.Swap{Host: "n1", Device: "/swap.img"}
	on := effect.Swap{Host: "n1", Device: "/swap.img", On: true, Priority: 3}
	return map[string]row{
		"sysctl, other value":         {effect: forward},
		"sysctl, there":               {effect: forward, before: run("sysctl", "-w", "net.ipv4.ip_forward=1"), so: true},
		"module, absent":              {effect: kernelModule(1, false)},
		"module, loaded":              {effect: kernelModule(1, false), before: run("modprobe", "br_netfilter"), so: true},
		"module, a filesystem":        {effect: kernelModule(0, false)},
		"module, built in":            {effect: kernelModule(1, false), so: true, before: builtIn},
		"no module, absent":           {effect: kernelModule(1, true), so: true},
		"no module, loaded":           {effect: kernelModule(0, true), before: run("modprobe", "overlay")},
		"no module, in use":           {effect: kernelModule(0, true), so: true, before: both(run("modprobe", "overlay"), inUse)},
		"no module, built in":         {effect: kernelModule(1, true), so: true, before: builtIn},
		"no swap, on":                 {effect: off, before: there},
		"no swap, off":                {effect: off, before: both(there, run("swapoff", "-a")), so: true},
		"swap, on":                    {effect: on, so: true},
		"swap, off":                   {effect: on, before: both(there, run("swapoff", "-a"))},
		"swap, off and used again":    {effect: on, before: both(reused, run("swapoff", "-a")), so: true},
		"swap, off and gone for ever": {effect: on, before: run("swapoff", "-a"), so: true},
	}
}

func builtIn(_ *testing.T, w *world) {
	w.Machine.Put("/proc/sys/net/bridge/bridge-nf-call-iptables", "1\n", 0o644)
}

func inUse(_ *testing.T, w *world) { w.Machine.Put("/sys/module/overlay/refcnt", "4\n", 0o444) }

// The sysctls of br_netfilter come with it: until it is loaded nobody can say.
func TestASysctlOfAModuleIsUnknownUntilItIsLoaded(t *testing.T) {
	w := newWorld(t)
	bridge := effect.Sysctl{Host: "n1", Name: "net.bridge.bridge-nf-call-iptables", Value: "1"}
	if change := look(t, w, bridge); change.Verb != plan.Unknown {
		t.Errorf("without the module: %+v", change)
	}
	converge(t, w, kernelModule(1, false))
	if change := look(t, w, bridge); !change.Empty() {
		t.Errorf("with it: %+v", change)
	}
}
