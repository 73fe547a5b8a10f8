package manifests_test

import (
	"net/netip"
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

// Whatever is read as a balancer's configuration is one, and means the same
// when it is written.
func FuzzParseBalancer(f *testing.F) {
	for _, b := range []manifests.Balancer{
		{Listen: netip.MustParseAddrPort("127.0.0.1:7443"), Backends: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.10:6443")}, Endpoint: "a.b:1", CASum: "0a"},
		{Listen: netip.MustParseAddrPort("[::1]:7443"), Backends: []netip.AddrPort{netip.MustParseAddrPort("[2001:db8::1]:6443")}},
	} {
		config, err := b.Render()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(config)
	}
	f.Add([]byte("bind 1:1\nserver x\nserver endpoint\n# ca:"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := manifests.ParseBalancer(data)
		if err != nil {
			return
		}
		config, err := b.Render()
		if err != nil {
			t.Fatalf("%+v: %v", b, err)
		}
		back, err := manifests.ParseBalancer(config)
		if err != nil || back.Listen != b.Listen {
			t.Errorf("%+v becomes %+v, %v", b, back, err)
		}
	})
}
