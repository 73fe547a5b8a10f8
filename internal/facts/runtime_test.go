package facts_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/cri/critest"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
)

const containerd = "/var/run/containerd/containerd.sock"

// unready has all that a runtime may say.
func unready() *critest.Runtime {
	r := critest.New()
	r.About = cri.Info{Name: "cri-o", Version: "1.36.1", APIVersion: "v1", NotReady: "no storage", NetworkReady: true, CgroupDriver: "cgroupfs", SandboxImage: "r/pause:1"}
	return r
}

func TestRuntime(t *testing.T) {
	m := hosttest.New("n1", hosttest.Options{})
	m.Put(containerd, "", 0o660)
	m.Put("/var/run/cri-dockerd.sock", "", 0o660)
	socket := "unix://" + containerd
	found := []string{containerd, "/var/run/cri-dockerd.sock"}
	down := critest.New()
	down.Down()
	for name, c := range map[string]struct {
		runtime cri.Reader
		want    cluster.RuntimeFacts
	}{
		"answers": {unready(), cluster.RuntimeFacts{Socket: socket, Sockets: found, Answers: true, Name: "cri-o", Version: "1.36.1",
			APIVersion: "v1", NotReady: "no storage", NetworkReady: true, CgroupDriver: "cgroupfs", SandboxImage: "r/pause:1"}},
		"does not":       {down, cluster.RuntimeFacts{Socket: socket, Sockets: found, Error: cri.ErrUnavailable.Error()}},
		"does, and says": {hinting{down}, cluster.RuntimeFacts{Socket: socket, Sockets: found, Error: "gone", Hint: "systemctl status containerd"}},
	} {
		got, err := facts.Runtime(t.Context(), m, c.runtime, socket)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v\nwant %+v", name, got, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := facts.Runtime(ctx, m, unready(), socket); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Every fact about a runtime is read: a field that is forgotten stays empty.
func TestEveryRuntimeFactIsRead(t *testing.T) {
	r := unready()
	r.About.Ready = true
	got, err := facts.Runtime(t.Context(), hosttest.New("n1", hosttest.Options{}), r, "x")
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(got)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && !strings.Contains("Sockets Error Hint", name) {
			t.Errorf("%s is empty", name)
		}
	}
}

type hinting struct{ cri.Reader }

type gone struct{}

func (gone) Error() string { return "gone" }
func (gone) Hint() string  { return "systemctl status containerd" }

func (hinting) Info(context.Context) (cri.Info, error) { return cri.Info{}, gone{} }
