package cli_test

import (
	"encoding/json"
	"net"
	"strings"
	"syscall"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

const newName = "k8s.example.com"

// reachable is an initialized control plane that is reached at newName, too,
// unless silent says otherwise.
func reachable(t *testing.T) (r *rig, silent *bool) {
	r, silent = initialized(t), new(bool)
	dial := r.dial
	r.dial = func(addr string) (net.Conn, error) {
		if addr == newName+":6443" {
			if *silent {
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			addr = "192.0.2.10:6443"
		}
		return dial(addr)
	}
	r.store.Put(kubetest.Object(t, "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: kubernetes, namespace: default}\naddressType: IPv4\nendpoints: [{addresses: [192.0.2.10]}]\nports: [{name: https, port: 6443}]\n"))
	r.store.Put(kubetest.Object(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-apiserver-cp1, namespace: kube-system, labels: {component: kube-apiserver}, annotations: {kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: \"192.0.2.10:6443\"}}\nspec: {nodeName: cp1}\n"))
	for _, name := range [][2]string{{"kube-system", "kube-proxy"}, {"kube-flannel", "kube-flannel-ds"}} {
		daemon, err := r.store.Get(t.Context(), kube.Ref{GroupVersionKind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "DaemonSet"}, Namespace: name[0], Name: name[1]})
		if err != nil {
			t.Fatal(err)
		}
		daemon.Object["status"] = map[string]any{"observedGeneration": int64(1000)}
		r.store.Put(daemon)
	}
	r.containers.AddContainer(cri.Container{ID: "api", Name: "kube-apiserver", Pod: "kube-apiserver-cp1", Namespace: "kube-system", Running: true, Created: r.clock()})
	return r, silent
}

// From no endpoint at all; then all of it says so, and the way back is the same.
func TestEndpointSet(t *testing.T) {
	t.Parallel()
	r, _ := reachable(t)
	r.run("endpoint", "show").is(t, 0, "none: each node has the address of an API server", "cp1", "192.0.2.10:6443")
	before := r.snapshot()
	r.run("endpoint", "set", newName, "--dry-run").is(t, 0, "update   certificate/apiserver.crt@cp1", "update   cluster/kubeadm-config: ConfigMap kube-system/kubeadm-config: controlPlaneEndpoint k8s.example.com:6443",
		"update   kube-proxy/rollout", "update   pod-network/rollout", "wait     ready/endpoint@cp1: for every API server's certificate to name k8s.example.com")
	if r.snapshot() != before {
		t.Error("a dry run changed something")
	}
	r.run("endpoint", "set", newName).is(t, 0, "the cluster is reached at k8s.example.com:6443\n")
	after := r.snapshot()
	if got := r.conf(cluster.AdminConf).Server; got != "https://"+newName+":6443" {
		t.Errorf("admin.conf has %s", got)
	}
	if got := r.conf(cluster.KubeletConf).Server; got != "https://192.0.2.10:6443" {
		t.Errorf("kubelet.conf has %s", got)
	}
	list := objects(t, r.run("endpoint", "set", newName, "-o", "json").is(t, 0).out)
	if last := list[len(list)-1]; last["kind"] != "result" || last["moved"] != true || r.snapshot() != after {
		t.Errorf("a second time: %v", last)
	}
	var shown struct {
		Kind, Endpoint string
		Answers        bool
		Users          []struct{ Name, Server, Want string }
		APIServers     []struct{ Node, Address, Problem string }
	}
	if err := json.Unmarshal([]byte(r.run("endpoint", "show", "-o", "json").is(t, 0).out), &shown); err != nil {
		t.Fatal(err)
	}
	if shown.Kind != "endpoint" || shown.Endpoint != newName+":6443" || !shown.Answers || len(shown.Users) != 8 || len(shown.APIServers) != 1 || shown.APIServers[0].Node != "cp1" {
		t.Errorf("got %+v", shown)
	}
	r.run("endpoint", "set", "192.0.2.10").is(t, 0)
	r.run("endpoint", "show").is(t, 0, "192.0.2.10:6443")
	if config, _ := r.text("kube-system", "kubeadm-config", "ClusterConfiguration"); !strings.Contains(config, "certSANs:\n  - "+newName) {
		t.Errorf("the former name is not kept for those who join:\n%s", config)
	}
}

func (r *rig) text(namespace, name, key string) (string, bool) {
	cm, err := r.store.Get(r.t.Context(), kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Namespace: namespace, Name: name})
	if err != nil {
		r.t.Fatal(err)
	}
	text, ok, _ := unstructured.NestedString(cm.Object, "data", key)
	return text, ok
}

// Only this machine's part is done while others are not ready.
func TestEndpointSetWaits(t *testing.T) {
	t.Parallel()
	r, silent := reachable(t)
	*silent = true
	r.run("endpoint", "set", newName).is(t, 3, "[WARNING] nothing answers at k8s.example.com:6443 yet", "this machine is ready, and the cluster does not move yet", "hint: clusteradm endpoint set k8s.example.com:6443")
	if got := r.conf(cluster.AdminConf).Server; got != "https://192.0.2.10:6443" {
		t.Errorf("admin.conf has %s", got)
	}
	*silent = false
	r.store.Put(kubetest.Object(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-apiserver-cp2, namespace: kube-system, labels: {component: kube-apiserver}, annotations: {kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: \"192.0.2.12:6443\"}}\nspec: {nodeName: cp2}\n"))
	list := objects(t, r.run("endpoint", "set", newName, "-o", "json").is(t, 3).out)
	if result := list[len(list)-2]; result["kind"] != "result" || result["moved"] != false || len(result["next"].([]any)) != 1 {
		t.Errorf("got %v", result)
	}
	r.run("endpoint", "set", newName).is(t, 3, "cp2: ask 192.0.2.12:6443", "hint: on cp2: clusteradm endpoint set k8s.example.com:6443")
	if config, _ := r.text("kube-system", "kubeadm-config", "ClusterConfiguration"); strings.Contains(config, "controlPlaneEndpoint") {
		t.Error("the cluster has moved")
	}
	r.store.Put(kubetest.Object(t, "apiVersion: v1\nkind: Node\nmetadata: {name: w1}\n"))
	if err := r.store.Delete(t.Context(), kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, Namespace: "kube-system", Name: "kube-apiserver-cp2"}); err != nil {
		t.Fatal(err)
	}
	r.run("endpoint", "set", newName).is(t, 0, "on each of w1 where it was not run since:\n\n  clusteradm endpoint set k8s.example.com:6443\n")
}

func TestEndpointShowMarks(t *testing.T) {
	t.Parallel()
	r, silent := reachable(t)
	r.run("endpoint", "set", newName).is(t, 0)
	admin, _ := r.machine.Content(cluster.AdminConf)
	r.machine.Put(cluster.AdminConf, strings.ReplaceAll(admin, newName, "old.example.com"), 0o600)
	r.run("endpoint", "show").is(t, 3, "https://old.example.com:6443", "! should be https://k8s.example.com:6443", "hint: clusteradm endpoint set k8s.example.com:6443")
	r.run("endpoint", "set", newName).is(t, 0)
	*silent = true
	r.run("endpoint", "show").is(t, 3, "! ask k8s.example.com:6443 for its certificate")
}

// The load balancer and the virtual IP are shown, and nodes that have none.
func TestEndpointShowWhatClusteradmBrings(t *testing.T) {
	t.Parallel()
	r, _ := reachable(t)
	r.run("endpoint", "set", newName).is(t, 0)
	r.store.Put(kubetest.Object(t, `apiVersion: v1
kind: ConfigMap
metadata: {name: clusteradm-config, namespace: kube-system}
data:
  Endpoint: |
    apiVersion: clusteradm.io/v1alpha1
    kind: Endpoint
    nodeLoadBalancer: {}
    virtualIP: {address: 192.0.2.100, image: "registry.example.com/keepalived:2"}
`))
	lacking := r.run("endpoint", "show").is(t, 3, "LOAD BALANCER", "127.0.0.1:7443 on every node", "! none is ready on cp1", "VIRTUAL IP", "192.0.2.100")
	r.store.Put(kubetest.Object(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: clusteradm-haproxy-cp1, namespace: kube-system, labels: {component: clusteradm-haproxy}}\nspec: {nodeName: cp1}\nstatus: {conditions: [{type: Ready, status: \"True\"}]}\n"))
	if out := r.run("endpoint", "show").out; strings.Contains(out, "none is ready") || lacking.out == out {
		t.Errorf("it is there:\n%s", out)
	}
	first := objects(t, r.run("endpoint", "show", "-o", "json").out)[0]
	if lb, _ := first["nodeLoadBalancer"].(map[string]any); lb["address"] != "127.0.0.1:7443" || lb["lacking"] != nil || first["virtualIP"] != "192.0.2.100" {
		t.Errorf("got %v", first)
	}
}

// At an address of another cluster nothing is begun.
func TestEndpointOfAnother(t *testing.T) {
	t.Parallel()
	r, _ := reachable(t)
	other := initialized(t)
	dial := r.dial
	r.dial = func(addr string) (net.Conn, error) {
		if addr == newName+":6443" {
			return other.dial("192.0.2.10:6443")
		}
		return dial(addr)
	}
	before := r.snapshot()
	r.run("endpoint", "set", newName).is(t, 1, "is no API server of this cluster", "hint: openssl s_client -connect k8s.example.com:6443")
	if r.snapshot() != before {
		t.Error("something was changed")
	}
}

// A certificate of its owner's is not made by clusteradm.
func TestEndpointOfOwnCertificate(t *testing.T) {
	t.Parallel()
	r, _ := reachable(t)
	manifest, _ := r.machine.Content("/etc/kubernetes/manifests/kube-apiserver.yaml")
	r.machine.Put("/etc/kubernetes/manifests/kube-apiserver.yaml", strings.ReplaceAll(manifest, "tls-cert-file=/etc/kubernetes/pki/apiserver.crt", "tls-cert-file=/etc/ours/api.crt"), 0o600)
	before := r.snapshot()
	r.run("endpoint", "set", newName).is(t, 1, "the API server serves /etc/ours/api.crt", "not valid for k8s.example.com", "hint: have it name the endpoint, then: clusteradm endpoint set k8s.example.com:6443")
	if r.snapshot() != before {
		t.Error("something was changed")
	}
}

// What an endpoint runs on the nodes is stated by a flag or a document.
func TestEndpointSetPrograms(t *testing.T) {
	t.Parallel()
	r, _ := reachable(t)
	const slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: kubernetes, namespace: default}\nendpoints: [{addresses: [192.0.2.10]}]\nports: [{port: 6443}]\n"
	r.store.Put(kubetest.Object(t, slice))
	r.store.Put(kubetest.Object(t, "apiVersion: v1\nkind: Node\nmetadata: {name: w1}\n"))
	r.files["e.yaml"] = "apiVersion: clusteradm.io/v1alpha1\nkind: Endpoint\nvirtualIP: {address: 192.0.2.100, interface: eth0, image: \"registry.example.com/keepalived:2\"}\n"
	r.files["wrong.yaml"] = strings.ReplaceAll(r.files["e.yaml"], "192.0.2.100", "localhost")
	before := r.snapshot()
	r.run("endpoint", "set", "--node-load-balancer").is(t, 2, "the cluster has no endpoint yet: which address?")
	r.run("endpoint", "set", newName, "--node-load-balancer", "--dry-run").is(t, 0, "create   load-balancer/clusteradm-haproxy", "haproxy.cfg", "cluster/ConfigMap-kube-system-clusteradm-config",
		"update   kubelet/kubelet.conf@cp1")
	r.run("endpoint", "set", "--config", "e.yaml", "--dry-run").is(t, 0, "create   virtual-ip/clusteradm-keepalived", "controlPlaneEndpoint 192.0.2.100:6443", "for a control plane to answer at the virtual IP")
	r.run("endpoint", "set", "--config", "wrong.yaml").is(t, 2, "virtualIP.address")
	r.run("endpoint", "set", "--config", "none.yaml").is(t, 2, "none.yaml")
	if r.snapshot() != before {
		t.Error("something was changed")
	}
}

// A worker's kubelet moves when it would not lose the cluster by that.
func TestEndpointSetOnWorker(t *testing.T) {
	t.Parallel()
	cp, silent := reachable(t)
	w := bareRig(t, "w1")
	w.store, w.dial = cp.store, func(addr string) (net.Conn, error) { return cp.dial(addr) }
	w.kubelet(nil)
	w.run("endpoint", "set", newName).is(t, 1, "it is no node of a cluster", "hint: run it on a node of the cluster")
	w.run("endpoint", "show").is(t, 1, "it is no node of a cluster")
	admin := cp.conf(cluster.AdminConf)
	w.machine.Put("/var/lib/kubelet/pki/kubelet-client-1.pem", string(admin.Cert)+string(admin.Key.Reveal()), 0o600)
	if err := w.machine.Symlink("kubelet-client-1.pem", cluster.KubeletClientPEM); err != nil {
		t.Fatal(err)
	}
	w.machine.Put(cluster.KubeletConf, string(pki.EncodeKubeletKubeconfig("kubernetes", "https://192.0.2.10:6443", "w1", admin.CA).Reveal()), 0o600)
	w.store.Put(kubetest.Object(t, "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: w1, namespace: kube-node-lease}\nspec: {renewTime: \"2099-01-01T00:00:00.000000Z\"}\n"))
	before := w.machine.Snapshot(journals)
	const first = "hint: on a control plane: clusteradm endpoint set k8s.example.com:6443"
	w.run("endpoint", "set", newName).is(t, 3, "the API servers do not have the name yet", first)
	*silent = true
	w.run("endpoint", "set", newName).is(t, 3, "nothing answers at k8s.example.com:6443 from here", first)
	cp.run("endpoint", "set", newName).is(t, 3)
	*silent = false
	w.run("endpoint", "set", newName).is(t, 3, "the cluster has not moved to k8s.example.com:6443 yet", first)
	if w.machine.Snapshot(journals) != before {
		t.Error("something was changed")
	}
	cp.run("endpoint", "set", newName).is(t, 0)
	w.run("endpoint", "show").is(t, 3, "! should be https://k8s.example.com:6443")
	w.run("endpoint", "set", newName).is(t, 0, "this node uses https://k8s.example.com:6443\n")
	content, _ := w.machine.Content(cluster.KubeletConf)
	if got, err := pki.ServerOf(secret.NewBytes([]byte(content))); err != nil || got != "https://"+newName+":6443" {
		t.Errorf("kubelet.conf has %s, %v", got, err)
	}
	w.run("endpoint", "show").is(t, 0, newName)
}

// What was changed in the cluster is taken back, too, until something has been
// started with the new endpoint.
func TestEndpointSetIsRolledBack(t *testing.T) {
	t.Parallel()
	r, _ := reachable(t)
	before := r.snapshot()
	failing := func(kind string) func(string, kube.Ref) error {
		return func(verb string, ref kube.Ref) error {
			if verb == "patch" && ref.Kind == kind && ref.Name == "kube-proxy" {
				return &net.OpError{Op: "read", Err: syscall.ECONNRESET}
			}
			return nil
		}
	}
	r.store.Before = failing("ConfigMap")
	r.run("endpoint", "set", newName).is(t, 6, "hint: clusteradm rollback")
	if journal := r.journal(); strings.Contains(journal, "PRIVATE KEY") || strings.Contains(journal, "certificate-authority-data") {
		t.Error("the journal holds content")
	}
	r.run("rollback").is(t, 0, "took back")
	if after := r.snapshot(); after != before {
		t.Error("it is not as before:\n", hosttest.Diff(before, after))
	}
	r.store.Before = failing("DaemonSet")
	r.run("endpoint", "set", newName).is(t, 6)
	r.store.Before = nil
	r.run("rollback").is(t, 1, "kube-proxy/rollout", "go back with: clusteradm endpoint set OLD")
	r.run("endpoint", "set", newName).is(t, 0)
}
