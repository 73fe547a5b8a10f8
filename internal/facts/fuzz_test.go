package facts

import (
	"reflect"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

func FuzzParseFixes(f *testing.F) {
	f.Add([]byte(`{"modules":["overlay"],"sysctls":[{"name":"a","before":"0","set":"1"}],"files":[{"path":"/a","before":"eA==","wrote":"x"}]}`))
	f.Add([]byte(`{"swaps":[{"device":1}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if record, err := parseFixes(data); err == nil {
			_ = record.Empty()
		}
	})
}

func FuzzSwapUnit(f *testing.F) {
	f.Add("Id=a.swap\nWhat=/dev/a\nFragmentPath=/run/a\nSourcePath=/etc/fstab\n\nId=b.swap\nWhat=/dev/b\n")
	f.Fuzz(func(t *testing.T, blocks string) {
		if s := unitOf(blocks, cluster.Swap{Device: "/dev/a", Priority: 3}); s.Device != "/dev/a" || s.Priority != 3 {
			t.Errorf("%+v", s)
		}
	})
}

func FuzzKubeChains(f *testing.F) {
	f.Add("*nat\n:KUBE-SERVICES - [0:0]\nCOMMIT\n")
	f.Fuzz(func(t *testing.T, saved string) {
		if kubeChains(saved) < 0 {
			t.Error("less than none")
		}
	})
}

func FuzzEtcdVersion(f *testing.F) {
	f.Add([]byte(`{"etcdserver":"3.5.24","etcdcluster":"3.5.0"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if v, err := parseEtcdVersion(data); err == nil && v == "" {
			t.Error("a version that is none")
		}
	})
}

// A manifest that users or others broke names no directory that is too high up.
func FuzzEtcdManifest(f *testing.F) {
	f.Add([]byte(etcdPod))
	f.Add([]byte("kind: Pod\nspec: {containers: [{command: [--data-dir=/]}]}"))
	f.Add([]byte("kind: Pod\nspec: {containers: [{command: [--data-dir=/x/.., --initial-cluster=%=:]}]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if e := localEtcd(data); e != nil && (e.DataDir == "" || e.DataDir == "/" || e.DataDir[0] != '/') {
			t.Errorf("the data directory is %q", e.DataDir)
		}
		if dir := certificatesDir(data, data); dir == "/" {
			t.Error("the certificates directory is /")
		}
		_ = runtimeEndpoint(data, data, data)
	})
}

func FuzzReplacement(f *testing.F) {
	f.Add([]byte(`{"id":161,"name":"cp1","aside":"/var/lib/etcd/member.replaced-1","manifest":"a2luZDogUG9kCg=="}`))
	f.Add([]byte(`{"id":-1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := cluster.DecodeReplacement(data)
		if err != nil {
			return
		}
		if r.Name == "" || len(r.Manifest) == 0 {
			t.Fatalf("%+v names no member", r)
		}
		again, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := cluster.DecodeReplacement(again); err != nil || !reflect.DeepEqual(back, r) {
			t.Errorf("%+v comes back as %+v, %v", r, back, err)
		}
	})
}
