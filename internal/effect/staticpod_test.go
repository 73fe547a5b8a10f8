package effect_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
)

const component, servedAt = "kube-scheduler", "127.0.0.1:10259"

// scheduler is the effect of a pod that reads path at its start.
func scheduler(sum string, serving ...effect.Serving) effect.StaticPod {
	return effect.StaticPod{Host: "n1", Name: component, Inputs: []effect.Input{{Path: path, Sum: sum}}, Serving: serving}
}

// container is one of the pod, made so long after the input was last changed.
func container(t *testing.T, w *world, id string, running bool, after time.Duration) cri.Container {
	info, err := w.Machine.Stat(t.Context(), path)
	must(t, err)
	return cri.Container{ID: id, Name: component, Pod: component + "-n1", Namespace: "kube-system", Running: running, Created: info.Changed.Add(after)}
}

// pod is a machine whose kubelet starts a container of the pod anew when one
// ended, and at its own start; from then on it serves what is in path.
func pod(running bool, after time.Duration) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		w.Machine.Put(path, "input "+canary, 0o600)
		w.Containers.AddContainer(container(t, w, "first", running, after))
		next := func() {
			w.Containers.AddContainer(container(t, w, "next", true, time.Hour))
			w.Serves = map[string]string{servedAt: conf + "/cert"}
		}
		w.Containers.Restarted = func(cri.Container) { next() }
		w.Machine.AddUnit(hosttest.Unit{Name: "kubelet.service", Enabled: true, Active: true,
			OnStart: func(*hosttest.Machine) error { next(); return nil }})
	}
}

// certificates puts one on the disk; the process serves it, or another one.
func certificates(same bool) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		w.Machine.Put(conf+"/cert", aCertificate, 0o644)
		w.Machine.Put(conf+"/old", otherCertificate, 0o644)
		w.Serves = map[string]string{servedAt: conf + "/old"}
		if same {
			w.Serves[servedAt] = conf + "/cert"
		}
	}
}

var aCertificate, otherCertificate = selfSigned(), selfSigned()

func selfSigned() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func staticPodRows() map[string]row {
	serving := effect.Serving{Path: conf + "/cert", Addr: servedAt}
	return map[string]row{
		"static pod, there":                {effect: scheduler(""), before: pod(true, time.Second), so: true},
		"static pod, input changed":        {effect: scheduler(""), before: pod(true, -time.Second)},
		"static pod, not running":          {effect: scheduler(""), before: pod(false, time.Second)},
		"static pod, serves what it is to": {effect: scheduler("", serving), before: both(pod(true, time.Second), certificates(true)), so: true},
		"static pod, serves another":       {effect: scheduler("", serving), before: both(pod(true, time.Second), certificates(false))},
	}
}

// A restart that a later step of the same plan makes due is told before.
func TestStaticPodTellsWhatIsToChange(t *testing.T) {
	w := newWorld(t)
	pod(true, time.Second)(t, w)
	if change := look(t, w, scheduler(secret.NewBytes([]byte("input "+canary)).Digest())); !change.Empty() {
		t.Errorf("the input is what it is to be, and there is %+v", change)
	}
	change := look(t, w, scheduler(secret.NewBytes([]byte("new")).Digest()))
	if change.Verb != plan.Restart || !strings.Contains(change.Summary, path+" is to be changed") {
		t.Errorf("got %+v", change)
	}
}

// Containers of other pods and of earlier runs are not the pod's.
func TestStaticPodKnowsItsContainer(t *testing.T) {
	w := newWorld(t)
	pod(false, time.Second)(t, w)
	for i, change := range []func(*cri.Container){
		func(c *cri.Container) { c.Namespace = "default" },
		func(c *cri.Container) { c.Name = "other" },
		func(c *cri.Container) { c.Pod = component },
	} {
		c := container(t, w, string(rune('a'+i)), true, time.Second)
		change(&c)
		w.Containers.AddContainer(c)
	}
	if change := look(t, w, scheduler("")); change.Verb != plan.Start {
		t.Errorf("another pod's container passes for it: %+v", change)
	}
	w.Containers.AddContainer(container(t, w, "old", true, -time.Minute))
	w.Containers.AddContainer(container(t, w, "new", true, time.Minute))
	if change := look(t, w, scheduler("")); !change.Empty() {
		t.Errorf("the newest is not taken: %+v", change)
	}
}

func TestStaticPodWithoutARuntime(t *testing.T) {
	w := newWorld(t)
	w.Containers.Down()
	if _, err := scheduler("").Observe(t.Context(), w); err == nil || !strings.Contains(err.Error(), "static pod kube-scheduler") {
		t.Errorf("got %v", err)
	}
}

func TestWrote(t *testing.T) {
	w := newWorld(t)
	f := file(0o600)
	observed, err := f.Observe(t.Context(), w)
	must(t, err)
	undo, err := f.Undo(observed)
	must(t, err)
	if at, sum, ok := effect.Wrote(undo); !ok || at != path || sum != f.Content.Digest() {
		t.Errorf("got %s, %s, %t", at, sum, ok)
	}
	for _, u := range []plan.Undo{{Kind: "dir", Key: path}, {Kind: "file", Data: []byte("{")}, {Kind: "file", Data: []byte("{}")}} {
		if _, _, ok := effect.Wrote(u); ok {
			t.Errorf("%+v wrote a file", u)
		}
	}
}
