package effect_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/etcd/etcdtest"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// three is an etcd of three voters, the first of which leads.
func three(change func(*etcdtest.Etcd)) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) {
		w.EtcdCluster = etcdtest.New(etcdtest.Members()[:3]...)
		if change != nil {
			change(w.EtcdCluster)
		}
	}
}

var noSpace = etcd.Alarm{Member: 2, Kind: etcd.NoSpace}

// keepRows are the effects that keep an etcd: see phases/etcd.go.
func keepRows() map[string]row {
	m2 := etcdtest.Members()[1]
	m2.ClientURLs = nil
	defrag := effect.EtcdDefragmented{Host: "n1", Member: m2, Was: 40 << 20, Spare: 16 << 20}
	grown := func(size, inUse int64) func(*testing.T, *world) {
		return three(func(e *etcdtest.Etcd) { e.Grow(2, size<<20, inUse<<20) })
	}
	alarm := effect.EtcdAlarm{Host: "n1", Alarm: noSpace, Name: "m2"}
	aside := effect.Aside{Host: "n1", Path: path, To: path + ".kept"}
	kept := func(_ *testing.T, w *world) { w.Machine.Put(path+".kept", "older", 0o600) }
	pod := effect.PodGone{Host: "n1", Name: "etcd"}
	return map[string]row{
		"etcd leader, not the one that leads": {effect: effect.EtcdLeader{Host: "n1", Not: 1}, before: three(nil)},
		"etcd leader, another leads":          {effect: effect.EtcdLeader{Host: "n1", Not: 2}, before: three(nil), so: true},
		"etcd leader, a certain one":          {effect: effect.EtcdLeader{Host: "n1", To: 3}, before: three(nil)},
		"etcd leader, it leads":               {effect: effect.EtcdLeader{Host: "n1", To: 1}, before: three(nil), so: true},
		"etcd leader, one is dead":            {effect: effect.EtcdLeader{Host: "n1", Not: 1}, before: three(func(e *etcdtest.Etcd) { e.Fail(2) })},

		"etcd database, much without use":    {effect: defrag, before: grown(40, 2)},
		"etcd database, little without use":  {effect: defrag, before: grown(40, 30), so: true},
		"etcd database, smaller than it was": {effect: defrag, before: grown(39, 2), so: true},

		"etcd alarm, raised":       {effect: alarm, before: three(func(e *etcdtest.Etcd) { e.Raise(noSpace) })},
		"etcd alarm, another kind": {effect: alarm, before: three(func(e *etcdtest.Etcd) { e.Raise(etcd.Alarm{Member: 2, Kind: etcd.Corrupt}) }), so: true},

		"aside, nothing there":    {effect: aside, so: true},
		"aside, file":             {effect: aside, before: put(canary, 0o600)},
		"aside, directory":        {effect: aside, before: mkdir(path, host.Attr{Mode: 0o700})},
		"aside, kept already":     {effect: aside, before: kept, so: true},
		"aside, something is new": {effect: aside, before: both(put(canary, 0o600), kept), so: true},

		"pod gone, none": {effect: pod, so: true},
		"pod gone, of others": {effect: pod, so: true, before: func(_ *testing.T, w *world) {
			pods(w, "default", "etcd-cp1", "etcd", true)
			pods(w, "kube-system", "etcd-backup-1", "backup", true)
		}},
		"pod gone, it runs": {effect: pod, before: both(unit(true, true), func(_ *testing.T, w *world) { pods(w, "kube-system", "etcd-cp1", "etcd", true) })},
		"pod gone, its container is yet to be made": {effect: pod, before: both(unit(true, true), func(_ *testing.T, w *world) {
			w.Containers.AddSandbox(cri.Sandbox{ID: "1", Namespace: "kube-system", Name: "etcd-cp1", UID: "0123456789abcdef0123456789abcdef", Ready: true})
		})},
		"pod gone, that of a job is yet to be filled": {effect: pod, so: true, before: func(_ *testing.T, w *world) {
			w.Containers.AddSandbox(cri.Sandbox{ID: "1", Namespace: "kube-system", Name: "etcd-backup-1", UID: "c1b3f5a0-7d5e-4f39-9a3c-0d6f6f1f2a11", Ready: true})
		}},
		"pod gone, it has ended": {effect: pod, before: func(_ *testing.T, w *world) { pods(w, "kube-system", "etcd-cp1", "etcd", false) }},
	}
}

// A kubelet that has ended the pod knows that it is gone and runs on; another is
// stopped, or it would start the pod again.
func TestPodGoneStopsTheKubeletOnlyWhereItMust(t *testing.T) {
	for alive, want := range map[bool]string{true: "inactive", false: "active"} {
		w := newWorld(t)
		unit(true, true)(t, w)
		pods(w, "kube-system", "etcd-cp1", "etcd", alive)
		if done, err := effect.PodEnded(t.Context(), w, "n1", "etcd"); err != nil || done == alive {
			t.Errorf("alive %t: ended %t, %v", alive, done, err)
		}
		converge(t, w, effect.PodGone{Host: "n1", Name: "etcd"})
		res, err := w.Machine.Query(t.Context(), host.Cmd{Args: []string{"systemctl", "is-active", "kubelet.service"}})
		if state := strings.TrimSpace(string(res.Stdout)); state != want {
			t.Errorf("alive %t: the kubelet is %s, want %s (%v)", alive, state, want, err)
		}
	}
}

func pods(w *world, namespace, name, container string, running bool) {
	id := namespace + "-" + name
	w.Containers.AddSandbox(cri.Sandbox{ID: id, Namespace: namespace, Name: name, Ready: running})
	w.Containers.AddContainer(cri.Container{ID: "c-" + id, SandboxID: id, Namespace: namespace, Pod: name, Name: container, Running: running})
}

// The answer to a hand-over was lost, and it was done: to ask again is refused,
// since the member does not lead any more.
func TestALostAnswerOfAHandOverIsNoFailure(t *testing.T) {
	for _, e := range []effect.EtcdLeader{{Host: "n1", Not: 1}, {Host: "n1", To: 3}} {
		w := newWorld(t)
		three(func(c *etcdtest.Etcd) { c.LoseAnswer(errors.New("connection reset")) })(t, w)
		converge(t, w, e)
		if left := look(t, w, e); !left.Empty() {
			t.Errorf("%+v: there is still %+v", e, left)
		}
	}
}

func TestLeaderThatNobodyCanSucceed(t *testing.T) {
	for name, c := range map[string]struct {
		effect effect.EtcdLeader
		before func(*etcdtest.Etcd)
	}{
		"a learner":      {effect.EtcdLeader{Host: "n1", To: 4}, func(e *etcdtest.Etcd) { e.Add(etcdtest.Members()[3]) }},
		"a dead one":     {effect.EtcdLeader{Host: "n1", To: 3}, func(e *etcdtest.Etcd) { e.Fail(3) }},
		"a corrupt one":  {effect.EtcdLeader{Host: "n1", Not: 1}, func(e *etcdtest.Etcd) { e.Fail(2); e.Raise(etcd.Alarm{Member: 3, Kind: etcd.Corrupt}) }},
		"without quorum": {effect.EtcdLeader{Host: "n1", To: 3}, func(e *etcdtest.Etcd) { e.Fail(1); e.Fail(2) }},
	} {
		w := newWorld(t)
		three(c.before)(t, w)
		observed, err := c.effect.Observe(t.Context(), w)
		must(t, err)
		if change := c.effect.Diff(observed); change.Verb != plan.Unknown || change.Summary == "" {
			t.Errorf("%s: %+v", name, change)
		}
		before := w.snapshot()
		if err := c.effect.Apply(t.Context(), w, observed); err == nil || w.snapshot() != before {
			t.Errorf("%s: applied, %v", name, err)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 1023: "1023", 1536: "1.5Ki", 20 << 20: "20.0Mi", 3 << 29: "1.5Gi"} {
		if got := effect.Bytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
