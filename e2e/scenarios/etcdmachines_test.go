//go:build e2e

package scenarios

import (
	"context"
	"fmt"
	"path/filepath"
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
	c := up(t, "etcdmach", "cp1", "cp2", "etcd1", "etcd2", "etcd3")
	cp, first := c.ControlPlane(), c.Lab.Node("etcd1")
	further := []*nodes.Node{c.Lab.Node("etcd2"), c.Lab.Node("etcd3")}
	before := prepared(t, further[1])
	for _, n := range append(further, first) {
		must(t, c.WriteInitConfig(ctx, n, "/root/etcd.yaml", false, ""))
	}

	started := time.Now()
	do(t)(clusters.Must(ctx, first, clusters.Binary, "etcd", "init", "--config", "/root/etcd.yaml"))
	p.add("clusteradm etcd init: %s", time.Since(started).Round(10*time.Millisecond))
	if ports := do(t)(clusters.Must(ctx, first, "sh", "-c", "ss -Hltnp | grep kubelet")); strings.Contains(ports, ":10250") || !strings.Contains(ports, "127.0.0.1:10248") {
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
	must(t, c.ExactMembers(ctx, first, "etcd1", "etcd2", "etcd3"))
	for _, m := range further {
		if out := do(t)(clusters.Must(ctx, m, clusters.Binary, "etcd", "join", first.Address(), "--config", "/root/etcd.yaml", "-o", "json")); strings.Contains(out, `"verb"`) {
			t.Errorf("a second join of %s:\n%s", m.Name(), out)
		}
	}

	if out := do(t)(clusters.Must(ctx, further[1], clusters.Binary, "etcd", "status")); !strings.Contains(out, "3 voters, 3 healthy: 1 may fail") {
		t.Errorf("etcd status:\n%s", out)
	}

	// A control plane that lacks the files is told so, and with them is made.
	stanza := do(t)(clusters.Must(ctx, further[1], clusters.Binary, "etcd", "client-certificate"))
	for _, m := range append(further, first) {
		if !strings.Contains(stanza, "- https://"+m.Address()+":2379") {
			t.Errorf("the stanza lacks %s:\n%s", m.Name(), stanza)
		}
	}
	c.Endpoint = cp.Address() + ":6443"
	text, err := nodes.Kubeadm{Versions: c.Versions, Node: cp.Name(), Address: cp.Address(), Endpoint: c.Endpoint, CertificateKey: nodes.LabCertificateKey}.InitConfig()
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
	do(t)(clusters.Must(ctx, cp, clusters.Binary, "init", "--config", "/root/init.yaml", "--upload-certs"))
	p.add("clusteradm init with these as etcd.external: %s", time.Since(started).Round(10*time.Millisecond))
	cp2 := c.Lab.Node("cp2")
	started = time.Now()
	do(t)(c.JoinControlPlane(ctx, clusters.Binary, cp2))
	must(t, clusters.Readyz(ctx, cp2))
	p.add("clusteradm join of a further control plane, which downloads the client certificate: %s", time.Since(started).Round(10*time.Millisecond))

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
	found, exit = check(t, cp, "", "--config", "/root/init.yaml", "--ignore-preflight-errors=ExternalEtcdVersion")
	if told := found.with("ExternalEtcdVersion"); len(told) == 0 || !strings.Contains(told[0], first.Address()) {
		t.Errorf("preflight says nothing of etcd1: exit %d, %v", exit, told)
	}
	must(t, first.Start(ctx))
	must(t, clusters.Eventually(ctx, time.Minute, "etcd1 after its boot", func() error { return c.ExactMembers(ctx, first, "etcd1", "etcd2", "etcd3") }))

	// One is reset: it leaves the cluster and the machine is what it was.
	third := further[1]
	reset(t, third)
	clean(t, third, before, "etcd3")
	must(t, c.ExactMembers(ctx, first, "etcd1", "etcd2"))
	must(t, write("reset"))
	must(t, carry(ctx, first, third, pki+"etcd/ca.crt", pki+"etcd/ca.key"))
	must(t, joinEtcd(ctx, third, first))
	must(t, c.ExactMembers(ctx, first, "etcd1", "etcd2", "etcd3"))
	p.add("etcd3 reset: its member and everything on the machine is gone, writes go on; joined again, it has its vote")
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
		if _, err := clusters.Must(ctx, to, "mkdir", "-p", filepath.Dir(path)); err != nil {
			return err
		}
		if err := to.WriteFile(ctx, path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}
