package cli_test

import (
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/etcd/client"
	"github.com/clusteradm/clusteradm/internal/etcd/etcdtest"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
)

const etcdConfig = `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: 192.0.2.10}
nodeRegistration: {name: e1}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
encryptionAlgorithm: ECDSA-P256
`

// lentEtcd is a fake that a command asks and leaves.
type lentEtcd struct{ *etcdtest.Etcd }

func (lentEtcd) Close() {}

// etcdMachine is a machine whose kubelet starts etcd, and who was asked.
func etcdMachine(t *testing.T, members ...etcd.Member) (*rig, *etcdtest.Etcd, *client.Config) {
	t.Helper()
	r := bareRig(t, "e1")
	r.files["e.yaml"] = etcdConfig
	e, asked := etcdtest.New(members...), &client.Config{}
	r.etcd = func(c client.Config) (session.Etcd, error) { *asked = c; return lentEtcd{e}, nil }
	r.dial = func(string) (net.Conn, error) { return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED} }
	r.machine.AddUnit(hosttest.Unit{Name: "kubelet.service", OnStart: func(m *hosttest.Machine) error {
		manifest, _ := m.Content(cluster.ManifestsDir + "/etcd.yaml")
		const peer, serves = "https://192.0.2.10:2380", "https://192.0.2.10:2379"
		switch {
		case !strings.Contains(manifest, "--name=e1"):
			return errors.New("there is no manifest")
		case strings.Contains(manifest, "existing"):
			e.Start("e1", peer, serves)
		default:
			e.Add(etcd.Member{ID: 1, Name: "e1", PeerURLs: []string{peer}, ClientURLs: []string{serves}})
		}
		m.Put("/var/lib/etcd/member/wal/0.wal", "", 0o600)
		m.Listen(hosttest.Listener{Addr: "*", Port: 2379, Process: "etcd", PID: 7})
		return nil
	}})
	return r, e, asked
}

func TestEtcdInit(t *testing.T) {
	t.Parallel()
	r, _, asked := etcdMachine(t)
	bare := r.snapshot()
	r.run("etcd", "init", "--config", "e.yaml", "--dry-run").is(t, 0, "create   kubelet-start/drop-in@e1", "nothing was changed")
	if diff := hosttest.Diff(bare, r.snapshot()); diff != "" {
		t.Fatalf("a dry run changed\n%s", diff)
	}
	r.run("etcd", "init", "phase", "certs", "etcd-ca", "--config", "e.yaml").is(t, 0, "created /etc/kubernetes/pki/etcd/ca.crt")
	r.run("etcd", "init", "--config", "e.yaml").is(t, 0, "member e1, at https://192.0.2.10:2379", "clusteradm etcd join https://192.0.2.10:2379", "/etc/kubernetes/pki/etcd/ca.key HOST:")
	if !slices.Equal(asked.Endpoints, []string{"https://192.0.2.10:2379"}) || len(asked.CA) == 0 || asked.Key.Empty() {
		t.Errorf("etcd was asked at %v", asked.Endpoints)
	}
	after := r.snapshot()
	r.run("etcd", "init", "--config", "e.yaml").is(t, 0, "nothing to change")
	last := objects(t, r.run("etcd", "init", "--config", "e.yaml", "-o", "json").is(t, 0).out)
	if o := last[len(last)-1]; o["kind"] != "result" || o["member"] != "e1" || o["endpoint"] != "https://192.0.2.10:2379" {
		t.Errorf("the result is %v", o)
	}
	if diff := hosttest.Diff(after, r.snapshot()); diff != "" {
		t.Errorf("a second init changed\n%s", diff)
	}
	// A newer etcd is no matter of running the command again.
	r.run("etcd", "init", "--config", "e.yaml", "--kubernetes-version", "v1.35.4").is(t, 3, "etcd runs with other settings than these", "update   etcd/local/etcd@e1")
	if diff := hosttest.Diff(after, r.snapshot()); diff != "" {
		t.Errorf("an init with other settings changed\n%s", diff)
	}
	// What it has of a node it is none for.
	r.run("init", "--config", "e.yaml").is(t, 4, "runs etcd for others")
	r.run("reset", "--force").is(t, 0, "20-etcd-service-manager.conf", "has nothing of its cluster any more")
	r.machine.Unlisten("etcd")
	for _, gone := range []string{"/etc/kubernetes/pki", "etcd.yaml", "/var/lib/etcd", cluster.KubeletDropInDir, "active=true"} {
		if strings.Contains(r.machine.Snapshot(journals), gone) {
			t.Errorf("after the reset there is still %s", gone)
		}
	}
}

func TestEtcdInitRefuses(t *testing.T) {
	t.Parallel()
	r, _, _ := etcdMachine(t)
	r.files["ext.yaml"] = etcdConfig + "etcd: {external: {endpoints: [\"https://192.0.2.1:2379\"]}}\n"
	r.run("etcd", "init", "--config", "ext.yaml").is(t, 2, "etcd.external says where control planes find etcd")
	r.run("etcd", "init", "x").is(t, 2)
	r.machine.Put(cluster.KubeletConf, "", 0o600)
	r.run("etcd", "init", "--config", "e.yaml").is(t, 4, "is a node of a cluster")
}

func TestEtcdClientCertificate(t *testing.T) {
	t.Parallel()
	r, e, asked := etcdMachine(t)
	r.run("etcd", "client-certificate", "--config", "e.yaml").is(t, 1, "there is no /etc/kubernetes/pki/etcd/ca.crt", "hint: clusteradm etcd init")
	r.run("etcd", "init", "--config", "e.yaml").is(t, 0)
	e.Add(etcd.Member{ID: 3, Name: "e3", ClientURLs: []string{"https://192.0.2.3:2379"}})
	e.Add(etcd.Member{ID: 2, Name: "e2", ClientURLs: []string{"https://192.0.2.2:2379"}})
	e.Add(etcd.Member{ID: 4, Name: "e4", ClientURLs: []string{"https://192.0.2.4:2379"}, Learner: true})
	for _, file := range []string{".crt", ".key"} {
		if err := r.machine.Remove(t.Context(), "/etc/kubernetes/pki/apiserver-etcd-client"+file); err != nil {
			t.Fatal(err)
		}
	}
	const stanza = `etcd:
  external:
    endpoints:
    - https://192.0.2.10:2379
    - https://192.0.2.2:2379
    - https://192.0.2.3:2379
    caFile: /etc/kubernetes/pki/etcd/ca.crt
    certFile: /etc/kubernetes/pki/apiserver-etcd-client.crt
    keyFile: /etc/kubernetes/pki/apiserver-etcd-client.key
`
	got := r.run("etcd", "client-certificate").is(t, 0, "created /etc/kubernetes/pki/apiserver-etcd-client.key")
	if !strings.HasSuffix(got.out, stanza) || strings.Contains(got.out, "PRIVATE") {
		t.Errorf("it prints\n%s", got.out)
	}
	if !slices.Contains(asked.Endpoints, "https://127.0.0.1:2379") {
		t.Errorf("the member here was asked at %v", asked.Endpoints)
	}
	// What it prints is what init reads.
	r.files["cp.yaml"] = etcdConfig + got.out
	r.run("config", "validate", "--config", "cp.yaml").is(t, 0)
	o := objects(t, r.run("etcd", "client-certificate", "-o", "json").is(t, 0).out)
	if last := o[len(o)-1]; last["kind"] != "external-etcd" || len(last["external"].(map[string]any)["endpoints"].([]any)) != 3 {
		t.Errorf("as JSON: %v", last)
	}
}

// Of what only a control plane has nothing is missed here.
func TestCertsOfAnEtcdMachine(t *testing.T) {
	t.Parallel()
	r, _, _ := etcdMachine(t)
	r.run("etcd", "init", "--config", "e.yaml", "--cert-dir", "/srv/pki").is(t, 0)
	got := r.run("certs", "check-expiration").is(t, 0, "etcd-server", "etcd-healthcheck-client", "apiserver-etcd-client", "etcd-ca")
	if strings.Contains(got.out, "MISSING") || strings.Contains(got.stderr, "cannot be read") {
		t.Errorf("it says\n%s%s", got.out, got.stderr)
	}
	before, _ := r.machine.Content("/srv/pki/etcd/healthcheck-client.crt")
	got = r.run("certs", "renew", "etcd-healthcheck-client").is(t, 0, "renewed etcd-healthcheck-client")
	if after, _ := r.machine.Content("/srv/pki/etcd/healthcheck-client.crt"); after == before || got.stderr == "" {
		t.Error("it was not renewed")
	}
	r.run("certs", "renew", "apiserver").is(t, 1, "this machine runs etcd alone and has none")
}

func TestEtcdJoin(t *testing.T) {
	t.Parallel()
	first, _, _ := etcdMachine(t)
	first.run("etcd", "init", "--config", "e.yaml").is(t, 0)
	other := etcd.Member{ID: 9, Name: "e0", PeerURLs: []string{"https://192.0.2.9:2380"}, ClientURLs: []string{"https://192.0.2.9:2379"}}
	r, e, _ := etcdMachine(t, other)
	join := func(flags ...string) []string {
		return append([]string{"etcd", "join", "192.0.2.9", "--config", "e.yaml"}, flags...)
	}
	r.run("etcd", "join").is(t, 2)
	r.run("etcd", "join", "http://192.0.2.9").is(t, 2, "is no endpoint of etcd")
	r.run(join()...).is(t, 1, "there is no /etc/kubernetes/pki/etcd/ca.crt", "hint: scp HOST:")
	for _, file := range []string{"ca.crt", "ca.key"} {
		content, _ := first.machine.Content("/etc/kubernetes/pki/etcd/" + file)
		r.machine.Put("/etc/kubernetes/pki/etcd/"+file, content, 0o600)
	}
	before := r.snapshot() + e.Snapshot()
	unchanged := func(what string) {
		t.Helper()
		if diff := hosttest.Diff(before, r.snapshot()+e.Snapshot()); diff != "" {
			t.Errorf("%s changed\n%s", what, diff)
		}
	}
	r.run(join("--dry-run")...).is(t, 0, "create   etcd-member/learner@e1: etcd member https://192.0.2.10:2380", "nothing was changed")
	unchanged("a dry run")
	r.run(join("--node-name", "e0")...).is(t, 1, "another member is called e0, at https://192.0.2.9:2380", "--node-name NAME")
	e.Fail(9)
	r.run(join()...).is(t, 1, "ask https://192.0.2.9:2379 for its members", "etcd does not answer")
	unchanged("a join that etcd did not answer")

	r, e, asked := etcdMachine(t, other)
	for _, file := range []string{"ca.crt", "ca.key"} {
		content, _ := first.machine.Content("/etc/kubernetes/pki/etcd/" + file)
		r.machine.Put("/etc/kubernetes/pki/etcd/"+file, content, 0o600)
	}
	r.run(join()...).is(t, 0, "runs etcd as member e1", "etcd member https://192.0.2.10:2380: it gets its vote")
	if asked.Endpoints[0] != "https://192.0.2.9:2379" {
		t.Errorf("etcd was asked at %v", asked.Endpoints)
	}
	members, err := e.Members(t.Context())
	if err != nil || len(members) != 2 || members[1].Learner && members[0].Learner {
		t.Fatalf("etcd has %+v: %v", members, err)
	}
	r.run(join()...).is(t, 0, "nothing to change")
	r.run("etcd", "init", "--config", "e.yaml").is(t, 4, "the etcd of this machine joined others")

	// Its member was removed meanwhile: what it has is of no use.
	self := members[slices.IndexFunc(members, func(m etcd.Member) bool { return m.Name == "e1" })]
	if err := e.RemoveMember(t.Context(), self.ID); err != nil {
		t.Fatal(err)
	}
	r.run(join()...).is(t, 1, "etcd has no more: it was removed", "hint: clusteradm reset")
}

// A machine that lost its disk finds its own member there.
func TestEtcdJoinOfAMemberWithoutItsData(t *testing.T) {
	t.Parallel()
	first, _, _ := etcdMachine(t)
	first.run("etcd", "init", "--config", "e.yaml").is(t, 0)
	r, _, _ := etcdMachine(t, etcd.Member{ID: 9, Name: "e0", PeerURLs: []string{"https://192.0.2.9:2380"}},
		etcd.Member{ID: 8, Name: "e1", PeerURLs: []string{"https://192.0.2.10:2380"}})
	for _, file := range []string{"ca.crt", "ca.key"} {
		content, _ := first.machine.Content("/etc/kubernetes/pki/etcd/" + file)
		r.machine.Put("/etc/kubernetes/pki/etcd/"+file, content, 0o600)
	}
	r.run("etcd", "join", "https://192.0.2.9:2379/", "--config", "e.yaml").is(t, 1, "a member e1 at this machine's address, whose data are not here", "hint: clusteradm etcd member remove e1")
}
