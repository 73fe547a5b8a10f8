package preflight

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

func TestSettingsOfARunningClusterStay(t *testing.T) {
	manifests := map[string][]byte{
		cluster.ManifestsDir + "/kube-apiserver.yaml":          []byte("spec:\n  containers:\n  - command:\n    - kube-apiserver\n    - --service-cluster-ip-range=10.96.0.0/12\n    - --etcd-servers=https://127.0.0.1:2379\n    image: registry.k8s.io/kube-apiserver:v1.36.3\n"),
		cluster.ManifestsDir + "/kube-controller-manager.yaml": []byte("    - --cluster-cidr=10.244.0.0/16\n"),
		cluster.ManifestsDir + "/etcd.yaml":                    []byte("    - --data-dir=/var/lib/etcd\n"),
	}
	wanted := func(service, pod, data string) *cluster.Cluster {
		return &cluster.Cluster{Version: "v1.36.3", Etcd: cluster.Etcd{DataDir: data}, Networking: cluster.Networking{
			ServiceSubnets: []netip.Prefix{netip.MustParsePrefix(service)}, PodSubnets: []netip.Prefix{netip.MustParsePrefix(pod)}}}
	}
	same := wanted("10.96.0.0/12", "10.244.0.0/16", "/var/lib/etcd")
	overridden := wanted("10.0.0.0/12", "10.244.0.0/16", "/var/lib/etcd")
	overridden.APIServer.ExtraArgs = []cluster.Arg{{Name: "service-cluster-ip-range", Value: "10.96.0.0/12"}}
	joined := map[string][]byte{cluster.ManifestsDir + "/etcd.yaml": []byte("    - --data-dir=/var/lib/etcd\n    - --initial-cluster=cp1=https://192.0.2.1:2380,cp2=https://192.0.2.2:2380\n    - --initial-cluster-state=existing\n")}
	older := map[string][]byte{cluster.ManifestsDir + "/kube-apiserver.yaml": []byte("    - --service-cluster-ip-range=10.96.0.0/12\n    - --etcd-servers=https://127.0.0.1:2379\n    image: registry.k8s.io/kube-apiserver:v1.35.4\n")}
	external := map[string][]byte{cluster.ManifestsDir + "/kube-apiserver.yaml": []byte("    - --service-cluster-ip-range=10.96.0.0/12\n    - --etcd-servers=https://192.0.2.9:2379\n    image: registry.k8s.io/kube-apiserver:v1.36.3\n")}
	for name, c := range map[string]struct {
		cluster   *cluster.Cluster
		ours      bool
		manifests map[string][]byte
		want      []string
	}{
		"the same":             {same, true, manifests, nil},
		"nothing there":        {same, true, nil, nil},
		"another service cidr": {wanted("10.0.0.0/12", "10.244.0.0/16", "/var/lib/etcd"), true, manifests, []string{"service-cluster-ip-range"}},
		"everything":           {wanted("10.0.0.0/12", "10.1.0.0/16", "/data"), true, manifests, []string{"service-cluster-ip-range", "cluster-cidr", "data-dir"}},
		"of another cluster":   {wanted("10.0.0.0/12", "10.1.0.0/16", "/data"), false, manifests, nil},
		"overridden":           {overridden, true, manifests, nil},
		"joined others":        {same, true, joined, []string{"joined others"}},
		"another version":      {same, true, older, []string{"v1.35.4"}},
		"an external etcd":     {same, true, external, []string{"etcd-servers"}},
	} {
		findings := settings().Find(Subject{Cluster: c.cluster, Ours: c.ours, Facts: cluster.HostFacts{Manifests: c.manifests}})
		if len(findings) != len(c.want) {
			t.Errorf("%s: %v", name, findings)
			continue
		}
		for i, f := range findings {
			if f.Level != Error || !strings.Contains(f.Message, c.want[i]) || f.Hint == "" {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}
