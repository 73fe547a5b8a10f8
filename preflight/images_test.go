package preflight_test

import (
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/preflight"
)

func TestImagePull(t *testing.T) {
	failed := []preflight.PullFailure{{Image: "r/a:1", Reason: "pull image r/a:1: not found"}, {Image: "r/b:1", Reason: "pull image r/b:1: no route"}}
	findings, err := preflight.Run([]preflight.Check{preflight.ImagePull(failed)}, preflight.Subject{}, nil)
	if err == nil || len(findings) != 2 || findings[1] != (preflight.Finding{Check: "ImagePull", Level: preflight.Error,
		Message: "pull image r/b:1: no route", Hint: "clusteradm config images pull"}) {
		t.Errorf("%+v, %v", findings, err)
	}
	findings, err = preflight.Run([]preflight.Check{preflight.ImagePull(failed)}, preflight.Subject{}, []string{"imagepull"})
	if err != nil || len(findings) != 2 || findings[0].Level != preflight.Warning {
		t.Errorf("ignored: %+v, %v", findings, err)
	}
	if findings, err := preflight.Run([]preflight.Check{preflight.ImagePull(nil)}, preflight.Subject{}, nil); err != nil || len(findings) > 0 {
		t.Errorf("all pulled: %+v, %v", findings, err)
	}
}

func TestSandboxImage(t *testing.T) {
	c := &cluster.Cluster{Version: "v1.36.3", ImageRepository: "r.example.com/k8s"}
	for name, tc := range map[string]struct {
		image  string
		worker bool
		want   int
	}{
		"the same":    {"r.example.com/k8s/pause:3.10.2", false, 0},
		"another":     {"registry.k8s.io/pause:3.9", false, 1},
		"not told":    {"", false, 0},
		"of a worker": {"registry.k8s.io/pause:3.9", true, 0},
	} {
		s := preflight.Subject{Cluster: c, Node: cluster.Node{ControlPlane: !tc.worker}, Facts: cluster.HostFacts{Runtime: cluster.RuntimeFacts{SandboxImage: tc.image}}}
		findings, err := preflight.Run([]preflight.Check{preflight.ImagePull(nil)}, s, nil)
		if err != nil || len(findings) != tc.want {
			t.Errorf("%s: %+v, %v", name, findings, err)
			continue
		}
		for _, f := range findings {
			if f.Level != preflight.Warning || !strings.Contains(f.Message, tc.image) || !strings.Contains(f.Message, "r.example.com/k8s/pause:3.10.2") || f.Hint == "" {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}
