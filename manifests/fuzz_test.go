package manifests_test

import (
	"testing"

	"github.com/clusteradm/clusteradm/manifests"
)

// FuzzFlags: a manifest is anybody's; whatever it holds is flags or an error.
func FuzzFlags(f *testing.F) {
	f.Add([]byte("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: etcd\n    command:\n    - etcd\n    - --data-dir=/var/lib/etcd\n    - --a\n    - b\n"))
	f.Add([]byte("kind: Pod\nspec: {containers: [{command: ['--', '-', '=', '--=']}]}\n"))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		flags, err := manifests.Flags(data)
		if (flags == nil) != (err != nil) {
			t.Errorf("%v and %v", flags, err)
		}
		for name := range flags {
			if name == "" || name[0] == '-' {
				t.Errorf("a flag is called %q", name)
			}
		}
	})
}

// FuzzRejoin: whatever is made of a manifest tells the members that were given,
// and nothing else of what it told before.
func FuzzRejoin(f *testing.F) {
	f.Add([]byte("kind: Pod\nmetadata: {name: etcd}\nspec:\n  containers:\n  - {name: etcd, command: [etcd, --name=a, --initial-cluster, x=y]}\n"))
	f.Add([]byte("kind: Pod\nspec: {containers: [{args: ['-initial-cluster', '--', '=']}]}\n"))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rejoined, err := manifests.Rejoin(data, []manifests.Member{{Name: "a", PeerURL: "https://a:2380"}})
		if err != nil {
			return
		}
		flags, err := manifests.Flags(rejoined)
		if err != nil || flags["initial-cluster"] != "a=https://a:2380" || flags["initial-cluster-state"] != "existing" {
			t.Errorf("%v, %v of\n%s", flags, err, rejoined)
		}
	})
}
