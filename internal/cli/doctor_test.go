package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/token"
)

// doctor is a machine w1 that is asked what is in the way of its join.
func (r *rig) doctor(args ...string) ran {
	r.t.Helper()
	before := r.machine.Snapshot(journals)
	got := r.run(append([]string{"doctor"}, args...)...)
	if diff := hosttest.Diff(before, r.machine.Snapshot(journals)); diff != "" {
		r.t.Errorf("a diagnosis changed the machine:\n%s", diff)
	}
	if strings.Contains(got.out+got.stderr, canarySecret) {
		r.t.Error("a token is told")
	}
	return got
}

// keeps has the command line find what is on the machine.
func (r *rig) keeps(paths ...string) {
	for _, path := range paths {
		r.files[path], _ = r.machine.Content(path)
	}
}

// badRows are the names of what is bad, of a diagnosis as JSON.
func badRows(t *testing.T, got ran) string {
	t.Helper()
	var names []string
	for _, row := range objects(t, got.out)[0]["findings"].([]any) {
		if row := row.(map[string]any); row["verdict"] == "bad" {
			names = append(names, row["name"].(string))
		}
	}
	return strings.Join(names, " ")
}

func TestDoctorJoin(t *testing.T) {
	t.Parallel()
	cp := running(t)
	args := cp.joinArgs()
	w := cp.worker()
	store := cp.store.Snapshot()
	w.doctor(args...).is(t, 0, "ok       runtime", "ok       endpoint", "ok       pin", "ok       token               the cluster accepts token canary", "nothing of a join is on this machine", "0 bad, 0 cannot be told")
	if got := w.doctor(append(args, "-o", "json")...).is(t, 0, `{"kind":"diagnosis","list":"join","standing":"nothing of a join is on this machine"`); badRows(t, got) != "" {
		t.Errorf("bad are %q", badRows(t, got))
	}
	if after := cp.store.Snapshot(); after != store {
		t.Error("a diagnosis changed the cluster")
	}
	w.run(args...).is(t, 0)
	w.keeps(cluster.KubeletConf, cluster.KubeletClientPEM)
	w.doctor("join").is(t, 0, "this machine has joined", "ok       ready", "ok       certificate")
	// A worker with a load balancer is no control plane.
	w.machine.Put(cluster.ManifestsDir+"/clusteradm-haproxy.yaml", "kind: Pod\n", 0o600)
	if got := w.doctor("join").is(t, 0, "0 bad"); strings.Contains(got.out, "shared-certificates") {
		t.Errorf("it is taken for a control plane:\n%s", got.out)
	}
	bareRig(t, "w9").doctor("join").is(t, 2)
}

// Obstacles as the whole command line sees them.
func TestDoctorJoinNamesTheObstacle(t *testing.T) {
	t.Parallel()
	cp := running(t)
	args := cp.joinArgs()
	cp.sign()
	balancer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { balancer.Close() })
	go func() {
		for {
			conn, err := balancer.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096)) // whatever it is
			conn.Close()
		}
	}()
	// Each case has the cluster for itself, and leaves it as it was.
	for _, c := range []struct {
		name    string
		make    func(w *rig) []string // more arguments
		undo    func()
		bad     string
		says    []string
		joins   []string // what a join itself adds to its error
		instead int      // of so many arguments
	}{
		{name: "token", make: func(*rig) []string {
			cp.store.Before = func(_ string, ref kube.Ref) error {
				if ref.Name == "cluster-info" {
					return nil
				}
				return apierrors.NewUnauthorized("who are you?")
			}
			return nil
		}, undo: func() { cp.store.Before = nil }, bad: "token", says: []string{"signed for it, and the API server answers 401"},
			joins: []string{"error: join: the cluster does not accept the token", "diagnosis: token: "}},
		{name: "signature", make: func(*rig) []string {
			info := cp.clusterInfo()
			unstructured.RemoveNestedField(info.Object, "data", "jws-kubeconfig-canary")
			cp.store.Put(info)
			return nil
		}, undo: cp.sign, bad: "signature", says: []string{"although the token is alive"}},
		{name: "approver", make: func(*rig) []string {
			cp.store.Allow = func(_, resource, subresource string) bool {
				return resource != "certificatesigningrequests" || subresource == ""
			}
			return nil
		}, undo: func() { cp.store.Allow = nil }, bad: "certificate", says: []string{"kubeadm:node-autoapprove-bootstrap"}},
		{name: "name", make: func(*rig) []string {
			cp.store.Put(kubetest.Object(t, "apiVersion: v1\nkind: Node\nmetadata: {name: w1}\nstatus: {nodeInfo: {machineID: other}, addresses: [{type: InternalIP, address: 10.9.9.9}], conditions: [{type: Ready, status: \"True\"}]}\n"))
			return nil
		}, undo: func() { cp.forget("w1") }, bad: "name", says: []string{"machine ID other", "10.9.9.9"},
			joins: []string{"error: join: the cluster has a Ready node w1 already", "diagnosis: name: the name is taken", "  proof: its machine has machine ID other"}},
		{name: "pin", make: func(*rig) []string {
			return []string{"sha256:" + strings.Repeat("0", 64)}
		}, instead: 1, bad: "pin", says: []string{"is signed with this very token"}, joins: []string{"error: discover cluster at 192.0.2.10:6443: cluster CA is not a pinned one", "diagnosis: pin: "}},
		{name: "clock", make: func(w *rig) []string {
			w.clock = func() time.Time { return time.Now().Add(-48 * time.Hour) }
			return nil
		}, bad: "clock", says: []string{"behind the API server's"}, joins: []string{"diagnosis: clock: "}},
		{name: "endpoint", make: func(w *rig) []string {
			w.dial = func(string) (net.Conn, error) { return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED} }
			return nil
		}, bad: "endpoint", says: []string{"connection refused: nothing listens at 192.0.2.10:6443"}},
		{name: "load-balancer", make: func(w *rig) []string {
			w.dial = func(string) (net.Conn, error) { return net.Dial("tcp", balancer.Addr().String()) }
			return nil
		}, bad: "load-balancer", says: []string{"takes the connection and "}},
		{name: "a control plane", make: func(*rig) []string {
			return []string{"--control-plane", "--certificate-key", strings.Repeat("ab", 32)}
		}, bad: "shared-certificates", says: []string{"the cluster has no controlPlaneEndpoint", "clusteradm endpoint set"}},
		{name: "runtime", make: func(w *rig) []string {
			w.sockets[""] = "/nonexistent"
			return nil
		}, bad: "runtime", says: []string{"systemctl status containerd"}},
		{name: "admin", make: func(w *rig) []string {
			admin, _ := cp.machine.Content(cluster.AdminConf)
			w.files["/root/admin.conf"] = admin
			secret, err := cp.store.Get(t.Context(), token.Ref("canary"))
			if err != nil {
				t.Fatal(err)
			}
			data := secret.DeepCopy()
			_ = unstructured.SetNestedField(data.Object, base64.StdEncoding.EncodeToString([]byte("2020-01-01T00:00:00Z")), "data", "expiration")
			cp.store.Put(data)
			cp.store.Put(kubetest.Object(t, "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: kube-controller-manager, namespace: kube-system}\nspec: {holderIdentity: cp1_x, renewTime: \"2020-01-01T00:00:00.000000Z\"}\n"))
			return []string{"--kubeconfig", "/root/admin.conf"}
		}, bad: "token certificate", says: []string{"it was good until 2020-01-01T00:00:00Z", "cp1_x last renewed"}},
	} {
		t.Log(c.name)
		w := cp.worker()
		given := append(args[:len(args)-c.instead:len(args)-c.instead], c.make(w)...)
		got := w.doctor(append(given, "-o", "json")...).is(t, 4, c.says...)
		if badRows(t, got) != c.bad {
			t.Errorf("%s: bad are %q\n%s", c.name, badRows(t, got), got.out)
		}
		if c.joins != nil {
			w.run(given...).is(t, 1, c.joins...)
		}
		if c.undo != nil {
			c.undo()
		}
	}
}

// A request for the kubelet's certificate that nobody approves stops a join,
// which says so; and a diagnosis goes by what that has left.
func TestJoinSaysThatNobodyApproves(t *testing.T) {
	t.Parallel()
	cp := running(t)
	args := cp.joinArgs()
	w := cp.worker()
	w.files["join.yaml"] = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\ndiscovery: {bootstrapToken: {token: " + canary + ", apiServerEndpoint: '192.0.2.10:6443', caCertHashes: ['" + args[len(args)-1] + "']}}\ntimeouts: {tlsBootstrap: 1s}\n"
	w.machine.AddUnit(hosttest.Unit{Name: "kubelet.service", OnStart: func(*hosttest.Machine) error {
		cp.store.Put(signingRequest(t, "csr-w1", "w1", time.Now().Add(-time.Minute)))
		cp.store.Put(signingRequest(t, "csr-w2", "w2", time.Now()))
		return nil
	}})
	w.run("join", "--config", "join.yaml").is(t, 6, "error: kubelet-wait-bootstrap/certificate@w1: wait for the kubelet to get its certificate",
		"diagnosis: certificate: request csr-w1 is pending", "  proof: system:bootstrap:canary made it ", "kubectl certificate approve csr-w1")
	w.keeps(cluster.BootstrapKubeletConf)
	got := w.doctor("join", "-o", "json").is(t, 4, "a join has come as far as the kubelet", "csr-w1 is pending")
	if badRows(t, got) != "certificate" {
		t.Errorf("bad are %q", badRows(t, got))
	}
	for _, o := range objects(t, w.run("join", "--config", "join.yaml", "-o", "json").is(t, 1).out) {
		if o["kind"] == "error" && o["diagnosis"] == nil {
			t.Errorf("the error has no diagnosis: %v", o)
		}
	}
}

func signingRequest(t *testing.T, name, node string, made time.Time) *unstructured.Unstructured {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "system:node:" + node}}, key)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	return kubetest.Object(t, "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {name: "+name+", creationTimestamp: \""+made.UTC().Format(time.RFC3339)+
		"\"}\nspec: {signerName: kubernetes.io/kube-apiserver-client-kubelet, username: 'system:bootstrap:canary', request: "+text+"}\n")
}
