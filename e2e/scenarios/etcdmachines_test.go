//go:build e2e

package scenarios

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// Three machines that run etcd and nothing else, and a control plane that uses
// them: one of them dies, one is reset and comes back, and the API goes on.
func TestEtcdMachines(t *testing.T) {
	budget(t, 5*time.Minute)
	ctx, p := t.Context(), newProof(t, "etcd-machines")
	if p == nil {
		return
	}
	c := up(t, "etcdmach", "cp1", "etcd1", "etcd2", "etcd3")
	cp, first := c.ControlPlane(), c.Lab.Node("etcd1")
	further := []*nodes.Node{c.Lab.Node("etcd2"), c.Lab.Node("etcd3")}
	before := prepared(t, further[1])
	for _, n := range append(further, first) {
		must(t, c.WriteInitConfig(ctx, n, "/root/etcd.yaml", false, ""))
	}

	started := time.Now()
	do(t)(clusters.Must(ctx, first, clusters.Binary, "etcd", "init", "--config", "/root/etcd.yaml"))
	p.add("clusteradm etcd init: %s", time.Since(started).Round(10*time.Millisecond))
	if ports := do(t)(n(ctx, first, "ss -Hltnp | grep kubelet")); strings.Contains(ports, ":10250") || !strings.Contains(ports, "127.0.0.1:10248") {
		t.Errorf("the kubelet listens on\n%s", ports)
	}
	r, err := further[0].Run(ctx, nil, clusters.Binary, "etcd", "join", first.Address(), "--config", "/root/etcd.yaml")
	must(t, err)
	if r.Exit != 1 || !strings.Contains(r.Stderr, "/etc/kubernetes/pki/etcd/ca.crt") || !strings.Contains(r.Stderr, "scp ") {
		t.Errorf("a join without the authority: exit %d\n%s", r.Exit, r.Stderr)
	}

	// Both at once: etcd takes in one learner at a time.
	started = time.Now()
	var both sync.WaitGroup
	failed := make([]error, len(further))
	for i, m := range further {
		must(t, carry(ctx, first, m, "/etc/kubernetes/pki/etcd/ca.crt", "/etc/kubernetes/pki/etcd/ca.key"))
		both.Go(func() { failed[i] = joinEtcd(ctx, m, first) })
	}
	both.Wait()
	for _, err := range failed {
		must(t, err)
	}
	p.add("two clusteradm etcd join started together: %s", time.Since(started).Round(10*time.Millisecond))
	voters(t, first, 3)
	for _, m := range further {
		if out := do(t)(clusters.Must(ctx, m, clusters.Binary, "etcd", "join", first.Address(), "--config", "/root/etcd.yaml", "-o", "json")); !strings.Contains(out, `"changed":0`) && strings.Contains(out, `"verb"`) {
			t.Errorf("a second join of %s:\n%s", m.Name(), out)
		}
	}

	// A control plane that lacks the files is told so, and with them is made.
	stanza := do(t)(clusters.Must(ctx, further[1], clusters.Binary, "etcd", "client-certificate"))
	for _, m := range append(further, first) {
		if !strings.Contains(stanza, "- https://"+m.Address()+":2379") {
			t.Errorf("the stanza lacks %s:\n%s", m.Name(), stanza)
		}
	}
	text, err := nodes.Kubeadm{Versions: c.Versions, Node: cp.Name(), Address: cp.Address()}.InitConfig()
	must(t, err)
	local := "etcd:\n  local:\n    imageTag: " + c.Versions.EtcdTag() + "\n"
	must(t, cp.WriteFile(ctx, "/root/init.yaml", []byte(strings.Replace(text, local, stanza, 1)), 0o600))
	found, exit := check(t, cp, "", "--config", "/root/init.yaml")
	if exit != 4 || len(found.with("ExternalEtcdClientCertificates")) != 3 {
		t.Errorf("without the files: exit %d, %+v", exit, found.Findings)
	}
	const pki = "/etc/kubernetes/pki/"
	must(t, carry(ctx, further[1], cp, pki+"etcd/ca.crt", pki+"apiserver-etcd-client.crt", pki+"apiserver-etcd-client.key"))
	found, exit = check(t, cp, "", "--config", "/root/init.yaml")
	for _, f := range found.Findings {
		if exit != 0 || strings.HasPrefix(f.Check, "ExternalEtcd") {
			t.Errorf("with the files: exit %d, %+v", exit, f)
		}
	}
	started = time.Now()
	do(t)(clusters.Must(ctx, cp, clusters.Binary, "init", "--config", "/root/init.yaml"))
	p.add("clusteradm init with these as etcd.external: %s", time.Since(started).Round(10*time.Millisecond))

	// One of three dies.
	write := func(name string) error {
		_, err := c.Kubectl(ctx, "--request-timeout=2s", "create", "configmap", name)
		return err
	}
	must(t, write("before"))
	must(t, first.Kill(ctx))
	died := time.Now()
	must(t, clusters.Eventually(ctx, time.Minute, "a write without etcd1", func() error { return write(fmt.Sprintf("after-%d", time.Since(died))) }))
	p.add("etcd1 killed: the next write was acknowledged after %s", time.Since(died).Round(10*time.Millisecond))
	found, exit = check(t, cp, "", "--config", "/root/init.yaml", "--ignore-preflight-errors=all")
	if told := found.with("ExternalEtcdVersion"); len(told) == 0 || !strings.Contains(told[0], first.Address()) {
		t.Errorf("preflight says nothing of etcd1: exit %d, %v", exit, told)
	}
	must(t, first.Start(ctx))
	must(t, clusters.Eventually(ctx, time.Minute, "etcd1 after its boot", func() error { return well(ctx, first) }))

	// One is reset: it leaves the cluster and the machine is what it was.
	third := further[1]
	reset(t, third)
	clean(t, third, before, "etcd3")
	voters(t, first, 2)
	must(t, write("reset"))
	must(t, carry(ctx, first, third, pki+"etcd/ca.crt", pki+"etcd/ca.key"))
	must(t, joinEtcd(ctx, third, first))
	voters(t, first, 3)
	p.add("etcd3 reset: its member and everything on the machine is gone, writes go on; joined again, it has its vote")
}

// n runs a line of shell on a node.
func n(ctx context.Context, m *nodes.Node, line string) (string, error) {
	return clusters.Must(ctx, m, "sh", "-c", line)
}

func joinEtcd(ctx context.Context, m, first *nodes.Node) error {
	_, err := clusters.Must(ctx, m, clusters.Binary, "etcd", "join", "https://"+first.Address()+":2379", "--config", "/root/etcd.yaml")
	return err
}

// carry copies files from one machine to another, as scp does.
func carry(ctx context.Context, from, to *nodes.Node, paths ...string) error {
	for _, path := range paths {
		content, err := clusters.Must(ctx, from, "cat", path)
		if err != nil {
			return err
		}
		if _, err := n(ctx, to, "mkdir -p $(dirname "+path+")"); err != nil {
			return err
		}
		if err := to.WriteFile(ctx, path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// etcdctl asks the etcd of a machine with its own certificate for that.
func etcdctl(ctx context.Context, m *nodes.Node, args ...string) (string, error) {
	const dir = "/etc/kubernetes/pki/etcd/"
	return clusters.Must(ctx, m, append([]string{"etcdctl", "--endpoints=https://127.0.0.1:2379", "--cacert=" + dir + "ca.crt",
		"--cert=" + dir + "healthcheck-client.crt", "--key=" + dir + "healthcheck-client.key"}, args...)...)
}

func well(ctx context.Context, m *nodes.Node) error {
	_, err := etcdctl(ctx, m, "endpoint", "health")
	return err
}

// voters fails unless etcd has so many members, all with a vote.
func voters(t *testing.T, m *nodes.Node, want int) {
	t.Helper()
	var list struct {
		Members []struct {
			Name      string
			IsLearner bool
		}
	}
	must(t, json.Unmarshal([]byte(do(t)(etcdctl(t.Context(), m, "member", "list", "-w", "json"))), &list))
	for _, each := range list.Members {
		if each.IsLearner || each.Name == "" {
			t.Errorf("%+v has no vote", each)
		}
	}
	if len(list.Members) != want {
		t.Errorf("etcd has %+v, want %d", list.Members, want)
	}
}
