package cli_test

import (
	"encoding/base64"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cluster-bootstrap/token/jws"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

// worker is a machine w1 in the network of a control plane. Its kubelet gets its
// certificate at once.
func (r *rig) worker() *rig {
	t := r.t
	t.Helper()
	r.sign()
	w := bareRig(t, "w1")
	w.store = r.store
	w.dial = r.dial
	pair := r.client("system:node:w1", "system:nodes")
	w.machine.AddUnit(hosttest.Unit{Name: "kubelet.service", OnStart: func(m *hosttest.Machine) error {
		m.Put(cluster.KubeletConf, string(pki.EncodeKubeletKubeconfig("kubernetes", "https://192.0.2.10:6443", "w1", pair.ca).Reveal()), 0o600)
		m.Put(cluster.KubeletClientPEM, string(pair.cert)+string(pair.key), 0o600)
		r.store.Put(kubetest.Object(t, "apiVersion: v1\nkind: Node\nmetadata: {name: w1}\nstatus: {conditions: [{type: Ready, status: \"True\"}]}\n"))
		return nil
	}})
	return w
}

type identity struct{ ca, cert, key []byte }

// client has the cluster's authority make a client certificate.
func (r *rig) client(user, group string) identity {
	r.t.Helper()
	file := func(path string) []byte {
		content, ok := r.machine.Content(path)
		if !ok {
			r.t.Fatalf("no %s", path)
		}
		return []byte(content)
	}
	ca := pki.Pair{Cert: file("/etc/kubernetes/pki/ca.crt"), Key: secret.NewBytes(file("/etc/kubernetes/pki/ca.key"))}
	pair, err := pki.Issue(pki.Spec{Name: user, CA: "ca", CABase: "ca", Base: "x", CommonName: user, Organization: []string{group}, Usages: []pki.Usage{pki.ClientAuth},
		Algorithm: cluster.ECDSAP256, Validity: time.Hour}, ca, time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	return identity{ca.Cert, pair.Cert, pair.Key.Reveal()}
}

// sign is the controller that signs cluster-info.
func (r *rig) sign() {
	r.t.Helper()
	info := r.clusterInfo()
	content, _, _ := unstructured.NestedString(info.Object, "data", "kubeconfig")
	id, half, _ := strings.Cut(canary, ".")
	signature, err := jws.ComputeDetachedSignature(content, id, half)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := unstructured.SetNestedField(info.Object, signature, "data", "jws-kubeconfig-"+id); err != nil {
		r.t.Fatal(err)
	}
	r.store.Put(info)
}

func (r *rig) clusterInfo() *unstructured.Unstructured {
	r.t.Helper()
	ref := kubetest.Object(r.t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cluster-info, namespace: kube-public}\n")
	found, err := r.store.Get(r.t.Context(), kube.RefOf(ref))
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}

// joinArgs are those that the control plane prints.
func (r *rig) joinArgs() []string {
	r.t.Helper()
	return strings.Fields(strings.TrimPrefix(r.run("init", "phase", "show-join-command", "--config", "c.yaml").is(r.t, 0).out, "clusteradm "))
}

func TestJoin(t *testing.T) {
	t.Parallel()
	cp := running(t)
	args := cp.joinArgs()
	w := cp.worker()
	before := w.machine.Snapshot(journals)
	w.run(append(args, "--dry-run")...).is(t, 0, "bootstrap-kubelet.conf", "nothing was changed")
	if diff := hosttest.Diff(before, w.machine.Snapshot(journals)); diff != "" {
		t.Errorf("a dry run changed the machine:\n%s", diff)
	}
	got := w.run(args...).is(t, 0, "This machine is the node w1")
	if strings.Contains(got.out+got.stderr+w.journal(), canarySecret) {
		t.Error("a token is told")
	}
	w.run(args...).is(t, 0, "nothing to change")
	w.run(append(args, "-o", "json")...).is(t, 0, `{"kind":"result","node":"w1"}`)
	// Its own phases are there, and those of a control plane have nothing to do.
	part := func(names ...string) []string {
		return append(append([]string{"join", "phase"}, names...), args[1:]...)
	}
	w.run(part("kubelet-start")...).is(t, 0, "nothing to change")
	w.run(part("control-plane-join", "all")...).is(t, 0)
	w.run(part("preflight")...).is(t, 0)

	cp.worker().run(args...).is(t, 1, "join: the cluster has a Ready node w1 already")
	before = cp.snapshot()
	cp.run(args...).is(t, 4, "[ERROR FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml]", "this machine is a control plane")
	if diff := hosttest.Diff(before, cp.snapshot()); diff != "" {
		t.Errorf("a control plane was changed:\n%s", diff)
	}
	w.run("join", args[1], "--token", "short", "--discovery-token-unsafe-skip-ca-verification").is(t, 2,
		"--token: JoinConfiguration discovery.bootstrapToken.token: is not a bootstrap token", "clusteradm token create --print-join-command")
}

func TestJoinTakesTheTokenFromStdin(t *testing.T) {
	t.Parallel()
	cp := running(t)
	args := cp.joinArgs()
	w := cp.worker()
	w.stdin = canary + "\n"
	for i, arg := range args {
		if arg == canary {
			args[i] = "-"
		}
	}
	w.run(append([]string{"preflight"}, args...)...).is(t, 0, "0 errors")
	w.run(args...).is(t, 0, "This machine is the node w1")
}

// A discovery file brings what a token would be for.
func TestJoinByFile(t *testing.T) {
	t.Parallel()
	cp := running(t)
	id := cp.client("joiner", "system:bootstrappers")
	b64 := base64.StdEncoding.EncodeToString
	file := func(user string) string {
		return "current-context: c\nclusters: [{name: prod, cluster: {server: 'https://192.0.2.10:6443', certificate-authority-data: " + b64(id.ca) + "}}]\n" +
			"contexts: [{name: c, context: {cluster: prod, user: u}}]\nusers: [{name: u, user: {" + user + "}}]\n"
	}
	embedded := "client-certificate-data: " + b64(id.cert) + ", client-key-data: " + b64(id.key)
	for name, c := range map[string]struct {
		file  string
		files map[string]string
		flags []string
		holds string // what goes on to the kubelet
	}{
		"embedded":        {file(embedded), nil, nil, "client-key-data: " + b64(id.key)},
		"by files":        {file("client-certificate: me.crt, client-key: /me.key"), map[string]string{"/d/me.crt": string(id.cert), "/me.key": string(id.key)}, nil, "client-key-data: " + b64(id.key)},
		"token":           {file("token: " + canary), nil, nil, "token: " + canary},
		"token beside it": {file(embedded), nil, []string{"--tls-bootstrap-token", canary}, "token: " + canary},
	} {
		w := cp.worker()
		w.files = c.files
		if w.files == nil {
			w.files = map[string]string{}
		}
		w.files["/d/cluster.conf"] = c.file
		w.run(append([]string{"join", "phase", "kubelet-start", "--discovery-file", "/d/cluster.conf"}, c.flags...)...).is(t, 0)
		if got, _ := w.machine.Content(cluster.BootstrapKubeletConf); !strings.Contains(got, c.holds) {
			t.Errorf("%s: bootstrap-kubelet.conf is\n%s", name, got)
		}
		cp.forget("w1")
	}
	w := cp.worker()
	w.files["/d/cluster.conf"] = file("")
	w.run("join", "--discovery-file", "/d/cluster.conf").is(t, 2, "no credentials to ask for the kubelet's certificate with: give --tls-bootstrap-token")
	w.run("join", "--discovery-file", "/none").is(t, 2, "--discovery-file", "read discovery file: ")
	w.files["/d/other.conf"] = strings.Replace(file(embedded), "192.0.2.10", "192.0.2.99", 1)
	w.run("join", "--discovery-file", "/d/other.conf").is(t, 1, "error: reach cluster at 192.0.2.99:6443: API server is not reachable: no route to 192.0.2.99", "hint: ip route get 192.0.2.99")
}

// The cluster may name another server than the one that was asked.
func TestJoinTriesTheServerThatTheClusterNames(t *testing.T) {
	t.Parallel()
	cp := running(t)
	w := cp.worker()
	w.dial = func(addr string) (net.Conn, error) {
		if addr == "192.0.2.10:6443" {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}
		return cp.dial("192.0.2.10:6443")
	}
	w.run("join", "192.0.2.11:6443", "--token", canary, "--discovery-token-unsafe-skip-ca-verification").is(t, 1,
		"error: reach cluster at 192.0.2.10:6443: API server is not reachable: connection refused", "hint: on a control plane run: ss -ltn")
}

// forget deletes a node.
func (r *rig) forget(name string) {
	r.t.Helper()
	node := kubetest.Object(r.t, "apiVersion: v1\nkind: Node\nmetadata: {name: "+name+"}\n")
	if err := r.store.Delete(r.t.Context(), kube.RefOf(node)); err != nil {
		r.t.Fatal(err)
	}
}
