package phases_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/phases"
)

func TestPreflightPullsWhatTheNodeNeeds(t *testing.T) {
	all := []string{"kube-apiserver:v1.36.3", "kube-controller-manager:v1.36.3", "kube-scheduler:v1.36.3", "kube-proxy:v1.36.3",
		"coredns/coredns:v1.14.2", "pause:3.10.2", "etcd:3.6.8-0"}
	for name, c := range map[string]struct {
		change func(*cluster.Cluster, *cluster.Node, *cluster.RuntimeFacts)
		mode   plan.Mode
		want   []string
	}{
		"control plane": {func(*cluster.Cluster, *cluster.Node, *cluster.RuntimeFacts) {}, plan.Parallel, all},
		"serial":        {func(_ *cluster.Cluster, n *cluster.Node, _ *cluster.RuntimeFacts) { n.ImagePullParallel = false }, plan.Serial, all},
		"never":         {func(_ *cluster.Cluster, n *cluster.Node, _ *cluster.RuntimeFacts) { n.ImagePullPolicy = "Never" }, 0, nil},
		"worker":        {func(_ *cluster.Cluster, n *cluster.Node, _ *cluster.RuntimeFacts) { n.ControlPlane = false }, 0, nil},
		"no answer":     {func(_ *cluster.Cluster, _ *cluster.Node, r *cluster.RuntimeFacts) { r.Answers = false }, 0, nil},
		"external etcd": {func(c *cluster.Cluster, _ *cluster.Node, _ *cluster.RuntimeFacts) {
			c.Etcd.External = &cluster.ExternalEtcd{}
		}, plan.Parallel, all[:6]},
		"no addons": {func(c *cluster.Cluster, _ *cluster.Node, _ *cluster.RuntimeFacts) {
			c.ProxyDisabled, c.DNS.Disabled = true, true
		}, plan.Parallel,
			slices.Concat(all[:3], all[5:])},
	} {
		t.Run(name, func(t *testing.T) {
			loaded := load(t)
			facts := cluster.HostFacts{Runtime: cluster.RuntimeFacts{Answers: true}}
			c.change(loaded.Cluster, &loaded.Node, &facts.Runtime)
			in := plan.Input{Cluster: loaded.Cluster, Node: loaded.Node, Facts: cluster.Facts{Hosts: map[string]cluster.HostFacts{loaded.Node.Host: facts}}}
			for name, list := range phases.Lists() {
				if list()[0].Name != "preflight" || strings.HasPrefix(name, "etcd") {
					continue
				}
				p, err := plan.Build("preflight", list()[:1], in, nil)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, g := range p.Groups {
					if g.Mode != c.mode || !g.TryAll {
						t.Errorf("the group is %+v", g)
					}
					for _, s := range g.Steps {
						image := s.Effect.(effect.Image)
						if !strings.HasPrefix(s.ID, "preflight/image-") || !strings.HasSuffix(s.ID, "@cp1") || image.Host != "cp1" || s.NoUndo == "" {
							t.Errorf("the step %s is %+v", s.ID, s)
						}
						got = append(got, strings.TrimPrefix(image.Ref, "registry.k8s.io/"))
					}
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("pulls %q, want %q", got, c.want)
				}
			}
		})
	}
}
