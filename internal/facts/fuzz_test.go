package facts

import "testing"

// A manifest that users or others broke names no directory that is too high up.
func FuzzEtcdManifest(f *testing.F) {
	f.Add([]byte(etcdPod))
	f.Add([]byte("spec: {containers: [{command: [--data-dir=/]}]}"))
	f.Add([]byte("spec: {containers: [{command: [--data-dir=/x/.., --initial-cluster=%=:]}]}"))
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
