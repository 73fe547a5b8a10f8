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

// The names by which the API server is reached in these scenarios.
const (
	oldName = "old.lab.example"
	newName = "k8s.lab.example"
)

// A cluster without an endpoint gets one, while it is asked at its old address,
// and a machine joins by it.
func TestEndpointChange(t *testing.T) {
	budget(t, 8*time.Minute)
	p := newProof(t, "endpoint-change")
	if p == nil {
		return
	}
	ctx, c := t.Context(), up(t, "endpointc", "cp1", "w1", "w2")
	named(t, c)
	do(t)(c.Init(ctx))
	do(t)(c.Join(ctx, c.Lab.Node("w1")))
	must(t, c.WaitReady(ctx, 2*time.Minute, "cp1", "w1"))
	m := &moving{t: t, c: c, p: p, old: c.ControlPlane().Address()}
	m.shows("cp1", "none: each node has the address of an API server", 0)

	before := m.started()
	m.refused("w1", "the API servers do not have the name yet")
	m.moves(newName, "cp1", "w1")
	if after := m.started(); after == before {
		t.Error("kube-proxy and flannel were not started again")
	}
	m.joins("w2")
	must(t, c.WaitReady(ctx, 2*time.Minute, "cp1", "w1", "w2"))
	must(t, c.ReachService(ctx, 2*time.Minute, "w1", "w2"))
	p.add("w2 joined by the new endpoint; nodes Ready, a pod on w2 reached a Service on w1 by its DNS name")
}

// named has all nodes know both names.
func named(t *testing.T, c *clusters.Cluster) {
	t.Helper()
	for _, n := range c.Lab.Nodes() {
		do(t)(clusters.Must(t.Context(), n, "sh", "-c", "echo "+c.ControlPlane().Address()+" "+oldName+" "+newName+" >>/etc/hosts"))
	}
}

// moving is a cluster whose endpoint changes.
type moving struct {
	t   *testing.T
	c   *clusters.Cluster
	p   *proof
	old string // the name that is to be good all the time
}

func (m *moving) kubectl(args ...string) string {
	m.t.Helper()
	return do(m.t)(m.c.Kubectl(m.t.Context(), args...))
}

// started is which pods of kube-proxy and flannel there are.
func (m *moving) started() string {
	m.t.Helper()
	return m.kubectl("get", "pods", "-A", "-l", "k8s-app in (kube-proxy, flannel)", "-o", "jsonpath={.items[*].metadata.uid}")
}

func (m *moving) shows(node, want string, code int) {
	m.t.Helper()
	r, err := m.c.Lab.Node(node).Run(m.t.Context(), nil, clusters.Binary, "endpoint", "show")
	must(m.t, err)
	if r.Exit != code || !strings.Contains(r.Stdout, want) {
		m.t.Errorf("endpoint show on %s: exit %d\n%s%s", node, r.Exit, r.Stdout, r.Stderr)
	}
}

func (m *moving) refused(node, why string) {
	m.t.Helper()
	r, err := m.c.Lab.Node(node).Run(m.t.Context(), nil, clusters.Binary, "endpoint", "set", newName)
	must(m.t, err)
	if r.Exit != 3 || !strings.Contains(r.Stderr, why) {
		m.t.Errorf("endpoint set on %s: exit %d\n%s%s", node, r.Exit, r.Stdout, r.Stderr)
	}
}

// moves runs the change on the machines in turn, while the old address is
// asked, and once more; then looks from outside at all that has moved.
func (m *moving) moves(to string, machines ...string) {
	t, ctx := m.t, m.t.Context()
	t.Helper()
	asking := askAs(t, m.c.ControlPlane(), m.old)
	for _, name := range machines {
		began := time.Now()
		do(t)(clusters.Must(ctx, m.c.Lab.Node(name), clusters.Binary, "endpoint", "set", to))
		m.p.add("clusteradm endpoint set %s on %s: %s", to, name, time.Since(began).Round(10*time.Millisecond))
	}
	asked, retried := asking.stop(t)
	m.p.add("%d requests to the old address meanwhile, %d answered at the second try, none failed", asked, retried)
	url := "https://" + to + ":6443"
	for what, got := range map[string]string{
		"kubeadm-config": m.kubectl("-n", "kube-system", "get", "cm", "kubeadm-config", "-o", "jsonpath={.data.ClusterConfiguration}"),
		"cluster-info":   m.kubectl("-n", "kube-public", "get", "cm", "cluster-info", "-o", "jsonpath={.data.kubeconfig}"),
		"kube-proxy":     m.kubectl("-n", "kube-system", "get", "cm", "kube-proxy", `-o`, `jsonpath={.data.kubeconfig\.conf}`),
	} {
		if !strings.Contains(got, to+":6443") {
			t.Errorf("%s does not have %s:\n%s", what, to, got)
		}
	}
	for _, name := range machines {
		path := "/etc/kubernetes/kubelet.conf"
		if strings.HasPrefix(name, "cp") {
			path = clusters.Kubeconfig
		}
		if conf := do(t)(clusters.Must(ctx, m.c.Lab.Node(name), "cat", path)); !strings.Contains(conf, "server: "+url+"\n") {
			t.Errorf("%s on %s does not have %s", path, name, url)
		}
		m.shows(name, to, 0)
		out := do(t)(clusters.Must(ctx, m.c.Lab.Node(name), "sh", "-c", clusters.Binary+" endpoint set "+to+" 2>&1"))
		if !strings.Contains(out, "nothing to change") {
			t.Errorf("a second time on %s:\n%s", name, out)
		}
	}
	must(t, clusters.Eventually(ctx, time.Minute, "a kube-proxy that is in step", func() error {
		_, err := m.c.Kubectl(ctx, "-n", "kube-system", "rollout", "status", "daemonset", "kube-proxy", "--timeout=5s")
		return err
	}))
	m.p.add("kubeadm-config, cluster-info, kube-proxy and the kubeconfigs have moved; a second run changed nothing")
}

// joins has the printed command name the endpoint, and runs it.
func (m *moving) joins(node string) {
	m.t.Helper()
	command := do(m.t)(clusters.Must(m.t.Context(), m.c.ControlPlane(), clusters.Binary, "token", "create", "--print-join-command"))
	if want := fmt.Sprintf("clusteradm join %s:6443 ", newName); !strings.HasPrefix(command, want) {
		m.t.Errorf("the join command is %s", command)
	}
	m.join(node, newName, clusters.Binary)
}

func (m *moving) join(node, endpoint, program string) {
	t, ctx, n := m.t, m.t.Context(), m.c.Lab.Node(node)
	t.Helper()
	pin := do(t)(m.c.Pin(ctx))
	text, err := nodes.Kubeadm{Versions: m.c.Versions, Node: node, Address: n.Address(), Endpoint: endpoint + ":6443", CACertHashes: []string{pin}}.JoinConfig()
	must(t, err)
	must(t, n.WriteFile(ctx, "/root/join.yaml", []byte(text), 0o600))
	if program == "kubeadm" {
		do(t)(clusters.Must(ctx, n, "kubeadm", "join", "--config", "/root/join.yaml"))
		return
	}
	do(t)(clusters.Must(ctx, n, program, "join", "--config", "/root/join.yaml"))
}

// A cluster that was made without gets a load balancer on every node and a
// virtual IP, and loses them again.
func TestEndpointPrograms(t *testing.T) {
	budget(t, 8*time.Minute)
	p := newProof(t, "endpoint-programs")
	if p == nil {
		return
	}
	ctx, c := t.Context(), up(t, "endpointp", "cp1", "w1")
	named(t, c)
	cp, w1 := c.ControlPlane(), c.Lab.Node("w1")
	do(t)(c.Init(ctx))
	do(t)(c.Join(ctx, w1))
	must(t, c.WaitReady(ctx, 2*time.Minute, "cp1", "w1"))
	m := &moving{t: t, c: c, p: p, old: cp.Address()}
	address := strings.TrimSuffix(c.Lab.Subnet(), "0/24") + "200"
	document := endpointDocument("nodeLoadBalancer: {image: '%s'}\nvirtualIP: {address: %s, image: '%s'}", c.Versions.HAProxyImage(), address, c.Versions.KeepalivedImage())
	must(t, cp.WriteFile(ctx, "/root/endpoint.yaml", []byte(document), 0o600))
	must(t, cp.WriteFile(ctx, "/root/bare.yaml", []byte(endpointDocument("")), 0o600))

	asking := askAs(t, cp, cp.Address())
	began := time.Now()
	m.ends("cp1", 3, "kube-proxy stays where it is until there is a load balancer on w1", "--config", "/root/endpoint.yaml")
	m.ends("w1", 0, "this node uses https://127.0.0.1:7443", address)
	m.ends("cp1", 0, "the cluster is reached at "+address+":6443", address)
	p.add("a load balancer on every node and a virtual IP as the endpoint: %s", time.Since(began).Round(100*time.Millisecond))
	for _, n := range c.Lab.Nodes() {
		if conf := do(t)(clusters.Must(ctx, n, "cat", "/etc/kubernetes/kubelet.conf")); !strings.Contains(conf, "server: https://127.0.0.1:7443\n") {
			t.Errorf("the kubelet of %s does not use the load balancer", n.Name())
		}
		m.shows(n.Name(), address, 0)
	}
	if conf := m.kubectl("-n", "kube-system", "get", "cm", "kube-proxy", "-o", `jsonpath={.data.kubeconfig\.conf}`); !strings.Contains(conf, "https://127.0.0.1:7443") {
		t.Errorf("kube-proxy does not use the load balancer:\n%s", conf)
	}
	must(t, c.WaitReady(ctx, 2*time.Minute, "cp1", "w1"))
	must(t, c.ReachService(ctx, 2*time.Minute, "cp1", "w1"))

	m.ends("cp1", 2, "which would go", "--config", "/root/bare.yaml")
	m.ends("cp1", 0, "the cluster is reached at "+newName, newName)
	m.ends("w1", 0, "this node uses https://127.0.0.1:7443", newName)
	m.ends("cp1", 0, "the cluster is reached at "+newName, "--config", "/root/bare.yaml")
	m.ends("w1", 0, "this node uses https://"+newName+":6443", newName)
	for _, n := range c.Lab.Nodes() {
		left := do(t)(clusters.Must(ctx, n, "sh", "-c", "ls /etc/kubernetes/manifests /etc/systemd/system /etc/systemd/system/multi-user.target.wants; ls /etc/clusteradm; grep -o '127.0.0.1:7443' /etc/kubernetes/*.conf; true"))
		for _, gone := range []string{"haproxy", "keepalived", "clusteradm-endpoint", "7443"} {
			if strings.Contains(left, gone) {
				t.Errorf("%s still has %s:\n%s", n.Name(), gone, left)
			}
		}
		m.shows(n.Name(), newName, 0)
	}
	must(t, c.WaitReady(ctx, 2*time.Minute, "cp1", "w1"))
	asked, retried := asking.stop(t)
	p.add("and gone again; %d requests to the API server meanwhile, %d answered at the second try, none failed", asked, retried)
}

// ends runs the change on a node.
func (m *moving) ends(node string, code int, want string, args ...string) {
	m.t.Helper()
	r, err := m.c.Lab.Node(node).Run(m.t.Context(), nil, append([]string{clusters.Binary, "endpoint", "set"}, args...)...)
	must(m.t, err)
	if r.Exit != code || !strings.Contains(r.Stdout+r.Stderr, want) {
		m.t.Fatalf("endpoint set %v on %s: exit %d\n%s%s", args, node, r.Exit, r.Stdout, r.Stderr)
	}
}
