//go:build e2e

package scenarios

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// Patches of every target, in every type: clusteradm makes one control plane
// with them, the real kubeadm another, and what is on the nodes and in the
// clusters is the same.
func TestPatches(t *testing.T) {
	budget(t, 12*time.Minute)
	ctx, p := t.Context(), newProof(t, "patches")
	if p == nil {
		return
	}
	c := up(t, "patches", "cp1", "cp2")
	ours, theirs := c.Lab.Node("cp1"), c.Lab.Node("cp2")
	root, err := clusters.Root()
	must(t, err)
	dir := filepath.Join(root, "phases", "testdata", "patches", "p")
	files := 0
	for _, n := range []*nodes.Node{ours, theirs} {
		must(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			files++
			return n.WriteFile(ctx, filepath.Join("/root/p", name), data, 0o600)
		}))
		text, err := nodes.Kubeadm{Versions: c.Versions, Node: n.Name(), Address: n.Address()}.InitConfig()
		must(t, err)
		text = strings.Replace(text, "kind: InitConfiguration\n", "kind: InitConfiguration\npatches: {directory: /root/p}\n", 1)
		must(t, n.WriteFile(ctx, "/root/init.yaml", []byte(text), 0o600))
	}
	do(t)(clusters.Must(ctx, ours, clusters.Binary, "config", "validate", "--config", "/root/init.yaml"))
	do(t)(clusters.Must(ctx, ours, clusters.Binary, "init", "--config", "/root/init.yaml"))
	do(t)(clusters.Must(ctx, theirs, "kubeadm", "init", "--config", "/root/init.yaml"))

	same := func(what, got, want string) {
		t.Helper()
		want = strings.NewReplacer("cp2", "cp1", theirs.Address(), ours.Address()).Replace(want)
		if got != want {
			t.Errorf("%s is\n%s\nkubeadm has\n%s", what, got, want)
		}
	}
	written := []string{"manifests/etcd.yaml", "manifests/kube-apiserver.yaml", "manifests/kube-controller-manager.yaml", "manifests/kube-scheduler.yaml"}
	for i := range written {
		written[i] = "/etc/kubernetes/" + written[i]
	}
	written = append(written, "/var/lib/kubelet/config.yaml", "/var/lib/kubelet/instance-config.yaml", "/var/lib/kubelet/kubeadm-flags.env")
	for _, file := range written {
		same(file, do(t)(clusters.Must(ctx, ours, "cat", file)), do(t)(clusters.Must(ctx, theirs, "cat", file)))
	}
	deployment := func(n *nodes.Node) (spec any) {
		out := do(t)(clusters.Must(ctx, n, "kubectl", "--kubeconfig", clusters.Kubeconfig, "-n", "kube-system", "get", "deployment", "coredns", "-o", "json"))
		var object map[string]any
		must(t, json.Unmarshal([]byte(out), &object))
		return object["spec"]
	}
	if got, want := deployment(ours), deployment(theirs); !reflect.DeepEqual(got, want) {
		t.Errorf("CoreDNS is\n%v\nkubeadm has\n%v", got, want)
	}
	p.add("with %d patch files of every target and type, %d files and the Deployment of CoreDNS are what kubeadm makes", files/2, len(written))

	// Again: nothing is to be done, though another has defaulted the object since.
	again := do(t)(clusters.Must(ctx, ours, clusters.Binary, "init", "--config", "/root/init.yaml", "--dry-run"))
	if !strings.Contains(again, "nothing to change") {
		t.Errorf("a second init would change:\n%s", again)
	}
	p.add("a second init with the same patches has nothing to change")

	// A patch that does not fit is found before anything is changed.
	must(t, ours.WriteFile(ctx, "/root/p/etcd9+json.yaml", []byte("- {op: remove, path: /spec/nothing}\n"), 0o600))
	r, err := ours.Run(ctx, nil, clusters.Binary, "init", "--config", "/root/init.yaml")
	must(t, err)
	if r.Exit != 2 || !strings.Contains(r.Stderr, "apply patch /root/p/etcd9+json.yaml to etcd") {
		t.Errorf("exit %d: %s", r.Exit, r.Stderr)
	}
	_, said, _ := strings.Cut(r.Stderr, "error: ")
	p.add("a patch that does not fit ends in exit code 2: %s", strings.SplitN(said, "\n", 2)[0])
}
