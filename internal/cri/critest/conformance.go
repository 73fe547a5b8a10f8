package critest

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cri"
)

// RunConformance is what every client of a runtime has to do: the fake and the
// real one. Client returns a client of the runtime that it is given.
func RunConformance(t *testing.T, client func(t *testing.T, r *Runtime) cri.Client) {
	created := time.Date(2026, 11, 21, 6, 0, 0, 123, time.UTC)
	filled := func() *Runtime {
		r := New()
		r.AddImage("registry.k8s.io/pause:3.10.2")
		r.Pullable = map[string]bool{"registry.k8s.io/kube-proxy:v1.36.3": true}
		for _, id := range []string{"s2", "s1"} {
			r.AddSandbox(cri.Sandbox{ID: id, Name: "etcd-cp1", Namespace: "kube-system", UID: "u-" + id, Ready: id == "s1", Created: created})
			r.AddContainer(cri.Container{ID: "c-" + id, SandboxID: id, Name: "etcd", Pod: "etcd-cp1", Namespace: "kube-system", Running: id == "s1", Created: created})
		}
		return r
	}
	run := func(name string, test func(t *testing.T, r *Runtime, c cri.Client)) {
		t.Run(name, func(t *testing.T) { r := filled(); test(t, r, client(t, r)) })
	}

	run("info", func(t *testing.T, r *Runtime, c cri.Client) {
		for _, about := range []cri.Info{
			{Name: "containerd", Version: "v2.4.2", APIVersion: "v1", Ready: true, NetworkReady: true, CgroupDriver: "systemd"},
			{Name: "cri-o", Version: "1.36.1", APIVersion: "v1", Ready: true, CgroupDriver: "cgroupfs", SandboxImage: "registry.k8s.io/pause:3.10"},
			{Name: "docker", Version: "29.7.2", APIVersion: "v1", NotReady: "docker: not yet", CgroupDriver: "systemd"},
		} {
			r.About = about
			if got, err := c.Info(t.Context()); err != nil || got != about {
				t.Errorf("%+v, %v; want %+v", got, err, about)
			}
		}
	})
	run("images", func(t *testing.T, _ *Runtime, c cri.Client) {
		const there, absent, none = "registry.k8s.io/pause:3.10.2", "registry.k8s.io/kube-proxy:v1.36.3", "registry.k8s.io/none:v1"
		is(t, c, there, true)
		is(t, c, absent, false)
		if err := c.PullImage(t.Context(), absent); err != nil {
			t.Fatal(err)
		}
		is(t, c, absent, true)
		err := c.PullImage(t.Context(), none)
		if err == nil || errors.Is(err, cri.ErrUnavailable) || !strings.Contains(err.Error(), none) || !strings.Contains(err.Error(), "not found") {
			t.Errorf("pulling what no registry has: %v", err)
		}
		is(t, c, none, false)
	})
	run("pods", func(t *testing.T, r *Runtime, c cri.Client) {
		sandboxes, err := c.Sandboxes(t.Context())
		want, _ := r.Sandboxes(t.Context())
		if err != nil || len(sandboxes) != 2 || !reflect.DeepEqual(sandboxes, want) {
			t.Errorf("sandboxes %+v, %v; want %+v", sandboxes, err, want)
		}
		containers, err := c.Containers(t.Context())
		wanted, _ := r.Containers(t.Context())
		if err != nil || len(containers) != 2 || !reflect.DeepEqual(containers, wanted) {
			t.Errorf("containers %+v, %v; want %+v", containers, err, wanted)
		}
	})
	run("stop", func(t *testing.T, r *Runtime, c cri.Client) {
		stopped := 0
		r.Restarted = func(cri.Container) { stopped++ }
		for _, id := range []string{"c-s1", "c-s1", "c-s2", "none"} {
			if err := c.StopContainer(t.Context(), id, 3*time.Second); err != nil {
				t.Errorf("stop %s: %v", id, err)
			}
		}
		containers, err := c.Containers(t.Context())
		if err != nil || stopped != 1 || containers[0].Running {
			t.Errorf("stopped %d times: %+v, %v", stopped, containers, err)
		}
	})
	run("remove", func(t *testing.T, _ *Runtime, c cri.Client) {
		for _, id := range []string{"s1", "s1", "none"} {
			if err := c.RemoveSandbox(t.Context(), id); err != nil {
				t.Errorf("remove %s: %v", id, err)
			}
		}
		sandboxes, err := c.Sandboxes(t.Context())
		if err != nil || len(sandboxes) != 1 || sandboxes[0].ID != "s2" {
			t.Errorf("sandboxes %+v, %v", sandboxes, err)
		}
		containers, err := c.Containers(t.Context())
		if err != nil || len(containers) != 1 || containers[0].ID != "c-s2" {
			t.Errorf("containers %+v, %v", containers, err)
		}
	})
	run("cancelled", func(t *testing.T, r *Runtime, c cri.Client) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := r.Snapshot()
		for name, err := range all(ctx, c) {
			if !errors.Is(err, context.Canceled) || errors.Is(err, cri.ErrUnavailable) {
				t.Errorf("%s: %v, want context.Canceled", name, err)
			}
		}
		if r.Snapshot() != before {
			t.Errorf("it changed:\n%s", r.Snapshot())
		}
	})
	run("down", func(t *testing.T, r *Runtime, c cri.Client) {
		r.Down()
		RunUnavailable(t, c)
	})
}

// RunUnavailable is what a client of a runtime that is not there has to say.
func RunUnavailable(t *testing.T, c cri.Client) {
	t.Helper()
	for name, err := range all(t.Context(), c) {
		if !errors.Is(err, cri.ErrUnavailable) || errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
}

func is(t *testing.T, c cri.Client, ref string, want bool) {
	t.Helper()
	if has, err := c.HasImage(t.Context(), ref); err != nil || has != want {
		t.Errorf("has %s: %t, %v; want %t", ref, has, err, want)
	}
}

// all are the errors of every call.
func all(ctx context.Context, c cri.Client) map[string]error {
	errs := map[string]error{
		"pull":   c.PullImage(ctx, "registry.k8s.io/kube-proxy:v1.36.3"),
		"stop":   c.StopContainer(ctx, "c-s1", 0),
		"remove": c.RemoveSandbox(ctx, "s1"),
	}
	_, errs["info"] = c.Info(ctx)
	_, errs["image"] = c.HasImage(ctx, "registry.k8s.io/pause:3.10.2")
	_, errs["sandboxes"] = c.Sandboxes(ctx)
	_, errs["containers"] = c.Containers(ctx)
	return errs
}
