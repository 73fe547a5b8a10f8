package cli_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/pki"
)

// haRig is a machine whose configuration, ha.yaml, has an endpoint.
func haRig(t *testing.T) *rig {
	r := newRig(t)
	r.files["ha.yaml"] = strings.Replace(initConfig, "kind: ClusterConfiguration\n", "kind: ClusterConfiguration\ncontrolPlaneEndpoint: 192.0.2.10:6443\n", 1)
	return r
}

// haRunning is a control plane of it, whose admin.conf the commands find.
func haRunning(t *testing.T, args ...string) (*rig, ran) {
	r := haRig(t)
	got := r.run(append([]string{"init", "--config", "ha.yaml"}, args...)...).is(t, 0)
	r.files[cluster.AdminConf], _ = r.machine.Content(cluster.AdminConf)
	return r, got
}

var keyIn = regexp.MustCompile(`--certificate-key ([0-9a-f]{64})\b`)

// decrypts has the uploaded certificates be this machine's, and returns their
// Secret.
func (r *rig) decrypts(key string) *unstructured.Unstructured {
	r.t.Helper()
	live, err := r.store.Get(r.t.Context(), kube.RefOf(manifests.SharedCerts(nil)))
	if err != nil {
		r.t.Fatal(err)
	}
	files, err := pki.Unseal(kube.SecretData(live), secret.NewString(key), &cluster.Cluster{CertificatesDir: "/etc/kubernetes/pki"})
	if err != nil || len(files) != 8 {
		r.t.Fatalf("%d files, %v", len(files), err)
	}
	for path, content := range files {
		if has, _ := r.machine.Content(path); has != string(content.Reveal()) {
			r.t.Errorf("%s is not what was shared", path)
		}
	}
	return live
}

func TestInitUploadsCertificates(t *testing.T) {
	t.Parallel()
	r := haRig(t)
	start := r.snapshot()
	r.run("init", "--config", "ha.yaml", "--upload-certs", "--dry-run").is(t, 0, "upload-certs/certificates", "nothing was changed")
	if r.snapshot() != start {
		t.Error("a dry run changed something")
	}
	first := r.run("init", "--config", "ha.yaml", "--upload-certs").is(t, 0, "To join a worker", "To join a further control plane, within two hours",
		"clusteradm token create --print-join-command --control-plane")
	key := keyIn.FindStringSubmatch(first.out)
	if key == nil || strings.Count(first.out, key[1]) != 1 || strings.Contains(first.stderr+r.journal(), key[1]) {
		t.Fatalf("the key is printed once, on stdout, and is not in the journal: %v\n%s%s", key, first.out, first.stderr)
	}
	owner := r.decrypts(key[1]).GetOwnerReferences()
	r.files[cluster.AdminConf], _ = r.machine.Content(cluster.AdminConf)
	if len(owner) != 1 || !strings.Contains(r.run("token", "list").is(t, 0).out, strings.TrimPrefix(owner[0].Name, "bootstrap-token-")) {
		t.Errorf("owned by %v", owner)
	}
	if ttl := regexp.MustCompile(`\s1(19m|h)\s.*ends the shared certificates`); !ttl.MatchString(r.run("token", "list").out) {
		t.Errorf("it does not live for two hours:\n%s", r.run("token", "list").out)
	}

	// The key is kept nowhere: again is anew. With the key it is so already.
	second := keyIn.FindStringSubmatch(r.run("init", "--config", "ha.yaml", "--upload-certs").is(t, 0, "[WARNING] the certificate key is a new one").out)
	if second == nil || second[1] == key[1] {
		t.Fatal("a second init printed no new key")
	}
	r.decrypts(second[1])
	r.run("init", "--config", "ha.yaml", "--upload-certs", "--certificate-key", second[1]).is(t, 0, "init: nothing to change", second[1])

	again := objects(t, r.run("init", "--config", "ha.yaml", "--upload-certs", "-o", "json").is(t, 0).out)
	result := again[len(again)-1]
	made, _ := result["certificateKey"].(string)
	if command, _ := result["controlPlaneJoinCommand"].(string); len(made) != 64 || !strings.HasSuffix(command, " --control-plane --certificate-key "+made) || strings.Contains(result["joinCommand"].(string), "control-plane") {
		t.Errorf("as JSON: %v", result)
	}
	withheld := r.run("init", "--config", "ha.yaml", "--upload-certs", "--skip-certificate-key-print").is(t, 0, "--control-plane --certificate-key <value withheld>")
	if keyIn.MatchString(withheld.out) {
		t.Error("the key is printed all the same")
	}
	r.run("init", "--config", "ha.yaml", "--upload-certs", "--skip-token-print").is(t, 0, "The key of the shared certificates")
	r.run("init", "--config", "ha.yaml").is(t, 0, "For the command that joins a further control plane")
}

func TestUploadCertsPhase(t *testing.T) {
	t.Parallel()
	r, _ := haRunning(t)
	before := r.snapshot()
	r.run("init", "phase", "upload-certs", "--config", "ha.yaml").is(t, 0, "[WARNING] nothing is shared without --upload-certs")
	if r.snapshot() != before {
		t.Error("something was changed")
	}
	// Scripts take the last line of kubeadm's.
	lines := strings.Split(strings.TrimSpace(r.run("init", "phase", "upload-certs", "--config", "ha.yaml", "--upload-certs").is(t, 0).out), "\n")
	if len(lines) != 2 || lines[0] != "[upload-certs] Using certificate key:" {
		t.Fatalf("printed %q", lines)
	}
	r.decrypts(lines[1])
	given := strings.Repeat("c4", 32)
	r.stdin = given + "\n"
	if got := objects(t, r.run("init", "phase", "upload-certs", "--config", "ha.yaml", "--upload-certs", "--certificate-key", "-", "-o", "json").is(t, 0).out); got[len(got)-1]["certificateKey"] != given {
		t.Errorf("as JSON: %v", got)
	}
	r.decrypts(given)
	if got := r.run("init", "phase", "upload-certs", "--config", "ha.yaml", "--upload-certs", "--certificate-key", given, "--skip-certificate-key-print").is(t, 0); got.out != "" {
		t.Errorf("printed %q", got.out)
	}
	r.run("init", "phase", "upload-certs", "--config", "c.yaml", "--upload-certs", "--certificate-key", given+"00").is(t, 2, "is not a certificate key")
	if err := r.machine.Remove(t.Context(), "/etc/kubernetes/pki/sa.key"); err != nil {
		t.Fatal(err)
	}
	r.run("init", "phase", "upload-certs", "--config", "ha.yaml", "--upload-certs").is(t, 1, "check /etc/kubernetes/pki/sa.key", "hint: restore")
}

func TestUploadedCertificatesOfNoEndpoint(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.run("init", "--config", "c.yaml", "--upload-certs").is(t, 0, "[WARNING] certificates are shared, but", "controlPlaneEndpoint", "The key of the shared certificates")
	if strings.Contains(got.out, "--control-plane") {
		t.Errorf("it prints a command that cannot work:\n%s", got.out)
	}
	r.files[cluster.AdminConf], _ = r.machine.Content(cluster.AdminConf)
	r.run("token", "create", "--print-join-command", "--control-plane").is(t, 1, "share certificates: ", "controlPlaneEndpoint")
}

func TestTokenCreateForAControlPlane(t *testing.T) {
	t.Parallel()
	r, _ := haRunning(t)
	before := r.store.Snapshot()
	r.run("token", "create", "--print-join-command", "--control-plane", "--dry-run").is(t, 0, "create   Secret kube-system/kubeadm-certs", "create   bootstrap token", "nothing was changed")
	if r.store.Snapshot() != before {
		t.Error("a dry run changed the cluster")
	}
	command := regexp.MustCompile(`^clusteradm join 192\.0\.2\.10:6443 --token [a-z0-9.]{23} --discovery-token-ca-cert-hash sha256:[0-9a-f]{64} --control-plane --certificate-key ([0-9a-f]{64})\n$`)
	got := r.run("token", "create", "--print-join-command", "--control-plane").is(t, 0)
	first := command.FindStringSubmatch(got.out)
	if first == nil || strings.Contains(got.stderr, first[1]) || strings.Contains(got.stderr, "WARNING") {
		t.Fatalf("printed %q\n%s", got.out, got.stderr)
	}
	r.decrypts(first[1])

	// Three hours later they have expired, and the same command mends it.
	r.clock = func() time.Time { return time.Now().Add(3 * time.Hour) }
	later := command.FindStringSubmatch(r.run("token", "create", "--print-join-command", "--control-plane").is(t, 0, "[WARNING] commands that were printed earlier").out)
	if later == nil || later[1] == first[1] {
		t.Fatal("no new key")
	}
	r.decrypts(later[1])
	given := strings.Repeat("c4", 32)
	r.stdin = given
	o := objects(t, r.run("token", "create", "--print-join-command", "--control-plane", "--certificate-key", "-", "-o", "json").is(t, 0).out)
	if last := o[len(o)-1]; last["certificateKey"] != given || !strings.HasSuffix(last["joinCommand"].(string), given) {
		t.Errorf("as JSON: %v", last)
	}
	r.decrypts(given)
	// A command that cannot work is printed, since the certificates may be shared
	// afterwards, and said to be one.
	printed := []string{"token", "create", "--print-join-command", "--certificate-key"}
	if got := r.run(append(printed, given)...).is(t, 0); strings.Contains(got.stderr, "WARNING") {
		t.Errorf("a command that works is warned of:\n%s", got.stderr)
	}
	r.run(append(printed, strings.Repeat("d5", 32))...).is(t, 0, "[WARNING] ", "under another certificate key", "hint: clusteradm token create --print-join-command --control-plane")
	if err := r.store.Delete(t.Context(), kube.RefOf(manifests.SharedCerts(nil))); err != nil {
		t.Fatal(err)
	}
	r.run(append(printed, given)...).is(t, 0, "[WARNING] ", "are not there", "hint: clusteradm token create")
	r.run("token", "create", "--control-plane").is(t, 2, "--control-plane is for --print-join-command")
}

// Half of what it takes is on every worker, and a kubeconfig may be of any
// cluster: nothing may be changed then.
func TestTokenCreateForAControlPlaneElsewhere(t *testing.T) {
	t.Parallel()
	r, _ := haRunning(t)
	other, _ := haRunning(t)
	create := []string{"token", "create", "--print-join-command", "--control-plane"}
	replace := func(path, content string) func() {
		was, _ := r.machine.Content(path)
		r.machine.Put(path, content, 0o600)
		return func() { r.machine.Put(path, was, 0o600) }
	}
	for _, name := range []string{"ca.crt", "sa.key"} {
		was, _ := r.machine.Content("/etc/kubernetes/pki/" + name)
		if err := r.machine.Remove(t.Context(), "/etc/kubernetes/pki/"+name); err != nil {
			t.Fatal(err)
		}
		r.run(create...).is(t, 1, "this machine is no control plane: it has no /etc/kubernetes/pki/"+name, "hint: run it on a control plane")
		r.machine.Put("/etc/kubernetes/pki/"+name, was, 0o600)
	}
	theirs, _ := other.machine.Content("/etc/kubernetes/pki/ca.crt")
	back := replace("/etc/kubernetes/pki/ca.crt", theirs)
	r.run(create...).is(t, 1, "another authority than /etc/kubernetes/pki/ca.crt", "--kubeconfig /etc/kubernetes/admin.conf")
	back()
	back = replace("/etc/kubernetes/pki/ca.key", "no key")
	r.run(create...).is(t, 1, "check /etc/kubernetes/pki/ca.key")
	back()
	r.store.Before = func(verb string, ref kube.Ref) error {
		if verb == "create" && ref.Name == "kubeadm-certs" {
			return context.DeadlineExceeded
		}
		return nil
	}
	if got := r.run(create...).is(t, 1, "share certificates: "); strings.Contains(got.stderr, "rollback") || got.out != "" {
		t.Errorf("%s%s", got.out, got.stderr)
	}
	r.store.Before = nil
	if _, err := r.store.Get(t.Context(), kube.RefOf(manifests.SharedCerts(nil))); !apierrors.IsNotFound(err) {
		t.Errorf("the certificates were shared: %v", err)
	}
	if got := r.run("token", "list").is(t, 0).out; strings.Count(got, "authentication,signing") != 1 {
		t.Errorf("a token was made for nothing:\n%s", got)
	}
}
