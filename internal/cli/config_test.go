package cli_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/clusteradm/clusteradm/internal/cli"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
)

const oldConfig = `apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
scheduler:
  extraArgs: {v: "2"}
`

func TestConfigPrint(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for command, want := range map[string]string{"init": "ClusterConfiguration", "join": "JoinConfiguration", "reset": "ResetConfiguration", "upgrade": "UpgradeConfiguration"} {
		text := r.run("config", "print", command+"-defaults").is(t, 0, "kind: "+want, " # ").out
		r.files["printed.yaml"] = text
		r.run("config", "validate", "--config", "printed.yaml").is(t, 0, "ok: ", want)
		got := objects(t, r.run("config", "print", command+"-defaults", "-o", "json").is(t, 0).out)
		if len(got) != 1 || got[0]["kind"] != "sample" || got[0]["text"] != text {
			t.Errorf("%s: %v", command, got)
		}
	}
	r.run("config", "print", "init-defaults", "--component-configs", "KubeletConfiguration,KubeProxyConfiguration").is(t, 0, "kind: KubeletConfiguration", "kind: KubeProxyConfiguration")
	r.run("config", "print", "init-defaults", "--component-configs", "Pod").is(t, 2, `"Pod"`, "KubeProxyConfiguration")
	r.run("config", "print", "join-defaults", "--component-configs", "x").is(t, 2, "unknown flag")
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.files["bad.yaml"] = initConfig + "---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\ncaCertPath: x\nskipPhase: []\n"
	r.run("config", "validate", "--config", "bad.yaml").is(t, 2, "line 18, column 13: JoinConfiguration caCertPath: ", "line 19, column 1: JoinConfiguration skipPhase: unknown field", "hint: did you mean skipPhases?", "discovery: bootstrapToken or file")
	last := objects(t, r.run("config", "validate", "--config", "bad.yaml", "-o", "json").is(t, 2).out)[0]
	list, _ := last["errors"].([]any)
	if len(list) != 3 || last["code"] != 2.0 {
		t.Fatalf("%v", last)
	}
	got, err := json.Marshal(list[2])
	want := `{"column":1,"document":4,"field":"skipPhase","hint":"did you mean skipPhases?","kind":"JoinConfiguration","line":19,"message":"unknown field"}`
	if err != nil || string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}

	r.files["old.yaml"] = oldConfig
	r.run("config", "validate", "--config", "old.yaml").is(t, 0, "ok: ClusterConfiguration", "WARNING", "v1beta3 is deprecated", "hint: clusteradm config migrate")
	if quiet := r.run("config", "validate", "--config", "old.yaml", "--allow-deprecated-api").is(t, 0); quiet.stderr != "" {
		t.Errorf("still warns: %s", quiet.stderr)
	}
	valid := objects(t, r.run("config", "validate", "--config", "old.yaml", "-o", "json").is(t, 0).out)[0]
	if valid["kind"] != "validation" || valid["valid"] != true || len(valid["warnings"].([]any)) != 1 {
		t.Errorf("%v", valid)
	}
	r.files["ignore.yaml"] = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nnodeRegistration: {ignorePreflightErrors: [port-6443, CreateJob, Swapp]}\n"
	if ignore := r.run("config", "validate", "--config", "ignore.yaml").is(t, 0, `no check is called "Swapp"`, "clusteradm help preflight-checks"); strings.Count(ignore.stderr, "WARNING") != 1 {
		t.Error(ignore.stderr)
	}
	r.run("config", "validate").is(t, 2, "--config is required", "config print init-defaults")
	r.run("config", "validate", "--config", "gone.yaml").is(t, 2, "read configuration")

	// A file that says nothing is a mistake of every command, never its defaults.
	r.files["empty.yaml"] = "# not written yet\n---\n"
	for _, command := range [][]string{{"config", "validate"}, {"init"}, {"join", "192.0.2.10:6443"}, {"reset"}, {"certs", "renew", "all"}} {
		r.run(append(command, "--config", "empty.yaml")...).is(t, 2, "error: no document in empty.yaml\nhint: clusteradm config print init-defaults\n")
	}
}

func TestConfigMigrate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.files["old.yaml"] = oldConfig
	text := r.run("config", "migrate", "--old-config", "old.yaml").is(t, 0, "kubeadm.k8s.io/v1beta4", "- name: v").out
	start := r.snapshot()
	r.run("config", "migrate", "--old-config", "old.yaml", "--new-config", "/root/new.yaml").is(t, 0, "wrote /root/new.yaml")
	if got, ok := r.machine.Content("/root/new.yaml"); !ok || got != text {
		t.Errorf("%t\n%s", ok, got)
	}
	if diff := hosttest.Diff(start, r.snapshot()); !strings.Contains(diff, "new.yaml") || strings.Count(diff, "\n") > 3 {
		t.Errorf("it changed more than the file:\n%s", diff)
	}
	got := objects(t, r.run("config", "migrate", "--old-config", "old.yaml", "--new-config", "/root/new.yaml", "-o", "json", "--allow-experimental-api").is(t, 0).out)[0]
	if got["kind"] != "migration" || got["file"] != "/root/new.yaml" || got["text"] != text {
		t.Errorf("%v", got)
	}
	r.files["bad.yaml"] = oldConfig + "proxy: {}\n"
	for link, to := range map[string]string{"/dev/stdout": "/proc/self/fd/1", "/root/link.yaml": "new.yaml"} {
		if err := r.machine.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	r.run("config", "migrate", "--old-config", "old.yaml", "--new-config", "/dev/stdout").is(t, 2, "is not a file")
	r.run("config", "migrate", "--old-config", "old.yaml", "--new-config", "/root/link.yaml").is(t, 0)
	for _, link := range []string{"/dev/stdout", "/root/link.yaml"} {
		if info, err := r.machine.Stat(t.Context(), link); err != nil || info.Target == "" {
			t.Errorf("the link %s is replaced: %+v, %v", link, info, err)
		}
	}
	r.run("config", "migrate", "--old-config", "bad.yaml", "--new-config", "/root/none.yaml").is(t, 2, "line 5, column 1", "unknown field")
	if _, ok := r.machine.Content("/root/none.yaml"); ok {
		t.Error("a file was written for a configuration that is wrong")
	}
	r.run("config", "migrate").is(t, 2, "--old-config is required", "hint: clusteradm config migrate --help")
}

func TestConfigImagesList(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run("config", "images", "list").is(t, 0, "registry.k8s.io/kube-apiserver:v1.36.3\n", "registry.k8s.io/etcd:3.6.8-0\n")
	r.files["c2.yaml"] = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nproxy: {disabled: true}\n"
	got := objects(t, r.run("config", "images", "list", "--config", "c2.yaml", "--kubernetes-version", "1.35.4", "--image-repository", "r.io/k", "--feature-gates", "NodeLocalCRISocket=true", "-o", "json").is(t, 0).out)[0]
	list, _ := json.Marshal(got["images"])
	if got["kind"] != "images" || string(list) != `["r.io/k/kube-apiserver:v1.35.4","r.io/k/kube-controller-manager:v1.35.4","r.io/k/kube-scheduler:v1.35.4","r.io/k/coredns:v1.13.1","r.io/k/pause:3.10.1","r.io/k/etcd:3.6.6-0"]` {
		t.Errorf("%v %s", got, list)
	}
	r.run("config", "images", "list", "--kubernetes-version", "v1.37.0").is(t, 2, "not one of v1.33 to v1.36")
	r.run("config", "images", "list", "--feature-gates", "X=true").is(t, 2, "--feature-gates", "unknown feature gate")
	r.run("config", "images", "list", "--feature-gates", "X").is(t, 2, "is not NAME=true")
}

// kubeadm's flags that init and join did not have.
func TestFlagsOfKubeadm(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	dir := fstest.MapFS{"p/kube-apiserver+json.yaml": {Data: []byte(`[{"op": "remove", "path": "/nothing"}]`)}, "q/etcd+json.yaml": {Data: []byte(`a: b`)}}
	for name, file := range dir {
		r.files[name] = string(file.Data)
	}
	r.readDir = func(name string) ([]fs.DirEntry, error) { return fs.ReadDir(dir, name) }
	start := r.snapshot()
	for _, dry := range []string{"--dry-run", "--dry-run=false"} {
		r.run("init", "--config", "c.yaml", "--patches", "q", dry).is(t, 2, "--patches", "apply patch q/etcd+json.yaml to etcd: a json patch is a list")
		r.run("init", "--config", "c.yaml", "--patches", "p", dry).is(t, 2, "apply patch p/kube-apiserver+json.yaml to kube-apiserver: ", "hint: correct p/kube-apiserver+json.yaml")
		r.run("init", "phase", "control-plane", "all", "--config", "c.yaml", "--patches", "p", dry).is(t, 2, "apply patch p/kube-apiserver+json.yaml to kube-apiserver: ")
	}
	r.run("init", "--config", "c.yaml", "--certificate-key", "x").is(t, 2, "--certificate-key", "is not a certificate key")
	r.run("init", "--config", "c.yaml", "--feature-gates", "A=true").is(t, 2, "unknown feature gate")
	join := []string{"join", "192.0.2.10:6443", "--token", canary, "--discovery-token-unsafe-skip-ca-verification"}
	r.run(append(join, "--control-plane", "--apiserver-bind-port", "6444", "--certificate-key", "x")...).is(t, 2, "--certificate-key", "is not a certificate key")
	r.run(append(join, "--patches", "q")...).is(t, 2, "apply patch q/etcd+json.yaml")
	if diff := hosttest.Diff(start, r.snapshot()); diff != "" {
		t.Errorf("something was changed:\n%s", diff)
	}
	r.run("version", "-v", "5").is(t, 0)
	r.run("version", "--v=5").is(t, 0)
}

func TestRootfs(t *testing.T) {
	t.Parallel()
	var roots []string
	var out, stderr strings.Builder
	s := &session.Session{Chroot: func(path string) error {
		roots = append(roots, path)
		if path == "/gone" {
			return errors.New("no such directory")
		}
		return nil
	}}
	s.Streams.Out, s.Streams.Err, s.Format = &out, &stderr, "text"
	if code := cli.Main(t.Context(), []string{"version", "--rootfs", "/host"}, s); code != 0 || len(roots) != 1 || roots[0] != "/host" {
		t.Errorf("code %d, roots %v, %s", code, roots, stderr.String())
	}
	if code := cli.Main(t.Context(), []string{"version", "--rootfs", "/gone"}, s); code != 2 || !strings.Contains(stderr.String(), "--rootfs: no such directory") {
		t.Errorf("code %d, %s", code, stderr.String())
	}
}
