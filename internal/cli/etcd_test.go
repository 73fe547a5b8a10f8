package cli_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/cri/critest"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/etcd/client"
	"github.com/clusteradm/clusteradm/internal/etcd/etcdtest"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
)

// connected is a fake that a command connects to and leaves.
type connected struct{ *etcdtest.Etcd }

func (connected) Close() {}

// etcdRig is a control plane whose etcd has the members cp1, cp2 and cp3, led by
// cp2.
func etcdRig(t *testing.T) (*rig, *etcdtest.Etcd) {
	r, _ := controlPlaneRig(t)
	e := etcdtest.New()
	for i, name := range []string{"cp2", "cp3", "cp1"} {
		address := []string{"192.0.2.11", "192.0.2.12", "192.0.2.10"}[i]
		m := etcd.Member{ID: uint64(0xa1 + (i+1)%3), Name: name, PeerURLs: []string{"https://" + address + ":2380"}, ClientURLs: []string{"https://" + address + ":2379"}}
		if i == 0 {
			e = etcdtest.New(m)
		}
		e.Add(m)
	}
	r.etcd = func(c client.Config) (session.Etcd, error) {
		if len(c.Endpoints) == 0 || len(c.CA) == 0 || c.Key.Empty() {
			t.Errorf("etcd is asked at %v without certificates", c.Endpoints)
		}
		return connected{e}, nil
	}
	return r, e
}

func TestEtcdStatus(t *testing.T) {
	t.Parallel()
	r, e := etcdRig(t)
	r.store.Put(kubetest.Object(t, "apiVersion: v1\nkind: Node\nmetadata: {name: n2}\nstatus: {addresses: [{type: InternalIP, address: 192.0.2.11}]}\n"))
	got := r.run("etcd", "status").is(t, 0, "3 voters, 3 healthy: 1 may fail", "3.6.8", "4.0Mi",
		"- member cp3 serves and has no Node: its machine joins just now, or its Node was deleted\n  hint: clusteradm reset   # on its machine, if that is to leave\n")
	for _, row := range [][]string{{"cp1", "a1", "follower", "ok", "cp1", "https://192.0.2.10:2379"}, {"cp2", "a2", "leader", "ok", "n2"}, {"cp3", "a3", "follower", "ok", "-"}} {
		if !hasRow(got.out, row) {
			t.Errorf("no row %v in\n%s", row, got.out)
		}
	}
	e.Fail(0xa3)
	r.run("etcd", "status").is(t, 0, "- member cp3 has no Node: its machine has left the cluster\n  hint: clusteradm etcd member remove cp3\n")
	r.store.Put(kubetest.Object(t, "apiVersion: v1\nkind: Node\nmetadata: {name: cp3}\n"))
	o := objects(t, r.run("etcd", "status", "-o", "json").is(t, 0).out)[0]
	quorum, list := o["quorum"].(map[string]any), o["members"].([]any)
	cp3 := list[2].(map[string]any)
	if o["kind"] != "etcd-status" || quorum["mayFail"] != 0.0 || quorum["voters"] != 3.0 || quorum["held"] != true || cp3["healthy"] != false || cp3["error"] == "" || cp3["id"] != "a3" {
		t.Errorf("as JSON: %v", o)
	}
	if findings := o["findings"].([]any); len(findings) != 1 || !strings.Contains(findings[0].(map[string]any)["hint"].(string), "clusteradm etcd member replace cp3") {
		t.Errorf("it finds %v", findings)
	}
	e.Fail(0xa2)
	r.run("etcd", "status").is(t, 1, "3 voters, 0 healthy and 2 needed: there is no quorum", "- member cp1 answers and knows no leader\n", "hint: journalctl -u kubelet -n 50   # on its machine", "error: etcd cannot write", "hint: journalctl -u kubelet")
	r.run("etcd", "members", "-o", "json").is(t, 0, `"kind":"etcd-members"`, `"peerURLs":["https://192.0.2.12:2380"]`)
	e.Fail(0xa1)
	r.run("etcd", "status").is(t, 1, "etcd does not answer", "hint: tail -n 20 /var/log/pods/kube-system_etcd-*")
}

// hasRow reports a line that has these words, in this order.
func hasRow(out string, words []string) bool {
	for line := range strings.Lines(out) {
		rest, all := line, true
		for _, word := range words {
			var ok bool
			if _, rest, ok = strings.Cut(rest, word); !ok {
				all = false
			}
		}
		if all {
			return true
		}
	}
	return false
}

func TestEtcdMemberRemove(t *testing.T) {
	t.Parallel()
	r, e := etcdRig(t)
	before := e.Snapshot()
	for _, args := range [][]string{{"bogus"}, {"a9"}} {
		r.run("etcd", "member", "remove", args[0]).is(t, 2, "etcd has no member", "cp1, cp2, cp3", "hint: clusteradm etcd members")
	}
	r.run("etcd", "member", "remove", "cp1").is(t, 1, "refused: it is the member of this machine", "hint: clusteradm reset")
	e.Fail(0xa3)
	r.run("etcd", "member", "remove", "cp2").is(t, 1, "remove etcd member cp2: refused: without cp2 etcd would have 2 voters, 1 healthy and 2 needed", "not healthy: cp3", "hint: clusteradm etcd status")
	r.run("etcd", "member", "remove", "cp3", "--dry-run").is(t, 0, "delete   member/remove@cp1: etcd member cp3 (a3) of 3", "nothing was changed")
	if e.Snapshot() != before {
		t.Fatalf("what was refused or shown changed something:\n%s", e.Snapshot())
	}
	got := r.run("etcd", "member", "remove", "A3").is(t, 0, "etcd member cp3 (a3) is removed; 2 voters, 2 healthy: none may fail")
	if strings.Contains(got.stderr, "WARNING") || strings.Contains(r.journal(), "etcd member") {
		t.Errorf("a dead member is warned of, or it was journalled:\n%s", got.stderr)
	}
	// The one that leads is led by another first, and is told to serve.
	r.run("etcd", "member", "remove", "cp2", "-o", "json").is(t, 0, "cp2 serves", `"quorum":{"voters":1,"needed":1,"healthy":1}`, `"allowed":true`)
	if after := e.Snapshot(); !strings.Contains(after, "leader 161") || strings.Contains(after, "cp2") {
		t.Errorf("etcd has\n%s", after)
	}
}

// Whose answer was lost has gone on; the same command goes on from there.
func TestEtcdSurvivesALostAnswer(t *testing.T) {
	t.Parallel()
	for k, code := range map[int]int{1: 0, 2: 6} { // the leader's hand-over is seen to be done; the removal by the real client
		r, e := etcdRig(t)
		e.LoseAnswerAt(k, etcd.ErrUnavailable)
		got := r.run("etcd", "member", "remove", "cp2").is(t, code)
		if strings.Contains(got.stderr, "rollback") {
			t.Errorf("a way back is promised:\n%s", got.stderr)
		}
		if code == 6 {
			r.run("etcd", "member", "remove", "cp2").is(t, 2, "etcd has no member")
		}
		if members, _ := e.Members(t.Context()); len(members) != 2 {
			t.Errorf("lost %d: %v", k, members)
		}
	}
}

func TestEtcdMoveLeader(t *testing.T) {
	t.Parallel()
	r, e := etcdRig(t)
	r.run("etcd", "move-leader", "--dry-run").is(t, 0, "update   leader/move@cp1: etcd leader: cp1 instead of cp2")
	r.run("etcd", "move-leader").is(t, 0, "cp1 leads etcd")
	r.run("etcd", "move-leader", "cp3", "-o", "json").is(t, 0, `"leader":{"id":"a3","name":"cp3"`, `"changed":1`)
	r.run("etcd", "move-leader", "cp3").is(t, 0, "cp3 leads etcd already")
	e.LoseAnswer(etcd.ErrUnavailable)
	r.run("etcd", "move-leader", "cp2").is(t, 0, "cp2 leads etcd")
	e.Fail(0xa1)
	r.run("etcd", "move-leader", "cp1").is(t, 1, "refused: cp1 does not serve")
	e.Fail(0xa3)
	r.run("etcd", "move-leader").is(t, 1, "refused: 3 voters, 0 healthy and 2 needed: there is no quorum, so nobody leads")
}

func TestEtcdDefrag(t *testing.T) {
	t.Parallel()
	r, e := etcdRig(t)
	for id, size := range map[uint64]int64{0xa1: 500 << 20, 0xa2: 400 << 20, 0xa3: 20 << 20} {
		e.Grow(id, size, 10<<20)
	}
	for _, args := range [][]string{{}, {"cp1", "--all"}} {
		r.run(append([]string{"etcd", "defrag"}, args...)...).is(t, 2, "name one member, or give --all")
	}
	dry := r.run("etcd", "defrag", "--all", "--dry-run").is(t, 0, "defrag/cp1@cp1: database of cp1: 500.0Mi, of which 10.0Mi hold data", "defrag/leader@cp1")
	if strings.Index(dry.out, "defrag/cp1@") > strings.Index(dry.out, "defrag/leader@") || strings.Index(dry.out, "defrag/leader@") > strings.Index(dry.out, "defrag/cp2@") {
		t.Errorf("the leader is not last, after it was moved:\n%s", dry.out)
	}
	got := r.run("etcd", "defrag", "--all").is(t, 0)
	for _, row := range [][]string{{"cp1", "500.0Mi", "10.0Mi", "10.0Mi"}, {"cp2", "400.0Mi", "10.0Mi", "10.0Mi"}, {"cp3", "passed over: 10.0Mi without use"}} {
		if !hasRow(got.out, row) {
			t.Errorf("no row %v in\n%s", row, got.out)
		}
	}
	r.run("etcd", "defrag", "cp3", "--min-free", "0", "-o", "json").is(t, 0, `"before":20971520`, `"after":10485760`)
	e.Grow(0xa1, 500<<20, 10<<20)
	e.Fail(0xa3)
	r.run("etcd", "defrag", "cp1").is(t, 1, "refused: while cp1 is away etcd would have 3 voters, 1 healthy and 2 needed", "not healthy: cp3")
	r.run("etcd", "defrag", "cp3").is(t, 1, "refused: cp3 does not answer")
}

func TestEtcdAlarms(t *testing.T) {
	t.Parallel()
	r, e := etcdRig(t)
	r.run("etcd", "alarms").is(t, 0, "no alarm is raised")
	r.run("etcd", "alarms", "disarm").is(t, 0, "no alarm is raised")
	e.Raise(etcd.Alarm{Member: 0xa2, Kind: etcd.NoSpace})
	r.run("etcd", "alarms", "list").is(t, 0, "NOSPACE of cp2: the database has reached its quota", "hint: clusteradm etcd defrag --all && clusteradm etcd alarms disarm")
	e.Grow(0xa2, 2<<30, 1<<30)
	r.run("etcd", "alarms", "disarm").is(t, 1, "refused: the database of cp2 has 2.0Gi of the 2.0Gi", "hint: clusteradm etcd defrag --all")
	e.Grow(0xa2, 1<<30, 1<<30)
	r.run("etcd", "alarms", "disarm", "--dry-run").is(t, 0, "etcd alarm NOSPACE of member cp2", "nothing was changed")
	r.run("etcd", "alarms", "disarm").is(t, 0, "no alarm is raised any more")
	e.Raise(etcd.Alarm{Member: 0xa1, Kind: etcd.Corrupt})
	r.run("etcd", "alarms", "disarm").is(t, 1, "refused: its data differ", "hint: clusteradm etcd member replace cp1")
	e.Raise(etcd.Alarm{Member: 0xfe, Kind: etcd.Corrupt})
	r.run("etcd", "alarms", "-o", "json").is(t, 0, `"alarm":"CORRUPT","id":"fe","means":`, `"remedy":"clusteradm etcd alarms disarm"`)
}

// replaced has the rig's kubelet run what the manifest of etcd says.
func replaced(r *rig, e *etcdtest.Etcd, runtime *critest.Runtime) {
	runs := func(runs bool) {
		runtime.AddSandbox(cri.Sandbox{ID: "9", Name: "etcd-cp1", Namespace: "kube-system", Ready: runs})
		runtime.AddContainer(cri.Container{ID: "c9", SandboxID: "9", Namespace: "kube-system", Pod: "etcd-cp1", Name: "etcd", Running: runs})
	}
	runs(true)
	r.machine.Put("/var/lib/etcd/member/wal/0.wal", "old", 0o600)
	r.machine.OnChange(func(path string) {
		manifest, there := r.machine.Content("/etc/kubernetes/manifests/etcd.yaml")
		if !strings.HasSuffix(path, "/etcd.yaml") {
			return
		}
		runs(there)
		if _, ok := r.machine.Content("/var/lib/etcd/member/wal/0.wal"); there && !ok && strings.Contains(manifest, "--initial-cluster-state=existing") {
			r.machine.Put("/var/lib/etcd/member/wal/0.wal", "new", 0o600)
			e.Start("cp1", "https://192.0.2.10:2380", "https://192.0.2.10:2379")
		}
	})
}

func TestEtcdMemberReplace(t *testing.T) {
	t.Parallel()
	r, e := etcdRig(t)
	replaced(r, e, r.runtime(containerdSocket))
	before := r.snapshot() + e.Snapshot()
	r.run("etcd", "member", "replace", "cp2").is(t, 2, "the member of this machine is cp1", "hint: run it on the member's machine")
	e.Fail(0xa3)
	r.run("etcd", "member", "replace", "cp1").is(t, 1, "replace etcd member cp1: refused: without cp1 etcd would have 2 voters, 1 healthy and 2 needed", "not healthy: cp3")
	e.Recover(0xa3)
	r.run("etcd", "member", "replace", "cp1", "--dry-run").is(t, 0, "leave/remove@cp1: etcd member cp1 (a1) of 3", "/var/lib/etcd/member is kept as /var/lib/etcd/member.replaced-")
	e.Raise(etcd.Alarm{Member: 0xa2, Kind: etcd.Corrupt})
	r.run("etcd", "member", "replace", "cp1").is(t, 1, "refused: the data of cp2 are corrupt too", "restore a backup")
	if err := e.Disarm(t.Context(), etcd.Alarm{Member: 0xa2, Kind: etcd.Corrupt}); err != nil {
		t.Fatal(err)
	}
	if after := r.snapshot() + e.Snapshot(); after != before {
		t.Fatalf("what was refused or shown changed something:\n%s", hosttest.Diff(before, after))
	}

	e.Raise(etcd.Alarm{Member: 0xa1, Kind: etcd.Corrupt})
	e.LoseAnswerAt(2, errors.New("connection reset")) // of the removal's alarm
	r.run("etcd", "member", "replace", "cp1").is(t, 6, "stopped part-way", "hint: run the same command again to go on")
	r.run("etcd", "member", "replace", "cp1").is(t, 0, "etcd member cp1 is rebuilt, as a4; 3 voters, 3 healthy: 1 may fail", "rm -r /var/lib/etcd/member.replaced-")
	if data, _ := r.machine.Content("/var/lib/etcd/member/wal/0.wal"); data != "new" {
		t.Errorf("its data are %q", data)
	}
	if _, ok := r.machine.Content("/var/lib/clusteradm/etcd-replacement.json"); ok {
		t.Error("the record is still there")
	}
	r.run("etcd", "alarms").is(t, 0, "no alarm is raised")
}

// Removed while its machine was away, it is built anew.
func TestEtcdMemberReplaceOfOneThatWasRemoved(t *testing.T) {
	t.Parallel()
	r, e := etcdRig(t)
	replaced(r, e, r.runtime(containerdSocket))
	if err := e.RemoveMember(t.Context(), 0xa1); err != nil {
		t.Fatal(err)
	}
	r.run("etcd", "member", "replace", "cp1", "-o", "json").is(t, 0, `"quorum":{"voters":3,"needed":2,"healthy":3}`, `"aside":"/var/lib/etcd/member.replaced-`)
}

func TestEtcdOfNoMachineOfIts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, args := range [][]string{{"status"}, {"members"}, {"move-leader"}, {"member", "remove", "cp1"}, {"member", "replace", "cp1"}, {"defrag", "--all"}, {"alarms"}} {
		r.run(append([]string{"etcd"}, args...)...).is(t, 1, "this machine has neither a member of it nor an API server", "hint: run it as root on a control plane, or on a machine of etcd's own")
	}
	r.machine.Put("/etc/kubernetes/manifests/etcd.yaml", "kind: Secret\n", 0o600)
	r.run("etcd", "status").is(t, 1, "it is not understood")
}

// With an etcd elsewhere it is asked as the API server asks it.
func TestEtcdElsewhere(t *testing.T) {
	t.Parallel()
	r, e := etcdRig(t)
	var asked client.Config
	r.etcd = func(c client.Config) (session.Etcd, error) { asked = c; return connected{e}, nil }
	manifest, _ := r.machine.Content("/etc/kubernetes/manifests/kube-apiserver.yaml")
	r.machine.Put("/etc/kubernetes/manifests/kube-apiserver.yaml", strings.NewReplacer("--etcd-servers=https://127.0.0.1:2379", "--etcd-servers=https://192.0.2.11:2379,https://192.0.2.12:2379").Replace(manifest), 0o600)
	if err := r.machine.Remove(t.Context(), "/etc/kubernetes/manifests/etcd.yaml"); err != nil {
		t.Fatal(err)
	}
	r.run("etcd", "status").is(t, 0, "3 voters")
	if len(asked.Endpoints) != 2 || asked.Key.Empty() || len(asked.CA) == 0 {
		t.Errorf("it was asked at %v", asked.Endpoints)
	}
	r.run("etcd", "member", "replace", "cp1").is(t, 2, "this machine has no member")
}
