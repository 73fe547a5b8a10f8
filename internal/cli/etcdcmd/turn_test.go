package etcdcmd

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/facts"
)

func member(name, address string) etcd.Seen {
	return etcd.Seen{Member: etcd.Member{Name: name, PeerURLs: []string{"https://" + address + ":2380"}}}
}

// The API server of the machine whose member is replaced is not asked: it loses
// its etcd. IPv6 addresses keep their brackets.
func TestServers(t *testing.T) {
	o := &opened{Etcd: &facts.Etcd{Access: cluster.LocalEtcd{Name: "cp1", PeerURLs: []string{"https://192.0.2.10:2380"}}},
		seen: []etcd.Seen{member("cp1", "192.0.2.10"), member("cp2", "192.0.2.11"), member("cp3", "[2001:db8::3]")}}
	others := []string{"https://192.0.2.11:6443", "https://[2001:db8::3]:6443"}
	for configured, want := range map[string][]string{
		"https://192.0.2.10:6443":      others,
		"https://127.0.0.1:6443":       others,
		"https://api.example.com:6443": append(slices.Clone(others), "https://api.example.com:6443"),
		"https://api.example.com":      {"https://192.0.2.11:443", "https://[2001:db8::3]:443", "https://api.example.com"},
	} {
		if got := o.servers(configured); !slices.Equal(got, want) {
			t.Errorf("with %s it asks %v, want %v", configured, got, want)
		}
	}
}

func TestNodes(t *testing.T) {
	n := nodesOf([]unstructured.Unstructured{
		{Object: map[string]any{"metadata": map[string]any{"name": "worker-7"}, "status": map[string]any{"addresses": []any{map[string]any{"type": "InternalIP", "address": "192.0.2.10"}, "not an address"}}}},
		{Object: map[string]any{"metadata": map[string]any{"name": "cp2"}}},
	})
	seen := []etcd.Seen{member("cp1", "192.0.2.10"), member("cp2", "192.0.2.11"), member("cp3", "192.0.2.12"), member("", "192.0.2.13")}
	for i, want := range []string{"worker-7", "cp2", "", ""} {
		if got := n.of(seen[i].Member); got != want {
			t.Errorf("%s is on %q, want %q", seen[i].Shown(), got, want)
		}
	}
	if gone := n.gone(seen); len(gone) != 1 || !strings.Contains(gone[0].Message, "cp3 serves and has no Node") || strings.Contains(gone[0].Hint, "remove") {
		t.Errorf("of one that serves: %+v", gone)
	}
	seen[2].Err = etcd.ErrUnavailable
	if gone := n.gone(seen); len(gone) != 1 || gone[0].Hint != "clusteradm etcd member remove cp3" {
		t.Errorf("gone are %+v", gone)
	}
	if gone := n.gone([]etcd.Seen{member("etcd1", "192.0.2.21"), member("etcd2", "192.0.2.22")}); gone != nil {
		t.Errorf("of machines of etcd's own %+v are gone", gone)
	}
	if nodes(nil).of(seen[0].Member) != "" || nodes(nil).gone(seen) != nil {
		t.Error("what was not asked is known")
	}
}
