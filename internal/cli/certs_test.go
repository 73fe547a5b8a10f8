package cli_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

// initialized is a rig on which init has run.
func initialized(t *testing.T) *rig {
	r := newRig(t)
	r.run("init", "--config", "c.yaml").is(t, 0)
	return r
}

func (r *rig) conf(path string) pki.Kubeconfig {
	r.t.Helper()
	content, _ := r.machine.Content(path)
	k, err := pki.DecodeKubeconfig(secret.NewBytes([]byte(content)))
	if err != nil {
		r.t.Fatal(err)
	}
	return k
}

func TestCheckExpiration(t *testing.T) {
	t.Parallel()
	r := initialized(t)
	before := r.snapshot()
	r.run("certs", "check-expiration").is(t, 0, "CERTIFICATE AUTHORITY   EXPIRES", "apiserver-etcd-client", "364d", "9y", "kubelet-client",
		"kube-apiserver            192.0.2.10:6443", "the same", "!NO ANSWER!", "etcd: ask 127.0.0.1:2379 for its certificate")
	var got struct {
		Kind                                 string
		Certificates, CertificateAuthorities []struct {
			Name, Serial, CAName string
			ResidualTime         int
			ExternallyManaged    bool
		}
		Served []struct {
			By, Serial, DiskSerial string
			Stale                  bool
		}
	}
	if err := json.Unmarshal([]byte(r.run("certs", "check-expiration", "-o", "json").is(t, 0).out), &got); err != nil {
		t.Fatal(err)
	}
	if got.Kind != "certificates" || len(got.Certificates) != 12 || len(got.CertificateAuthorities) != 3 || len(got.Served) != 6 {
		t.Errorf("got %+v", got)
	}
	if c := got.Certificates[1]; c.Name != "apiserver" || c.CAName != "ca" || c.ResidualTime < 364*24*3600 || c.Serial == "" || c.ExternallyManaged {
		t.Errorf("apiserver: %+v", c)
	}
	for _, s := range got.Served {
		if s.By == "kube-apiserver" && (s.Serial != s.DiskSerial || s.Serial == "" || s.Stale) {
			t.Errorf("the API server: %+v", s)
		}
	}
	if r.snapshot() != before {
		t.Error("looking changed the machine")
	}
}

// It is most wanted when nothing works any more.
func TestCheckExpirationOfWhatIsBroken(t *testing.T) {
	t.Parallel()
	r := initialized(t)
	r.store.Down(true)
	r.kubelet(nil) // not started
	r.machine.Put("/etc/kubernetes/pki/apiserver.crt", "junk", 0o644)
	for _, path := range []string{"/etc/kubernetes/admin.conf", "/etc/kubernetes/pki/etcd/peer.crt", "/etc/kubernetes/pki/ca.key"} {
		if err := r.machine.Remove(t.Context(), path); err != nil {
			t.Fatal(err)
		}
	}
	r.run("certs", "check-expiration").is(t, 0, "!DAMAGED!", "!MISSING! etcd-peer", "!MISSING! admin.conf", "yes",
		"apiserver (/etc/kubernetes/pki/apiserver.crt): no certificate in it", "configuration cannot be read")
}

func TestRenewByName(t *testing.T) {
	t.Parallel()
	r := initialized(t)
	before, manifest := r.conf(cluster.AdminConf), r.snapshot()
	r.run("certs", "renew", "admin.conf", "--dry-run").is(t, 0, "update   files/admin.conf@cp1", "certs renew admin.conf: 1 changes; nothing was changed")
	if r.snapshot() != manifest {
		t.Error("a dry run changed the machine")
	}
	r.run("certs", "renew", "admin.conf").is(t, 0, "renewed admin.conf\n")
	after := r.conf(cluster.AdminConf)
	if string(before.Cert) == string(after.Cert) || before.Key.Equal(after.Key) || after.User != "kubernetes-admin" || after.Server != before.Server {
		t.Errorf("admin.conf is %+v", after)
	}
	out := r.run("certs", "renew", "super-admin.conf", "admin.conf", "etcd-healthcheck-client", "-o", "json").is(t, 0).out
	list := objects(t, out)
	result := list[len(list)-1]
	if renewed, _ := result["renewed"].([]any); result["kind"] != "result" || len(renewed) != 3 {
		t.Errorf("got %v", result)
	}
	if string(r.conf(cluster.AdminConf).Cert) == string(after.Cert) {
		t.Error("a completed renewal is gone on with")
	}
}

// The configuration is the cluster's, or a file's.
func TestRenewIsValidAsConfigured(t *testing.T) {
	t.Parallel()
	r := initialized(t)
	valid := func() time.Duration {
		leaf, err := pki.Leaf(r.conf(cluster.AdminConf).Cert)
		if err != nil {
			t.Fatal(err)
		}
		return time.Until(leaf.NotAfter).Round(time.Hour)
	}
	r.files["short.yaml"] = strings.Replace(initConfig, "encryptionAlgorithm:", "certificateValidityPeriod: 48h\nencryptionAlgorithm:", 1)
	r.run("certs", "renew", "admin.conf", "--config", "short.yaml").is(t, 0)
	if got := valid(); got != 48*time.Hour {
		t.Errorf("with a file: %s", got)
	}
	out := r.run("certs", "renew", "admin.conf", "--kubeconfig", cluster.SuperAdminConf).is(t, 0)
	if got := valid(); got != 8760*time.Hour || strings.Contains(out.stderr, "cannot be read") {
		t.Errorf("with the cluster's: %s\n%s", got, out.stderr)
	}
	r.run("certs", "renew", "admin.conf", "--config", "none.yaml").is(t, 2, "none.yaml")
}

func TestRenewRefuses(t *testing.T) {
	t.Parallel()
	r := initialized(t)
	r.run("certs", "renew").is(t, 2, "hint: clusteradm certs renew --help")
	r.run("certs", "renew", "kubelet.conf").is(t, 2, "there is no such certificate", "apiserver-etcd-client")
	r.run("certs", "renew", "all", "apiserver").is(t, 2, "all is all")
	if err := r.machine.Remove(t.Context(), cluster.SuperAdminConf); err != nil {
		t.Fatal(err)
	}
	if err := r.machine.Remove(t.Context(), "/etc/kubernetes/pki/front-proxy-ca.key"); err != nil {
		t.Fatal(err)
	}
	r.run("certs", "renew", "super-admin.conf").is(t, 1, "renew super-admin.conf: there is none", "hint: clusteradm certs check-expiration")
	r.run("certs", "renew", "front-proxy-client").is(t, 1, "ca front-proxy-ca is external")
	r.machine.Put("/etc/kubernetes/pki/apiserver.crt", "junk", 0o644)
	before := r.snapshot()
	r.run("certs", "renew", "all").is(t, 1, "/etc/kubernetes/pki/apiserver.crt: no certificate in it")
	if r.snapshot() != before {
		t.Error("something was written")
	}
}

// What reads its certificate once is restarted, and nothing else.
func TestRenewRestarts(t *testing.T) {
	t.Parallel()
	r := initialized(t)
	add := func(name, id string) {
		r.machine.Put("/run/clock", "", 0o600)
		info, err := r.machine.Stat(t.Context(), "/run/clock")
		if err != nil {
			t.Fatal(err)
		}
		r.containers.AddContainer(cri.Container{ID: id, Name: name, Pod: name + "-cp1", Namespace: "kube-system", Running: true, Created: info.Changed})
	}
	var stopped []string
	r.containers.Restarted = func(c cri.Container) {
		stopped = append(stopped, c.Name)
		add(c.Name, c.ID+" again")
	}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		add(name, name)
	}
	r.run("certs", "renew", "scheduler.conf", "controller-manager.conf", "front-proxy-client", "--dry-run").is(t, 0,
		"restart  kube-controller-manager/pod@cp1: kube-controller-manager: /etc/kubernetes/controller-manager.conf is to be changed")
	if len(stopped) > 0 {
		t.Errorf("a dry run stopped %v", stopped)
	}
	r.run("certs", "renew", "scheduler.conf", "controller-manager.conf", "front-proxy-client", "apiserver").is(t, 0, "renewed apiserver\n")
	if got := strings.Join(stopped, " "); got != "kube-controller-manager kube-scheduler" {
		t.Errorf("restarted: %s", got)
	}
}

// A renewal that stopped part-way goes on: what it has written stays, for an
// hour. Here the container runtime does not answer.
func TestRenewGoesOn(t *testing.T) {
	t.Parallel()
	r := initialized(t)
	r.containers.Down()
	r.run("certs", "renew", "all").is(t, 6, "run the same command again to go on")
	first := r.conf(cluster.SchedulerConf)
	r.run("certs", "renew", "all").is(t, 1, "container runtime does not answer")
	if string(r.conf(cluster.SchedulerConf).Cert) != string(first.Cert) {
		t.Error("what the interrupted run has written is made anew")
	}
	r.run("certs", "renew", "scheduler.conf").is(t, 6, "clusteradm certs renew all was interrupted")
	if string(r.conf(cluster.SchedulerConf).Cert) == string(first.Cert) {
		t.Error("another renewal goes on with the interrupted one")
	}
	second := r.conf(cluster.SchedulerConf)
	r.clock = func() time.Time { return time.Now().Add(2 * time.Hour) }
	r.run("certs", "renew", "scheduler.conf").is(t, 6)
	if string(r.conf(cluster.SchedulerConf).Cert) == string(second.Cert) {
		t.Error("one of two hours ago is gone on with")
	}
	if strings.Contains(r.journal(), "PRIVATE KEY") || strings.Contains(r.journal(), "client-key-data") {
		t.Error("the journal holds a key")
	}
}

// With an external etcd its certificates are none of ours, also when only the
// manifest of the API server tells.
func TestRenewWithAnExternalEtcd(t *testing.T) {
	t.Parallel()
	r := initialized(t)
	r.store.Down(true)
	if err := r.machine.Remove(t.Context(), cluster.ManifestsDir+"/etcd.yaml"); err != nil {
		t.Fatal(err)
	}
	r.run("certs", "renew", "etcd-server").is(t, 1, "renew etcd-server: etcd is external", "configuration cannot be read")
	r.run("certs", "renew", "admin.conf").is(t, 0, "renewed admin.conf")
}

// Taken back, the files are those of before.
func TestRenewIsTakenBack(t *testing.T) {
	t.Parallel()
	r := initialized(t)
	r.containers.Down()
	before := r.snapshot()
	r.run("certs", "renew", "all").is(t, 6)
	if r.snapshot() == before {
		t.Fatal("nothing was written")
	}
	r.run("rollback").is(t, 0)
	if r.snapshot() != before {
		t.Error("the files are others than before")
	}
}

func TestKubeconfigUser(t *testing.T) {
	t.Parallel()
	r := initialized(t)
	before := r.snapshot()
	out := r.run("kubeconfig", "user", "--client-name", "alice", "--org", "developers,testers", "--validity-period", "24h").is(t, 0).out
	k, err := pki.DecodeKubeconfig(secret.NewBytes([]byte(out)))
	if err != nil || k.User != "alice" || k.Server != "https://192.0.2.10:6443" || k.Cluster != "kubernetes" {
		t.Fatalf("got %+v, %v", k, err)
	}
	leaf, err := pki.Leaf(k.Cert)
	if err != nil || leaf.Subject.CommonName != "alice" || len(leaf.Subject.Organization) != 2 || time.Until(leaf.NotAfter) > 25*time.Hour {
		t.Errorf("got %+v, %v", leaf, err)
	}
	ca, _ := r.machine.Content("/etc/kubernetes/pki/ca.crt")
	spec := pki.KubeconfigSpec{Server: k.Server, Client: pki.Spec{CA: "ca", CommonName: "alice", Usages: []pki.Usage{pki.ClientAuth}}}
	if err := pki.ValidKubeconfig(spec, secret.NewBytes([]byte(out)), []byte(ca), time.Now()); err != nil {
		t.Error(err)
	}
	r.stdin = "opaque\n"
	token := r.run("kubeconfig", "user", "--client-name", "bob", "--token", "-", "-o", "json").is(t, 0)
	object := objects(t, token.out)[0]
	content, _ := object["content"].(string)
	if k, err := pki.DecodeKubeconfig(secret.NewBytes([]byte(content))); err != nil || k.Token.Reveal() != "opaque" || k.User != "bob" || object["kind"] != "kubeconfig" {
		t.Errorf("got %v, %v", object, err)
	}
	r.run("kubeconfig", "user", "--client-name", "x", "--validity-period", "10000h").is(t, 0, "valid for longer than a year")
	r.run("kubeconfig", "user").is(t, 2, "--client-name is needed")
	r.run("kubeconfig", "user", "--client-name", "x", "--validity-period", "-1h").is(t, 2, "no time at all")
	r.run("kubeconfig", "user", "--client-name", "x", "--token", "t", "--org", "o").is(t, 2, "--org is of a certificate")
	if err := r.machine.Remove(t.Context(), "/etc/kubernetes/pki/ca.key"); err != nil {
		t.Fatal(err)
	}
	r.run("kubeconfig", "user", "--client-name", "x").is(t, 1, "ca.key")
	r.machine.Put("/etc/kubernetes/pki/ca.key", "x", 0o600)
	if strings.Contains(before, "alice") {
		t.Error("it is kept somewhere")
	}
}

func TestGenerateCSR(t *testing.T) {
	r := newRig(t)
	args := []string{"certs", "generate-csr", "--config", "c.yaml", "--cert-dir", "/x/pki", "--kubeconfig-dir", "/x"}
	empty := r.snapshot()
	r.run(append(args, "--dry-run")...).is(t, 0, "create   requests/apiserver.key@cp1")
	if r.snapshot() != empty {
		t.Error("a dry run changed the machine")
	}
	if err := r.machine.Mkdir(t.Context(), "/x", host.Attr{Mode: 0o700, UID: 1000, GID: 1000}); err != nil { // somebody's home
		t.Fatal(err)
	}
	first := r.run(args...).is(t, 0, "/x/pki/apiserver.csr\n", "/x/pki/etcd/peer.csr\n", "/x/scheduler.conf.csr\n")
	if n := strings.Count(first.out, ".csr\n"); n != 12 {
		t.Errorf("%d requests", n)
	}
	if info, err := r.machine.Stat(t.Context(), "/x"); err != nil || info.Mode.Perm() != 0o700 || info.UID != 1000 {
		t.Errorf("the directory that was there is %+v, %v", info, err)
	}
	before := r.snapshot()
	r.run(args...).is(t, 0)
	if r.snapshot() != before {
		t.Error("a second run makes others")
	}
}

// Not parallel: it changes the working directory.
func TestGenerateCSRInTheWorkingDirectory(t *testing.T) {
	r := newRig(t)
	here := t.TempDir()
	t.Chdir(here)
	r.run("certs", "generate-csr", "--config", "c.yaml", "--cert-dir", "csr/pki", "--kubeconfig-dir", "csr").is(t, 0, here+"/csr/pki/apiserver.csr\n", here+"/csr/admin.conf.csr\n")
}

func TestCertificateKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first, second := r.run("certs", "certificate-key").is(t, 0).out, r.run("certs", "certificate-key").is(t, 0).out
	if !regexp.MustCompile(`^[0-9a-f]{64}\n$`).MatchString(first) || first == second {
		t.Errorf("got %q and %q", first, second)
	}
	object := objects(t, r.run("certs", "certificate-key", "-o", "json").is(t, 0).out)[0]
	if key, _ := object["certificateKey"].(string); len(key) != 64 {
		t.Errorf("got %v", object)
	}
}

// A kubelet that joined calls its user default-auth, and its machine may have
// another name than its node.
func TestRenewKnowsTheNodeOfAKubeletThatJoined(t *testing.T) {
	r := newRig(t)
	r.run("init", "--config", "c.yaml", "--node-name", "n7").is(t, 0)
	conf, _ := r.machine.Content(cluster.KubeletConf)
	r.machine.Put(cluster.KubeletConf, strings.ReplaceAll(conf, "system:node:n7", "default-auth"), 0o600)
	if err := r.machine.Remove(t.Context(), cluster.KubeletClientPEM); err != nil {
		t.Fatal(err)
	}
	r.containers.Down() // it ends after the files
	r.run("certs", "renew", "all").is(t, 6)
	client, _ := r.machine.Content("/var/lib/kubelet/pki/kubelet-client-init.pem")
	if cert, err := pki.Leaf([]byte(client)); err != nil || cert.Subject.CommonName != "system:node:n7" {
		t.Errorf("it is %+v, %v", cert, err)
	}
}
