package cli_test

import (
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/cri/critest"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
)

// controlPlaneRig is a machine on which init made a control plane, with a pod.
func controlPlaneRig(t *testing.T) (*rig, *critest.Runtime) {
	r := newRig(t)
	runtime := r.runtime(containerdSocket)
	r.run("init", "--config", "c.yaml").is(t, 0)
	runtime.AddSandbox(cri.Sandbox{ID: "1", Name: "etcd-cp1", Namespace: "kube-system", Ready: true})
	return r, runtime
}

func TestReset(t *testing.T) {
	t.Parallel()
	r, runtime := controlPlaneRig(t)
	r.machine.Put("/etc/kubernetes/audit.yaml", "of a user", 0o600)
	before, pods := r.snapshot(), runtime.Snapshot()
	unchanged := func(what string) {
		t.Helper()
		if diff := hosttest.Diff(before, r.snapshot()); diff != "" || runtime.Snapshot() != pods {
			t.Fatalf("%s changed something:\n%s", what, diff)
		}
	}
	r.run("reset", "--dry-run").is(t, 0, "stop     cleanup-node/kubelet@cp1: kubelet.service is active", "-pod kube-system/etcd-cp1",
		"-/etc/kubernetes/pki/ca.key", "-/etc/kubernetes/manifests/kube-apiserver.yaml", "-/etc/kubernetes/admin.conf", "nothing was changed")
	unchanged("a dry run")
	r.run("reset").is(t, 2, "there is no terminal to ask on", "clusteradm reset --force")
	unchanged("a reset that nobody confirmed")
	first := r.run("reset", "--force").is(t, 0, "/etc/kubernetes/audit.yaml", "~/.kube/config")
	if strings.Contains(first.out, "ca.key") {
		t.Errorf("it says that it left a key:\n%s", first.out)
	}
	after := r.machine.Snapshot(journals)
	for _, gone := range []string{"/etc/kubernetes/pki", ".conf ", "kube-apiserver", "/var/lib/kubelet/", "/var/lib/etcd", "active=true"} {
		if strings.Contains(after, gone) {
			t.Errorf("there is still %s:\n%s", gone, after)
		}
	}
	if strings.Contains(runtime.Snapshot(), "sandbox") {
		t.Errorf("the pod is still there: %s", runtime.Snapshot())
	}
	r.run("reset").is(t, 0, "reset: nothing to do", "/etc/kubernetes/audit.yaml")
	again := objects(t, r.run("reset", "-o", "json").is(t, 0).out)
	if last := again[len(again)-1]; last["kind"] != "result" || last["changed"] != 0.0 || len(last["left"].([]any)) != 1 {
		t.Errorf("the result is %v", last)
	}
	r.run("rollback", "--run", latestRun(r.run("rollback", "--dry-run").out)).is(t, 1, "what a reset removed is not kept")
	r.machine.Unlisten("kube-apiserver") // it went with its pod
	r.store.Down(true)
	r.run("init", "--config", "c.yaml").is(t, 0, "init: done")
}

func TestResetAsksOnATerminal(t *testing.T) {
	t.Parallel()
	r, _ := controlPlaneRig(t)
	r.terminal = true
	before := r.snapshot()
	for _, answer := range []string{"n\n", "\n", "", "yes, why\n"} {
		r.stdin = answer
		r.run("reset").is(t, 1, "Reset this machine? [y/N]", "not confirmed")
	}
	if diff := hosttest.Diff(before, r.snapshot()); diff != "" {
		t.Fatalf("it was not confirmed and changed:\n%s", diff)
	}
	r.stdin = "Y\n"
	r.run("reset").is(t, 0, "nothing of its cluster")
}

// What would be lost, or run on, is for the user to decide, and --force, which
// scripts give, is no decision.
func TestResetRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*rig, *critest.Runtime)
		check  string
	}{
		"an etcd that does not answer": {func(r *rig, _ *critest.Runtime) {
			r.machine.Put("/var/lib/etcd/member/wal/0.wal", "data", 0o600)
		}, "EtcdQuorum"},
		"a runtime that does not answer": {func(_ *rig, runtime *critest.Runtime) { runtime.Down() }, "CRI"},
	} {
		r, runtime := controlPlaneRig(t)
		c.change(r, runtime)
		before := r.snapshot()
		r.run("reset", "--force").is(t, 4, "[ERROR "+c.check+"]", "--ignore-preflight-errors="+c.check)
		if diff := hosttest.Diff(before, r.snapshot()); diff != "" {
			t.Errorf("%s: it changed:\n%s", name, diff)
		}
		r.run("reset", "--force", "--ignore-preflight-errors", c.check).is(t, 0, "[WARNING "+c.check+"]")
		if after := r.machine.Snapshot(); strings.Contains(after, "/var/lib/etcd") || strings.Contains(after, "admin.conf") {
			t.Errorf("%s, ignored: there is still\n%s", name, after)
		}
	}
}

// Without the phase that removes the member its data stay, as with kubeadm.
func TestResetWithoutItsEtcdPhaseKeepsTheData(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"reset", "--force", "--skip-phases", "remove-etcd-member"}, {"reset", "phase", "cleanup-node"}} {
		r, _ := controlPlaneRig(t)
		r.machine.Put("/var/lib/etcd/member/wal/0.wal", "data", 0o600)
		r.run(args...).is(t, 0, "The data of etcd stay in /var/lib/etcd")
		if data, _ := r.machine.Content("/var/lib/etcd/member/wal/0.wal"); data != "data" {
			t.Errorf("%v: the data are %q", args, data)
		}
	}
}

// A part that cleans nothing up says nothing of what is there: it is the
// cluster's.
func TestAPartOfResetTellsNoLeftovers(t *testing.T) {
	r, _ := controlPlaneRig(t)
	for _, args := range [][]string{{"reset", "phase", "preflight"}, {"reset", "phase", "remove-etcd-member"}} {
		got := r.run(args...).is(t, 0, strings.Join(args, " ")+": nothing to do\n")
		if strings.Contains(got.out, "/etc/kubernetes") {
			t.Errorf("%v: %s", args, got.out)
		}
	}
}

func TestResetFindsItsCertificatesDirectory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.runtime(containerdSocket)
	r.files["c.yaml"] = strings.Replace(initConfig, "networking:", "certificatesDir: /srv/pki\nnetworking:", 1)
	for _, phase := range []string{"certs all", "kubeconfig all", "etcd local", "control-plane all"} {
		r.run(append(append([]string{"init", "phase"}, strings.Fields(phase)...), "--config", "c.yaml")...).is(t, 0)
	}
	if !strings.Contains(r.machine.Snapshot(), "/srv/pki/ca.key") {
		t.Fatal("the certificates are elsewhere")
	}
	r.run("reset", "--force").is(t, 0)
	if after := r.machine.Snapshot(); strings.Contains(after, "/srv/pki") {
		t.Errorf("there is still\n%s", after)
	}
}

func TestResetUsage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.files["r.yaml"] = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ResetConfiguration\nunmountFlags: [MNT_WRONG]\n"
	r.run("reset", "--skip-phases", "none").is(t, 2, `skip phase "none"`)
	r.run("reset", "--config", "none.yaml").is(t, 2, "read configuration")
	r.run("reset", "--config", "r.yaml").is(t, 2, "MNT_WRONG")
	r.run("reset", "--force").is(t, 0, "nothing to do") // a machine with nothing of a cluster
}
