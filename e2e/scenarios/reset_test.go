//go:build e2e

package scenarios

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// stays is what a reset machine may have more or other than before, each with
// its reason. What is not here fails.
var stays = []clusters.Allowed{
	allow(`(path|content) /var/lib/clusteradm(/runs(/[^/ ]+(/journal\.jsonl|/blobs)?)?)? .*`, "the journals of the last three runs tell what was done"),
	allow(`(path|content) /run/clusteradm(/lock)? .*`, "who holds a lock may not remove its file; it is gone with the next boot"),
	allow(`path /etc/kubernetes/manifests drwx.* 0:0`, "init makes it 0700, as kubeadm does; what it was before is not known"),
	allow(`nft table (ip|ip6) (filter|nat|mangle)`, "iptables-nft makes them; without rules they do nothing, and whose they are cannot be told"),
	allow(`path /run/netns drwxr-xr-x 0:0`, "the container runtime makes it for pods and keeps it"),
	allow(`content /run/systemd/journal/kernel-seqnum .*`, "journald counts"),
	allow(`(path|content) /run/agetty\.reload .*`, "the console's login program makes it when addresses come and go"),
	allow(`process \(.*\)`, "systemd's children before they become their program"),
}

func allow(pattern, reason string) clusters.Allowed {
	return clusters.Allowed{Line: regexp.MustCompile("^" + pattern + "$"), Reason: reason}
}

// usersThings are put on a node before a cluster and must be there after it.
const usersThings = `
mkdir -p /etc/kubernetes /etc/cni/net.d /root/.kube
echo 'kind: Policy' > /etc/kubernetes/audit.yaml
echo '{}' > /etc/cni/net.d/99-mine.conf.disabled
echo mine > /root/.kube/config
iptables-nft -A FORWARD -s 192.0.2.0/24 -m comment --comment 'of a user: KUBE-SERVICES' -j DROP
iptables-legacy -t nat -N MINE
nft add table inet mine
systemctl enable kubelet.service`

// prepared is a node as a package manager and a user leave it: the kubelet's
// package enables it, and it restarts until it finds its configuration.
func prepared(t *testing.T, n *nodes.Node) []string {
	t.Helper()
	_, _ = n.Run(t.Context(), nil, "systemctl", "is-system-running", "--wait") // degraded will do: nothing starts any more
	do(t)(clusters.Must(t.Context(), n, "sh", "-c", usersThings))
	before, err := clusters.Machine(t.Context(), n)
	must(t, err)
	return before
}

// clean fails unless a node is what it was before.
func clean(t *testing.T, n *nodes.Node, before []string, when string) {
	t.Helper()
	after, err := clusters.Machine(t.Context(), n)
	must(t, err)
	for _, line := range clusters.Leftovers(before, after, stays) {
		t.Errorf("%s: %s", when, line)
	}
	if out := do(t)(n.Output(t.Context(), "cat", "/root/.kube/config")); strings.TrimSpace(out) != "mine" {
		t.Errorf("%s: ~/.kube/config is %q", when, out)
	}
}

func reset(t *testing.T, n *nodes.Node, flags ...string) string {
	t.Helper()
	return do(t)(clusters.Must(t.Context(), n, append([]string{clusters.Binary, "reset", "--force"}, flags...)...))
}

// init, reset and init again leave nothing behind, with pods, a Service and a
// worker that joined; a dry run changes nothing, a second reset has nothing to do.
func TestReset(t *testing.T) {
	budget(t, time.Duration(rounds+2)*2*time.Minute)
	p := newProof(t, "reset")
	if p == nil {
		return
	}
	ctx := t.Context()
	c := up(t, "reset", "cp1", "w1")
	cp, worker := c.ControlPlane(), c.Lab.Node("w1")
	before, workerBefore := prepared(t, cp), prepared(t, worker)
	for round := range rounds {
		do(t)(c.Init(ctx))
		if round == 0 {
			do(t)(c.Join(ctx, worker))
			must(t, c.WaitReady(ctx, 2*time.Minute, "cp1", "w1"))
			must(t, c.ReachService(ctx, 2*time.Minute, "w1", "w1"))
			joined := reset(t, worker)
			if !strings.Contains(joined, "kubectl delete node w1") {
				t.Errorf("the worker's reset says nothing of its Node:\n%s", joined)
			}
			clean(t, worker, workerBefore, "worker")
			dry := do(t)(clusters.Must(ctx, cp, clusters.Binary, "reset", "--dry-run"))
			for _, what := range []string{"stop     cleanup-node/kubelet@cp1", "-pod kube-system/etcd-cp1", "/etc/kubernetes/admin.conf", "-link cni0", "/var/lib/etcd", "KUBE-SERVICES"} {
				if !strings.Contains(dry, what) {
					t.Errorf("a dry run does not show %s:\n%s", what, dry)
				}
			}
		}
		must(t, c.WaitReady(ctx, 2*time.Minute, "cp1"))
		started := time.Now()
		out := reset(t, cp)
		took := time.Since(started)
		if !strings.Contains(out, "/etc/kubernetes/audit.yaml") {
			t.Errorf("the user's file is not listed:\n%s", out)
		}
		clean(t, cp, before, "control plane")
		if again := reset(t, cp); !strings.Contains(again, "nothing to do") {
			t.Errorf("a second reset says %s", again)
		}
		p.add("round %d: init, pods running, reset in %s, nothing left", round+1, took.Round(10*time.Millisecond))
	}
}

// A reset that is killed anywhere and run again ends like one that was not.
func TestResetKilled(t *testing.T) {
	budget(t, time.Duration(kills+3)*2*time.Minute)
	ctx, p := t.Context(), newProof(t, "reset-killed")
	if p == nil {
		return
	}
	s := seed(t)
	r := rand.New(rand.NewPCG(s, 3))
	p.add("seed %d (SEED=%d repeats it)", s, s)
	c := up(t, "killreset", "cp1")
	n := c.ControlPlane()
	before := prepared(t, n)
	do(t)(c.Init(ctx))
	must(t, c.WaitReady(ctx, 2*time.Minute, "cp1"))
	started := time.Now()
	reset(t, n)
	whole := time.Since(started)
	clean(t, n, before, "uninterrupted")
	p.add("uninterrupted: %s", whole.Round(10*time.Millisecond))
	for _, k := range spread(min(kills, 5), whole*9/10, r) {
		do(t)(c.Init(ctx))
		must(t, c.WaitReady(ctx, 2*time.Minute, "cp1"))
		phase, alive, err := killed(ctx, n, k, clusters.Binary, "reset", "--force")
		must(t, err)
		out := reset(t, n)
		clean(t, n, before, "killed "+k.String())
		p.add("killed %s in phase %q (alive: %t); again: %s", k, phase, alive, strings.TrimSpace(strings.SplitN(strings.TrimSpace(out), "\n", 2)[0]))
	}
}

// What the real kubeadm made is reset too.
func TestResetOfKubeadm(t *testing.T) {
	budget(t, 5*time.Minute)
	ctx := t.Context()
	c := up(t, "resetkadm", "cp1")
	n := c.ControlPlane()
	before := prepared(t, n)
	must(t, c.WriteInitConfig(ctx, n, "/root/init.yaml", false, ""))
	do(t)(clusters.Must(ctx, n, "kubeadm", "init", "--config", "/root/init.yaml"))
	do(t)(c.Kubectl(ctx, "get", "node", "cp1"))
	reset(t, n)
	clean(t, n, before, "made by kubeadm")
}

// A member that etcd counts on keeps its data until somebody insists.
func TestResetKeepsQuorum(t *testing.T) {
	budget(t, 5*time.Minute)
	ctx := t.Context()
	c := up(t, "resetquorum", "cp1")
	n := c.ControlPlane()
	before := prepared(t, n)
	do(t)(c.Init(ctx))
	etcdctl := []string{"etcdctl", "--endpoints=https://127.0.0.1:2379", "--cacert=/etc/kubernetes/pki/etcd/ca.crt",
		"--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt", "--key=/etc/kubernetes/pki/etcd/healthcheck-client.key"}
	do(t)(clusters.Must(ctx, n, append(etcdctl, "member", "add", "ghost", "--peer-urls=https://192.0.2.9:2380")...))
	refused, err := n.Run(ctx, nil, clusters.Binary, "reset", "--force")
	must(t, err)
	for _, says := range []string{"EtcdQuorum", "and 2 needed: there is no quorum, so no member can be removed; not healthy: ", "https://192.0.2.9:2380"} {
		if !strings.Contains(refused.Stderr, says) {
			t.Errorf("does not say %q:\n%s", says, refused.Stderr)
		}
	}
	if out := do(t)(n.Output(ctx, "ls", "/var/lib/etcd/member")); refused.Exit != 4 || !strings.Contains(out, "wal") {
		t.Errorf("exit code %d, and of etcd's data there is %q", refused.Exit, out)
	}
	reset(t, n, "--ignore-preflight-errors=EtcdQuorum")
	clean(t, n, before, "insisted")
}
