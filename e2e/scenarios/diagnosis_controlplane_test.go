//go:build e2e

package scenarios

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// What is in the way of a control plane's join: the shared certificates, a
// learner that is not promoted, data of a member that is gone.
func TestControlPlaneDiagnosis(t *testing.T) {
	budget(t, 8*time.Minute)
	ctx, p := t.Context(), newProof(t, "control-plane-diagnosis")
	if p == nil {
		return
	}
	c := severalOf(t, "diagnosecp", "cp1", "cp2")
	do(t)(c.InitFirst(ctx, clusters.Binary, ""))
	d := &diagnosing{joining: joining{t: t, c: c, p: p, node: c.Lab.Node("cp2"), endpoint: c.Endpoint}}
	d.signed(nodes.LabToken[:6], true)
	must(t, c.WriteControlPlaneConfig(ctx, d.node, "/root/join.yaml"))
	usual := []string{"--config", "/root/join.yaml"}
	d.finds("nothing in the way of a control plane", "", usual)

	wrong := d.with("/root/key.yaml", nodes.LabCertificateKey, strings.Repeat("ab", 32))
	d.finds("a wrong certificate key", "shared-certificates", wrong, "encrypted under another certificate key")
	d.joinFails("a wrong certificate key", 1, wrong, "encrypted under another certificate key")
	do(t)(c.Kubectl(ctx, "-n", "kube-system", "delete", "secret", "kubeadm-certs"))
	d.finds("certificates that are not shared any more", "shared-certificates", usual, "have expired, which they do after two hours", "token create --print-join-command --control-plane")
	d.clusteradm("init", "phase", "upload-certs", "--upload-certs", "--config", "/root/init.yaml", "--certificate-key", nodes.LabCertificateKey)

	d.cutLearner()

	d.finds("a control plane that has joined", "", nil, "this machine has joined, with an etcd of its own")

	members, err := clusters.Members(ctx, c.ControlPlane())
	must(t, err)
	for _, m := range members {
		if m.Name == "cp2" {
			do(t)(clusters.Etcdctl(ctx, c.ControlPlane(), "member", "remove", fmt.Sprintf("%x", m.ID)))
		}
	}
	d.finds("the data of a member that is gone", "etcd-member", nil, "stale etcd data", "clusteradm reset")
}

// with writes the join's configuration with another text in it.
func (d *diagnosing) with(path, old, text string) []string {
	t, ctx := d.t, d.t.Context()
	config, err := d.node.ReadFile(ctx, "/root/join.yaml")
	must(t, err)
	if !strings.Contains(string(config), old) {
		t.Fatalf("no %q in\n%s", old, config)
	}
	must(t, d.node.WriteFile(ctx, path, []byte(strings.Replace(string(config), old, text, 1)), 0o600))
	return []string{"--config", path}
}

// cutLearner drops all packets to and from the peer ports: the member that the
// join adds cannot start, and nobody promotes it.
func (d *diagnosing) cutLearner() {
	t, ctx := d.t, d.t.Context()
	for _, rule := range []string{
		"add table inet cut", "add chain inet cut in { type filter hook input priority 0 ; }", "add chain inet cut out { type filter hook output priority 0 ; }",
		"add rule inet cut in tcp dport 2380 drop", "add rule inet cut out tcp dport 2380 drop",
	} {
		do(t)(clusters.Must(ctx, d.node, append([]string{"nft"}, strings.Fields(rule)...)...))
	}
	short := d.with("/root/short.yaml", "discovery:\n", "timeouts: {controlPlaneComponentHealthCheck: 30s}\ndiscovery:\n")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.joinFails("a peer port that is cut off", 6, short, "diagnosis: etcd-learner: this machine's etcd does not start", "its member was removed again")
	}()
	must(t, clusters.Eventually(ctx, time.Minute, "the learner to be told", func() error {
		select {
		case <-ended:
			return nil
		default:
		}
		bad, _, out, _ := d.look(short)
		if bad != "etcd-learner" {
			return fmt.Errorf("bad are %q: %s", bad, out)
		}
		return nil
	}))
	d.finds("a learner whose peer port is cut off, while its join waits", "etcd-learner", short, "this machine's etcd does not start", "2380", "its manifest is here since")
	<-ended
	do(t)(clusters.Must(ctx, d.node, "nft", "delete", "table", "inet", "cut"))
	// What the withdrawn member has written is nobody's, and keeps no join from
	// being run again.
	do(t)(clusters.Must(ctx, d.node, append([]string{clusters.Binary, "join"}, short...)...))
	must(t, d.c.WaitControlPlanes(ctx, 3*time.Minute, "cp1", "cp2"))
}
