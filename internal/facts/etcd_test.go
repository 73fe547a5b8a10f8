package facts_test

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
)

const memberManifest = `kind: Pod
metadata: {name: etcd}
spec:
  containers:
  - name: etcd
    command:
    - etcd
    - --data-dir=/var/lib/etcd
    - --name=cp1
    - --initial-cluster=cp2=https://192.0.2.11:2380,cp1=https://192.0.2.10:2380
    - --initial-advertise-peer-urls=https://192.0.2.10:2380
    - --listen-client-urls=https://127.0.0.1:2379
    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
    - --cert-file=/etc/kubernetes/pki/etcd/server.crt
    - --key-file=/etc/kubernetes/pki/etcd/server.key
`

// How a machine reaches its etcd, and how far a replacement of its member came.
func TestGatherEtcd(t *testing.T) {
	const manifest, record = "/etc/kubernetes/manifests/etcd.yaml", cluster.ReplacementFile
	replaced := func(aside string) string {
		return fmt.Sprintf(`{"id":161,"name":"cp1","aside":%q,"manifest":%q}`, aside, base64.StdEncoding.EncodeToString([]byte(memberManifest)))
	}
	const aside, data, newer = "/var/lib/etcd/member.replaced-1", "/var/lib/etcd/member/wal/0.wal", memberManifest + "    # told of others\n"
	for name, c := range map[string]struct {
		files     map[string]string
		endpoints int
		local     bool
		begun     bool
		old, kept bool
	}{
		"a member": {files: map[string]string{manifest: memberManifest, data: ""}, endpoints: 3, local: true, old: true},
		"one elsewhere": {files: map[string]string{"/etc/kubernetes/manifests/kube-apiserver.yaml": "kind: Pod\nspec: {containers: [{command: [kube-apiserver, '--etcd-servers=https://a:2379,https://b:2379']}]}\n"},
			endpoints: 2},
		"begun":                        {files: map[string]string{manifest: memberManifest, data: "", record: replaced(aside)}, endpoints: 3, local: true, begun: true, old: true},
		"the manifest is gone":         {files: map[string]string{data: "", record: replaced(aside)}, endpoints: 3, local: true, begun: true, old: true},
		"set aside":                    {files: map[string]string{aside + "/x": "", record: replaced(aside)}, endpoints: 3, local: true, begun: true},
		"the new one has no data yet":  {files: map[string]string{manifest: newer, aside + "/x": "", record: replaced(aside)}, endpoints: 3, local: true, begun: true},
		"the new one has data":         {files: map[string]string{manifest: newer, aside + "/x": "", data: "", record: replaced(aside)}, endpoints: 3, local: true, begun: true, kept: true},
		"begun without data":           {files: map[string]string{manifest: memberManifest, record: replaced("")}, endpoints: 3, local: true, begun: true, old: true},
		"without data, the manifest":   {files: map[string]string{record: replaced("")}, endpoints: 3, local: true, begun: true, old: true},
		"without data, it has started": {files: map[string]string{manifest: newer, data: "", record: replaced("")}, endpoints: 3, local: true, begun: true, kept: true},
	} {
		m := hosttest.New("cp1", hosttest.Options{})
		for path, content := range c.files {
			m.Put(path, content, 0o600)
		}
		e, err := facts.GatherEtcd(t.Context(), host.AsReader(m))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(e.Access.Endpoints) != c.endpoints || e.Local() != c.local || (e.Replacement != nil) != c.begun || c.local && (e.Old != c.old || (e.Kept != nil) != c.kept) {
			t.Errorf("%s: %d endpoints, local %t, begun %t, old %t, kept %q", name, len(e.Access.Endpoints), e.Local(), e.Replacement != nil, e.Old, e.Kept)
		}
	}
	for name, files := range map[string]map[string]string{
		"a record of nothing":        {record: "{}"},
		"a record that is cut off":   {record: `{"id":161,"na`},
		"a manifest of something":    {manifest: "kind: Secret\n"},
		"a manifest without a name":  {manifest: "kind: Pod\nspec: {containers: [{command: [etcd, --data-dir=/var/lib/etcd]}]}\n"},
		"a manifest at the root":     {manifest: "kind: Pod\nspec: {containers: [{command: [etcd, --name=a, --data-dir=/]}]}\n"},
		"nothing, which is no error": {},
	} {
		m := hosttest.New("cp1", hosttest.Options{})
		for path, content := range files {
			m.Put(path, content, 0o600)
		}
		if e, err := facts.GatherEtcd(t.Context(), host.AsReader(m)); e != nil || (err == nil) != (len(files) == 0) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}
