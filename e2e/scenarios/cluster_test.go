//go:build e2e

package scenarios

import (
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// One control plane and two workers, made by clusteradm, judged by kubeadm and
// kubectl, rebooted as a whole.
func TestCluster(t *testing.T) {
	budget(t, 10*time.Minute)
	ctx, p := t.Context(), newProof(t, "cluster")
	if p == nil {
		return
	}
	c := up(t, "cluster", "cp1", "w1", "w2", "w3")
	cp, w3 := c.ControlPlane(), c.Lab.Node("w3")

	must(t, c.WriteInitConfig(ctx, cp, "/root/init.yaml", true, ""))
	dryRunChangesNothing(t, cp, "init", "--config", "/root/init.yaml")

	started := time.Now()
	do(t)(c.Init(ctx))
	p.add("clusteradm init: %s", time.Since(started).Round(10*time.Millisecond))
	must(t, c.WriteJoinConfig(ctx, w3, "/root/join.yaml"))
	dryRunChangesNothing(t, w3, "join", "--config", "/root/join.yaml")
	p.add("a dry run of init and of join left every file of the machine as it was")
	for _, name := range []string{"w1", "w2"} {
		started = time.Now()
		do(t)(c.Join(ctx, c.Lab.Node(name)))
		p.add("clusteradm join of %s: %s", name, time.Since(started).Round(10*time.Millisecond))
	}
	must(t, c.WaitReady(ctx, 2*time.Minute, "cp1", "w1", "w2"))
	must(t, c.ReachService(ctx, 2*time.Minute, "w1", "w2"))
	p.add("nodes Ready, CoreDNS available, a pod on w2 reached a Service on w1 by its DNS name")

	// A second init and a second join say that nothing is to be done.
	before, err := c.Snapshot(ctx)
	must(t, err)
	r, err := cp.Run(ctx, nil, clusters.Binary, "init", "--config", "/root/init.yaml")
	must(t, err)
	if r.Exit != 0 || !strings.Contains(r.Stderr, "nothing to change") {
		t.Errorf("a second init: exit %d\n%s%s", r.Exit, r.Stdout, r.Stderr)
	}
	r, err = c.Lab.Node("w1").Run(ctx, nil, clusters.Binary, "join", "--config", "/root/join.yaml")
	must(t, err)
	if r.Exit != 0 || !strings.Contains(r.Stderr, "nothing to change") {
		t.Errorf("a second join: exit %d\n%s%s", r.Exit, r.Stdout, r.Stderr)
	}
	after, err := c.Snapshot(ctx)
	must(t, err)
	if diff := clusters.Diff(before, after); diff != "" {
		t.Errorf("a second init changed something:\n%s", diff)
	}
	p.add("a second init and a second join changed nothing and said so")

	// Outside judges.
	do(t)(clusters.Must(ctx, w3, "kubeadm", "join", "--config", "/root/join.yaml"))
	must(t, c.WaitReady(ctx, 2*time.Minute, "w3"))
	tokens := do(t)(clusters.Must(ctx, cp, "kubeadm", "token", "list", "--kubeconfig", clusters.Kubeconfig))
	if !strings.Contains(tokens, "authentication,signing") || !strings.Contains(tokens, "system:bootstrappers:kubeadm:default-node-token") {
		t.Errorf("kubeadm token list:\n%s", tokens)
	}
	expiry := do(t)(clusters.Must(ctx, cp, "kubeadm", "certs", "check-expiration"))
	for _, name := range []string{"admin.conf", "apiserver-etcd-client", "etcd-peer", "front-proxy-client", "super-admin.conf", "etcd-ca"} {
		if !strings.Contains(expiry, name) {
			t.Errorf("kubeadm certs check-expiration lacks %s:\n%s", name, expiry)
		}
	}
	if strings.Contains(expiry, "MISSING") || strings.Contains(expiry, "invalid") {
		t.Errorf("kubeadm certs check-expiration:\n%s", expiry)
	}
	p.add("the real kubeadm joined w3; kubeadm token list and kubeadm certs check-expiration work")

	// A reboot of everything at once.
	for _, n := range c.Lab.Nodes() {
		must(t, n.Kill(ctx))
	}
	started = time.Now()
	for _, n := range c.Lab.Nodes() {
		must(t, n.Start(ctx))
	}
	must(t, clusters.Eventually(ctx, 3*time.Minute, "the API server after the reboot", func() error {
		_, err := c.Kubectl(ctx, "get", "--raw", "/readyz")
		return err
	}))
	p.add("after a power loss of all nodes the API was ready in %s", time.Since(started).Round(100*time.Millisecond))
	must(t, c.WaitReady(ctx, 4*time.Minute, "cp1", "w1", "w2", "w3"))
	must(t, c.ReachService(ctx, 4*time.Minute, "w1", "w2"))
	p.add("and nodes Ready, CoreDNS available and the Service reached by name in %s", time.Since(started).Round(100*time.Millisecond))
}

// dryRunChangesNothing compares the whole machine, outside of what the kernel
// and the system's own logging keep changing.
func dryRunChangesNothing(t *testing.T, n *nodes.Node, command ...string) {
	t.Helper()
	ctx := t.Context()
	const without = `\( -path ./proc -o -path ./sys -o -path ./run -o -path ./tmp -o -path ./var/log -o -path ./dev \) -prune -o`
	const everything = `cd / && find . -xdev ` + without + ` -printf '%p %M %U:%G %s %T@ %C@ %l\n' | sort | sha256sum
cd / && find . -xdev ` + without + ` -type f -newermt '2 hours ago' -print0 | sort -z | xargs -0 sha256sum | sha256sum`
	before := do(t)(clusters.Must(ctx, n, "sh", "-c", everything))
	out := do(t)(clusters.Must(ctx, n, append(append([]string{clusters.Binary}, command...), "--dry-run")...))
	if !strings.Contains(out, "nothing was changed") || !strings.Contains(out, "/var/lib/kubelet/config.yaml") {
		t.Errorf("the dry run printed:\n%s", out)
	}
	if after := do(t)(clusters.Must(ctx, n, "sh", "-c", everything)); after != before {
		t.Errorf("the dry run of %v changed the machine", command)
	}
}
