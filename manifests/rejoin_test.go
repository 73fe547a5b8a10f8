package manifests

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// What founded a cluster joins one, and is otherwise as it was.
func TestRejoin(t *testing.T) {
	c := &cluster.Cluster{Version: "v1.36.3", CertificatesDir: "/etc/kubernetes/pki", Etcd: cluster.Etcd{DataDir: "/var/lib/etcd", ImageTag: "3.6.9-1"}}
	n := cluster.Node{Name: "cp1", Address: netip.MustParseAddr("192.0.2.10")}
	founder := must[[]byte](t)(Etcd(c, n, nil))
	all := []Member{{Name: "cp2", PeerURL: "https://192.0.2.11:2380"}, {Name: "cp1", PeerURL: "https://192.0.2.10:2380"}}
	rejoined := must[[]byte](t)(Rejoin(founder, all))
	joined := must[[]byte](t)(Etcd(c, n, all))
	got, want := must[map[string]string](t)(Flags(rejoined)), must[map[string]string](t)(Flags(joined))
	if len(got) != len(want) {
		t.Errorf("it has %d flags, one that joins has %d", len(got), len(want))
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("--%s is %q, want %q", name, got[name], value)
		}
	}
	if !strings.Contains(string(rejoined), "etcd:3.6.9-1") {
		t.Error("it has another image")
	}
	if again := must[[]byte](t)(Rejoin(rejoined, all)); string(again) != string(rejoined) {
		t.Error("it is another the second time")
	}
}

func TestRejoinFindsTheFlagsWhereverTheyAre(t *testing.T) {
	const head = "kind: Pod\nmetadata: {name: etcd}\nspec:\n  containers:\n"
	one := []Member{{Name: "a", PeerURL: "https://a:2380"}}
	for name, pod := range map[string]string{
		"in the arguments": "  - {name: etcd, command: [etcd], args: [--name=a, --initial-cluster=x=y]}\n",
		"in two words":     "  - {name: etcd, command: [etcd, --initial-cluster, x=y, --initial-cluster-state, new, --name=a]}\n",
		"twice":            "  - {name: etcd, command: [etcd, --initial-cluster=x=y, --name=a, --initial-cluster=z=y]}\n",
		"not there":        "  - {name: etcd, command: [etcd, --name=a]}\n",
		"after a sidecar":  "  - {name: sidecar, command: [s, --initial-cluster=mine]}\n  - {name: etcd, command: [etcd, --name=a]}\n",
	} {
		data := must[[]byte](t)(Rejoin([]byte(head+pod), one))
		flags := must[map[string]string](t)(Flags(data))
		if flags["initial-cluster"] != "a=https://a:2380" || flags["initial-cluster-state"] != "existing" || flags["name"] != "a" {
			t.Errorf("%s: %v", name, flags)
		}
		if strings.Contains(string(data), "x=y") || strings.Contains(string(data), "z=y") {
			t.Errorf("%s: what was there before is still there:\n%s", name, data)
		}
		if name == "after a sidecar" && !strings.Contains(string(data), "--initial-cluster=mine") {
			t.Error("the sidecar was changed")
		}
	}
	if _, err := Rejoin([]byte("kind: Secret\ndata: {a: c2VjcmV0}\n"), one); err == nil || strings.Contains(err.Error(), "c2Vj") {
		t.Errorf("of no pod: %v", err)
	}
}
