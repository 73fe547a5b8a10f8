//go:build e2e

package scenarios

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// certificateKey is that of the lab: kubeadm encrypts with it what its control
// planes share.
const certificateKey = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// What keeps an etcd, on three control planes that the real kubeadm made: so
// all of it works on clusters that are adopted.
func TestEtcdDayTwo(t *testing.T) {
	budget(t, 8*time.Minute)
	p := newProof(t, "etcd-day-two")
	if p == nil {
		return
	}
	d := &dayTwo{t: t, c: up(t, "etcdcli", "cp1", "cp2", "cp3"), p: p}
	d.kubeadm()

	s := d.status("cp1")
	d.is(s, 3, 3, 1)
	for _, m := range s.Members {
		if m.Node != m.Name || m.Version == "" || m.Size == 0 {
			t.Errorf("a member is told as %+v", m)
		}
	}
	d.moveLeader()
	d.defrag()
	d.replace()
	d.remove()
	do(t)(d.c.Kubectl(t.Context(), "get", "--raw", "/readyz"))
}

type dayTwo struct {
	t *testing.T
	c *clusters.Cluster
	p *proof
}

// kubeadm makes the cluster.
func (d *dayTwo) kubeadm() {
	t, ctx := d.t, d.t.Context()
	started := time.Now()
	for i, n := range d.c.Lab.Nodes() {
		k := nodes.Kubeadm{Versions: d.c.Versions, Node: n.Name(), Address: n.Address(), Endpoint: d.c.ControlPlane().Address() + ":6443",
			CertificateKey: certificateKey, SlowEtcd: true}
		text, err := k.InitConfig()
		argv := []string{"kubeadm", "init", "--config", "/root/kubeadm.yaml", "--upload-certs"}
		if i > 0 {
			text, err = k.JoinConfig()
			argv = []string{"kubeadm", "join", "--config", "/root/kubeadm.yaml"}
		}
		must(t, err)
		must(t, n.WriteFile(ctx, "/root/kubeadm.yaml", []byte(text), 0o600))
		do(t)(clusters.Must(ctx, n, argv...))
	}
	d.p.add("kubeadm made three control planes in %s", time.Since(started).Round(time.Second))
}

// etcdStatus is what status prints.
type etcdStatus struct {
	Quorum struct {
		Voters, Healthy, MayFail int
		Says                     string
	}
	Members []struct {
		ID, Name, Role, Node, Version string
		Healthy                       bool
		Size                          int64 `json:"dbSize"`
		InUse                         int64 `json:"dbInUse"`
	}
	Findings []struct{ Message string }
}

func (d *dayTwo) status(node string) etcdStatus {
	d.t.Helper()
	out := do(d.t)(d.run(node, "status", "-o", "json"))
	var s etcdStatus
	must(d.t, json.Unmarshal([]byte(out), &s))
	return s
}

// run runs a command about etcd on a node.
func (d *dayTwo) run(node string, args ...string) (string, error) {
	return clusters.Must(d.t.Context(), d.c.Lab.Node(node), append([]string{clusters.Binary, "etcd"}, args...)...)
}

// refused has to end with code 1, say why, and change nothing.
func (d *dayTwo) refused(node, says string, args ...string) {
	d.t.Helper()
	before := d.members()
	r, err := d.c.Lab.Node(node).Run(d.t.Context(), nil, append([]string{clusters.Binary, "etcd"}, args...)...)
	must(d.t, err)
	if r.Exit != 1 || !strings.Contains(r.Stderr, says) {
		d.t.Errorf("%v ended with %d: %s", args, r.Exit, r.Stderr)
	}
	if after := d.members(); after != before {
		d.t.Errorf("%v was refused and changed the members to\n%s", args, after)
	}
	d.p.add("clusteradm etcd %s: %s", strings.Join(args, " "), firstLine(r.Stderr))
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func (d *dayTwo) is(s etcdStatus, voters, healthy, mayFail int) {
	d.t.Helper()
	if s.Quorum.Voters != voters || s.Quorum.Healthy != healthy || s.Quorum.MayFail != mayFail {
		d.t.Fatalf("%s; want %d voters, %d healthy", s.Quorum.Says, voters, healthy)
	}
	d.p.add("clusteradm etcd status: %s", s.Quorum.Says)
}

// etcdctl is the judge, beside the first member.
func (d *dayTwo) etcdctl(args ...string) string {
	d.t.Helper()
	const pki = "/etc/kubernetes/pki/etcd/"
	return do(d.t)(clusters.Must(d.t.Context(), d.c.ControlPlane(), append([]string{"etcdctl", "--endpoints", "https://127.0.0.1:2379",
		"--cacert", pki + "ca.crt", "--cert", pki + "healthcheck-client.crt", "--key", pki + "healthcheck-client.key"}, args...)...))
}

func (d *dayTwo) members() string { d.t.Helper(); return d.etcdctl("member", "list") }

func (d *dayTwo) moveLeader() {
	for _, to := range []string{"cp3", "cp2"} {
		started := time.Now()
		do(d.t)(d.run("cp1", "move-leader", to))
		d.p.add("move-leader %s took %s", to, time.Since(started).Round(time.Millisecond))
		for _, m := range d.status("cp1").Members {
			if leads := m.Role == "leader"; leads != (m.Name == to) {
				d.t.Errorf("moved to %s, %s is %s", to, m.Name, m.Role)
			}
		}
	}
}

// defrag gives back what 60 MB left that were written, deleted and compacted.
func (d *dayTwo) defrag() {
	t := d.t
	do(t)(clusters.Must(t.Context(), d.c.ControlPlane(), "sh", "-c", `
		etcd() { etcdctl --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key "$@"; }
		for i in $(seq 60); do head -c 750000 /dev/urandom | base64 -w 0 | etcd put junk/$i || exit 1; done
		etcd del --prefix junk/
		revision=$(etcd get none -w json | sed 's/.*"revision":\([0-9]*\).*/\1/')
		etcd compact --physical $revision`))
	// Each member compacts by itself.
	must(t, clusters.Eventually(t.Context(), time.Minute, "compacted members", func() error {
		for _, m := range d.status("cp1").Members {
			if m.InUse > m.Size/4 {
				return fmt.Errorf("%s has %d of %d bytes in use", m.Name, m.InUse, m.Size)
			}
		}
		return nil
	}))
	out := do(t)(d.run("cp1", "defrag", "--all", "-o", "json"))
	var r struct {
		Members []struct {
			Name, Skipped string
			Before, After int64
		}
	}
	must(t, json.Unmarshal([]byte(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:]), &r))
	for _, m := range r.Members {
		if m.Skipped != "" || m.After > m.Before/2 {
			t.Errorf("%s was defragmented from %d to %d bytes: %s", m.Name, m.Before, m.After, m.Skipped)
		}
		d.p.add("defrag --all: %s had %d MB and has %d MB", m.Name, m.Before>>20, m.After>>20)
	}
	if out := do(t)(d.run("cp1", "defrag", "--all")); strings.Count(out, "passed over") != 3 {
		t.Errorf("defragmented again:\n%s", out)
	}
}

// replace rebuilds a member whose database is overwritten while it leads.
func (d *dayTwo) replace() {
	t, ctx := d.t, d.t.Context()
	cp2 := d.c.Lab.Node("cp2")
	do(t)(clusters.Must(ctx, cp2, clusters.Binary, "etcd", "move-leader", "cp2"))
	do(t)(clusters.Must(ctx, cp2, "sh", "-c", `dd if=/dev/urandom of=/var/lib/etcd/member/snap/db bs=65536 count=40 conv=notrunc status=none && pkill -9 -x etcd`))
	must(t, clusters.Eventually(ctx, time.Minute, "etcd without the member", func() error {
		s := d.status("cp1")
		if s.Quorum.Healthy != 2 {
			return fmt.Errorf("%s", s.Quorum.Says)
		}
		return nil
	}))
	d.is(d.status("cp1"), 3, 2, 0)
	d.refused("cp1", "without cp3 etcd would have 2 voters, 1 healthy", "member", "remove", "cp3")
	d.refused("cp3", "not healthy: cp2", "member", "replace", "cp3")
	started := time.Now()
	r, err := cp2.Run(ctx, nil, clusters.Binary, "etcd", "member", "replace", "cp2")
	must(t, err)
	t.Logf("%s%s", r.Stderr, r.Stdout) // where the time goes
	if r.Exit != 0 {
		t.Fatalf("exit code %d", r.Exit)
	}
	d.p.add("member replace cp2, whose database was overwritten: %s", time.Since(started).Round(100*time.Millisecond))
	if kept := do(t)(clusters.Must(ctx, cp2, "sh", "-c", "ls -d /var/lib/etcd/member.replaced-*")); !strings.Contains(r.Stdout, strings.TrimSpace(kept)) {
		t.Errorf("the old data are in %s, and it says\n%s", kept, r.Stdout)
	}
	d.is(d.status("cp2"), 3, 3, 1)
	if list := d.members(); strings.Count(list, "started") != 3 || strings.Contains(list, "true") {
		t.Errorf("etcdctl lists\n%s", list)
	}
	if out := do(t)(clusters.Must(ctx, cp2, "kubectl", "--kubeconfig", clusters.Kubeconfig, "--server", "https://"+cp2.Address()+":6443", "get", "nodes", "-o", "name")); strings.Count(out, "node/") != 3 {
		t.Errorf("the API server of cp2 has %s", out)
	}
}

// remove takes out a member whose machine lost its power.
func (d *dayTwo) remove() {
	t, ctx := d.t, d.t.Context()
	do(t)(d.run("cp1", "move-leader", "cp1"))
	must(t, d.c.Lab.Node("cp3").Kill(ctx))
	must(t, clusters.Eventually(ctx, time.Minute, "etcd without the machine", func() error {
		if s := d.status("cp1"); s.Quorum.Healthy != 2 {
			return fmt.Errorf("%s", s.Quorum.Says)
		}
		return nil
	}))
	d.refused("cp1", "without cp2 etcd would have 2 voters, 1 healthy", "member", "remove", "cp2")
	out := do(t)(d.run("cp1", "member", "remove", "cp3"))
	if !strings.Contains(out, "kubectl delete node cp3") {
		t.Errorf("the Node is not told of:\n%s", out)
	}
	s := d.status("cp1")
	d.is(s, 2, 2, 0)
	if len(s.Findings) != 1 || !strings.Contains(s.Findings[0].Message, "an even number of voters") {
		t.Errorf("it finds %v", s.Findings)
	}
	if list := d.members(); strings.Contains(list, "cp3") {
		t.Errorf("etcdctl lists\n%s", list)
	}
}
