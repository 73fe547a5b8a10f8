//go:build e2e

package scenarios

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// Each obstacle of a worker's join is made on real machines, and clusteradm
// doctor join, and the join itself where it fails, name it and nothing else.
func TestJoinDiagnosis(t *testing.T) {
	budget(t, 10*time.Minute)
	p := newProof(t, "join-diagnosis")
	if p == nil {
		return
	}
	c := up(t, "diagnosis", "cp1", "w1")
	do(t)(c.Init(t.Context()))
	d := &diagnosing{joining: joining{t: t, c: c, p: p, node: c.Lab.Node("w1"), endpoint: c.ControlPlane().Address() + ":6443"}}
	d.pin = do(t)(c.Pin(t.Context()))
	admin, err := c.ControlPlane().ReadFile(t.Context(), clusters.Kubeconfig)
	must(t, err)
	must(t, d.node.WriteFile(t.Context(), "/root/admin.conf", admin, 0o600))
	d.signed(nodes.LabToken[:6], true)

	d.finds("nothing in the way", "", d.flags(nodes.LabToken))
	d.tokensOf()
	d.addresses()
	d.balancers()
	d.machine()
	d.names()
	d.approvals()
	d.withoutManager()
	d.clock()

	do(t)(c.Join(t.Context(), d.node))
	must(t, c.WaitReady(t.Context(), 3*time.Minute, "cp1", "w1"))
	d.finds("a machine that has joined", "", nil, "this machine has joined")
}

// diagnosing is a machine that is asked what is in the way of its join.
type diagnosing struct{ joining }

func (d *diagnosing) flags(token string) []string { return d.at(d.endpoint, token, d.pin) }

func (d *diagnosing) at(endpoint, token, pin string) []string {
	return []string{endpoint, "--token", token, "--discovery-token-ca-cert-hash", pin}
}

func admin(flags []string) []string {
	return append(slices.Clone(flags), "--kubeconfig", "/root/admin.conf")
}

// found is a diagnosis as it is printed.
type found struct {
	Standing string
	Findings []struct{ Name, Verdict, Message, Proof, Hint string }
}

// look asks for a diagnosis and returns the names that are bad.
func (d *diagnosing) look(flags []string) (bad string, f found, out string, exit int) {
	d.t.Helper()
	r, err := d.node.Run(d.t.Context(), nil, append([]string{clusters.Binary, "doctor", "join", "-o", "json"}, flags...)...)
	must(d.t, err)
	line, _, _ := strings.Cut(r.Stdout, "\n")
	if err := json.Unmarshal([]byte(line), &f); err != nil {
		d.t.Fatalf("no diagnosis: %v\n%s%s", err, r.Stdout, r.Stderr)
	}
	var names []string
	for _, row := range f.Findings {
		if row.Verdict == "bad" {
			names = append(names, row.Name)
		}
	}
	return strings.Join(names, " "), f, r.Stdout, r.Exit
}

// finds asserts what is bad, and what is said of it.
func (d *diagnosing) finds(what, want string, flags []string, says ...string) {
	d.t.Helper()
	started := time.Now()
	bad, f, out, exit := d.look(flags)
	took := time.Since(started)
	code := 4
	if want == "" {
		code = 0
	}
	if bad != want || exit != code || took > 10*time.Second {
		d.t.Errorf("%s: bad are %q, want %q; exit %d after %s\n%s", what, bad, want, exit, took, out)
	}
	text := f.Standing
	for _, row := range f.Findings {
		if row.Verdict == "bad" {
			text += "\n" + row.Message + "\n" + row.Proof + "\n" + row.Hint
			d.p.add("%s: **%s** after %s: %s (%s)", what, row.Name, took.Round(10*time.Millisecond), row.Message, row.Proof)
		}
	}
	if want == "" {
		d.p.add("%s: nothing bad after %s; %s", what, took.Round(10*time.Millisecond), f.Standing)
	}
	for _, s := range says {
		if !strings.Contains(text, s) {
			d.t.Errorf("%s: does not say %q\n%s", what, s, out)
		}
	}
}

// joinFails asserts that a join ends and says each of want.
func (d *diagnosing) joinFails(what string, exit int, flags []string, want ...string) {
	d.t.Helper()
	started := time.Now()
	r, err := d.node.Run(d.t.Context(), nil, append([]string{clusters.Binary, "join"}, flags...)...)
	must(d.t, err)
	if r.Exit != exit {
		d.t.Errorf("join, %s: exit %d, want %d\n%s%s", what, r.Exit, exit, r.Stdout, r.Stderr)
	}
	for _, s := range want {
		if !strings.Contains(r.Stderr, s) {
			d.t.Errorf("join, %s: does not say %q\n%s", what, s, r.Stderr)
		}
	}
	_, said, _ := strings.Cut(r.Stderr, "diagnosis: ")
	said, _, _ = strings.Cut(said, "\n")
	d.p.add("join, %s: failed after %s: %s; diagnosis: %s", what, time.Since(started).Round(10*time.Millisecond), errorLine(r.Stderr), said)
}

func (d *diagnosing) tokensOf() {
	unknown := d.flags("zzzzzz.0123456789abcdef")
	d.finds("an unknown token", "token", unknown, "the cluster has no token zzzzzz", "answers 401", "signed for "+nodes.LabToken[:6])
	d.finds("an unknown token, seen by an administrator", "token", admin(unknown), "there is no Secret kube-system/bootstrap-token-zzzzzz")
	d.joinFails("an unknown token", 1, unknown, "token expired or unknown", "diagnosis: token: the cluster has no token zzzzzz")
	half := d.flags(nodes.LabToken[:7] + "zzzzzzzzzzzzzzzz")
	d.finds("a wrong second half", "token", half, "the second half of the token is wrong")
	d.joinFails("a wrong second half", 1, half, "diagnosis: token: the second half")

	d.clusteradm("token", "create", "gone00.0123456789abcdef")
	d.signed("gone00", true)
	d.clusteradm("token", "delete", "gone00")
	d.signed("gone00", false)
	d.finds("a deleted token", "token", d.flags("gone00.0123456789abcdef"), "was deleted")

	d.clusteradm("token", "create", "login0.0123456789abcdef", "--usages", "authentication")
	login := d.flags("login0.0123456789abcdef")
	d.finds("a token that is not for signing", "signature", login, "although the token is alive")
	d.finds("the same, seen by an administrator", "signature", admin(login), "is not for signing", "its usages are authentication")
	d.joinFails("a token that is not for signing", 1, login, "diagnosis: signature: ")
	d.clusteradm("token", "create", "signs0.0123456789abcdef", "--usages", "signing")
	d.signed("signs0", true)
	d.finds("a token that is not for authentication", "token", d.flags("signs0.0123456789abcdef"), "signed for it, and the API server answers 401")
	d.finds("the same, seen by an administrator", "token", admin(d.flags("signs0.0123456789abcdef")), "its usages are signing")
	d.clusteradm("token", "delete", "login0", "signs0")
}

func (d *diagnosing) addresses() {
	pin := d.at(d.endpoint, nodes.LabToken, "sha256:"+strings.Repeat("0", 64))
	d.finds("a wrong pin", "pin", pin, "signed with this very token", d.pin)
	d.joinFails("a wrong pin", 1, pin, "cluster CA is not a pinned one", "diagnosis: pin: ")
	host := d.c.ControlPlane().Address()
	for what, endpoint := range map[string]string{
		"nothing listens":    host + ":1",
		"nobody there":       strings.TrimSuffix(d.c.Lab.Gateway(), ".1") + ".250:6443",
		"no such name":       "no.such.name:6443",
		"an SSH server":      host + ":22",
		"the kubelet's port": host + ":10250",
	} {
		d.finds(what, "endpoint", d.at(endpoint, nodes.LabToken, d.pin))
	}
	d.joinFails("nothing listens", 1, d.at(host+":1", nodes.LabToken, d.pin), "API server is not reachable: connection refused")
}

// balancers have nobody to hand a connection on to.
func (d *diagnosing) balancers() {
	t, ctx := d.t, d.t.Context()
	listener, err := net.Listen("tcp", d.c.Lab.Gateway()+":0")
	must(t, err)
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	closes := d.at(listener.Addr().String(), nodes.LabToken, d.pin)
	d.finds("a listener that closes", "load-balancer", closes, "takes the connection and ")
	d.joinFails("a listener that closes", 1, closes, "no API server answers behind the endpoint")

	cp, own := d.c.ControlPlane(), d.node.Address()
	pair := do(t)(clusters.Must(ctx, cp, "cat", "/etc/kubernetes/pki/apiserver.crt", "/etc/kubernetes/pki/apiserver.key"))
	must(t, d.node.WriteFile(ctx, "/root/haproxy/server.pem", []byte(pair), 0o644))
	must(t, d.node.WriteFile(ctx, "/root/haproxy/haproxy.cfg", []byte(`defaults
  timeout connect 1s
  timeout client 5s
  timeout server 5s
  retries 0
listen tcp
  mode tcp
  bind :7443
  server gone `+cp.Address()+`:1 check inter 100ms fall 1
listen http
  mode http
  bind :7444 ssl crt /etc/lab/server.pem
  server gone `+cp.Address()+`:1 check inter 100ms fall 1
`), 0o644))
	do(t)(clusters.Must(ctx, d.node, "ctr", "-n", "k8s.io", "run", "-d", "--net-host", "--mount", "type=bind,src=/root/haproxy,dst=/etc/lab,options=rbind:ro",
		d.c.Versions.HAProxyImage(), "balancer", "haproxy", "-f", "/etc/lab/haproxy.cfg"))
	must(t, clusters.Eventually(ctx, 30*time.Second, "haproxy to know that it has nobody", func() error {
		r, err := d.node.Run(ctx, nil, "curl", "-sk", "--max-time", "2", "https://"+own+":7444/")
		if err == nil && !strings.Contains(r.Stdout, "No server is available") {
			err = fmt.Errorf("it says %q", r.Stdout)
		}
		return err
	}))
	d.finds("haproxy without a healthy backend", "load-balancer", d.at(own+":7443", nodes.LabToken, d.pin), "takes the connection and ")
	d.finds("haproxy that ends TLS, without a healthy backend", "load-balancer", d.at(own+":7444", nodes.LabToken, d.pin), "HTTP 503", "No server is available")
	d.joinFails("haproxy without a healthy backend", 1, d.at(own+":7443", nodes.LabToken, d.pin), "no API server answers behind the endpoint")
	do(t)(clusters.Must(ctx, d.node, "ctr", "-n", "k8s.io", "task", "rm", "-f", "balancer"))
	do(t)(clusters.Must(ctx, d.node, "ctr", "-n", "k8s.io", "container", "rm", "balancer"))
}

// machine is what is wrong with the machine itself.
func (d *diagnosing) machine() {
	t, ctx := d.t, d.t.Context()
	systemctl := func(args ...string) { do(t)(clusters.Must(ctx, d.node, append([]string{"systemctl"}, args...)...)) }
	systemctl("stop", "containerd.service")
	d.finds("the runtime stopped", "runtime", d.flags(nodes.LabToken), "systemctl status containerd")
	d.joinFails("the runtime stopped", 4, d.flags(nodes.LabToken), "[ERROR CRI]")
	const config = "/etc/containerd/config.toml"
	was, err := d.node.ReadFile(ctx, config)
	must(t, err)
	must(t, d.node.WriteFile(ctx, config, []byte("version = 3\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n"), 0o644))
	systemctl("start", "containerd.service")
	d.finds("the CRI plugin disabled", "runtime", d.flags(nodes.LabToken), "its CRI plugin is disabled")
	must(t, d.node.WriteFile(ctx, config, was, 0o644))
	systemctl("restart", "containerd.service")
	must(t, d.node.Answers(ctx))
	systemctl("mask", "kubelet.service")
	d.finds("the kubelet masked", "kubelet", d.flags(nodes.LabToken), "systemctl unmask kubelet.service")
	systemctl("unmask", "kubelet.service")
}

func (d *diagnosing) names() {
	t, ctx := d.t, d.t.Context()
	taken := append(d.flags(nodes.LabToken), "--node-name", "cp1")
	d.finds("the name of a Ready node", "name", taken, "the name is taken", d.c.ControlPlane().Address(), d.node.Address())
	d.joinFails("the name of a Ready node", 1, taken, "the cluster has a Ready node cp1 already", "diagnosis: name: the name is taken")
	must(t, d.c.Apply(ctx, "apiVersion: v1\nkind: Node\nmetadata: {name: ghost}\n"))
	do(t)(d.c.Kubectl(ctx, "patch", "node", "ghost", "--subresource=status", "--type=merge", "-p", `{"status":{"nodeInfo":{"machineID":"4711","systemUUID":"4712"},"addresses":[{"type":"InternalIP","address":"10.9.9.9"}]}}`))
	d.finds("the name of another machine's node", "name", append(d.flags(nodes.LabToken), "--node-name", "ghost"), "machine ID 4711", "10.9.9.9", "kubectl delete node ghost")
	do(t)(d.c.Kubectl(ctx, "delete", "node", "ghost"))
}

// bootstrapsFor has a join wait for its certificate no longer than it must.
func (d *diagnosing) bootstrapsFor(seconds int) []string {
	t, ctx := d.t, d.t.Context()
	must(t, d.c.WriteJoinConfig(ctx, d.node, "/root/join.yaml"))
	text, err := d.node.ReadFile(ctx, "/root/join.yaml")
	must(t, err)
	if strings.Contains(string(text), "timeouts:") {
		t.Fatalf("the lab's configuration has timeouts:\n%s", text)
	}
	must(t, d.node.WriteFile(ctx, "/root/short.yaml", []byte(strings.Replace(string(text), "discovery:\n", fmt.Sprintf("timeouts: {tlsBootstrap: %ds}\ndiscovery:\n", seconds), 1)), 0o600))
	return []string{"--config", "/root/short.yaml"}
}

// anew takes the machine out of what a join has left.
func (d *diagnosing) anew() {
	t, ctx := d.t, d.t.Context()
	do(t)(clusters.Must(ctx, d.node, clusters.Binary, "reset", "--force"))
	do(t)(d.c.Kubectl(ctx, "delete", "csr", "--all"))
	do(t)(d.c.Kubectl(ctx, "delete", "node", d.node.Name(), "--ignore-not-found"))
}

func (d *diagnosing) approvals() {
	t, ctx, fresh := d.t, d.t.Context(), d.flags(nodes.LabToken)
	do(t)(d.c.Kubectl(ctx, "delete", "clusterrolebinding", "kubeadm:node-autoapprove-bootstrap"))
	d.finds("no approver, beforehand", "certificate", fresh, "kubeadm:node-autoapprove-bootstrap", "clusteradm init phase bootstrap-token")
	d.joinFails("no approver", 6, d.bootstrapsFor(15), "wait for the kubelet to get its certificate", "is pending: nobody approves it by itself", "kubectl certificate approve ")
	d.finds("no approver, half-way, without flags", "certificate", nil, "a join has come as far as the kubelet", "is pending: nobody approves it by itself", "made it ")
	names := strings.Fields(do(t)(d.c.Kubectl(ctx, "get", "csr", "-o", `jsonpath={.items[?(@.spec.username=="system:bootstrap:`+nodes.LabToken[:6]+`")].metadata.name}`)))
	do(t)(d.c.Kubectl(ctx, append([]string{"certificate", "deny"}, names...)...))
	d.finds("a request that was denied", "certificate", nil, "was denied", "kubectl delete csr")
	d.anew()
	do(t)(d.c.Kubectl(ctx, "delete", "clusterrolebinding", "kubeadm:kubelet-bootstrap"))
	d.finds("nobody may ask", "certificate", fresh, "may not create certificate signing requests")
	d.clusteradm("init", "phase", "bootstrap-token", "--config", "/root/init.yaml")
	d.finds("after that command", "", fresh)
}

// withoutManager is what the controller manager does and does not do any more.
func (d *diagnosing) withoutManager() {
	t, ctx, cp := d.t, d.t.Context(), d.c.ControlPlane()
	const manifest = "/etc/kubernetes/manifests/kube-controller-manager.yaml"
	d.clusteradm("token", "create", "expiry.0123456789abcdef", "--ttl", "20s")
	d.signed("expiry", true)
	do(t)(clusters.Must(ctx, cp, "mv", manifest, "/root/kcm.yaml"))
	must(t, clusters.Eventually(ctx, time.Minute, "the controller manager to end", func() error {
		out, err := clusters.Must(ctx, cp, "ss", "-Hltn", "sport = :10257")
		if err == nil && out != "" {
			err = fmt.Errorf("it listens: %s", out)
		}
		return err
	}))
	d.clusteradm("token", "create", "fresh0.0123456789abcdef")
	fresh := d.flags("fresh0.0123456789abcdef")
	d.finds("a token that nobody signed for", "signature", fresh, "although the token is alive", "the API server accepts the token")
	d.joinFails("a token that nobody signed for", 1, fresh, "diagnosis: signature: ")
	d.joinFails("no controller manager", 6, d.bootstrapsFor(15), "although it may be approved by itself: the controller manager")
	d.finds("no controller manager, half-way", "certificate", nil, "is pending, although it may be approved by itself")
	must(t, clusters.Eventually(ctx, time.Minute, "the Lease of the controller manager to run out", func() error {
		bad, _, out, _ := d.look(admin(fresh))
		if bad != "signature certificate" || !strings.Contains(out, "last renewed the Lease kube-system/kube-controller-manager") {
			return fmt.Errorf("bad are %q", bad)
		}
		return nil
	}))
	d.finds("the same, seen by an administrator", "signature certificate", admin(fresh), "the controller manager, which signs, does not run", "which approves, does not run")
	expired := d.flags("expiry.0123456789abcdef")
	must(t, clusters.Eventually(ctx, time.Minute, "the token to expire", func() error {
		if bad, _, _, _ := d.look(expired); !strings.HasPrefix(bad, "token") {
			return fmt.Errorf("bad are %q", bad)
		}
		return nil
	}))
	d.finds("an expired token that is still signed for", "token", expired, "signed for it, and the API server answers 401")
	d.finds("the same, seen by an administrator", "token", admin(expired), "token expiry has expired", " ago")
	do(t)(clusters.Must(ctx, cp, "mv", "/root/kcm.yaml", manifest))
	d.signed("expiry", false)
	d.finds("an expired token", "token", expired, "signed for ")
	d.anew()
	d.clusteradm("token", "delete", "fresh0")
}

func (d *diagnosing) clock() {
	t, ctx, cp := d.t, d.t.Context(), d.c.ControlPlane()
	real, err := cp.ReadFile(ctx, "/etc/kubernetes/pki/apiserver.crt")
	must(t, err)
	future, err := reissue(t, cp, real, time.Now().Add(48*time.Hour), time.Now().Add(72*time.Hour))
	must(t, err)
	d.serve(future, "a certificate from the future")
	d.finds("a certificate from the future", "clock", d.flags(nodes.LabToken), "is not valid before", "less than two seconds apart", "clusteradm certs renew all")
	d.joinFails("a certificate from the future", 1, d.flags(nodes.LabToken), "certificate is not valid at this machine's time", "diagnosis: clock: ")
	d.serve(real, "the certificate as it was")
}
