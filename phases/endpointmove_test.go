package phases_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/addons"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

const newEndpoint = "k8s.example.com:6443"

// theNames is the certificate that every machine of the matrix is given.
var theNames []pki.NamedFile

// bare is the cluster of the matrix with an endpoint that is its control plane's
// address, and nothing more.
func bare(c *cluster.Cluster) *cluster.Cluster {
	out := *c
	out.ControlPlaneEndpoint, out.LoadBalancer, out.VirtualIP, out.APIServer.CertSANs = "", nil, nil, nil
	return &out
}

// programmed has the load balancer and the virtual IP.
func programmed(c *cluster.Cluster) *cluster.Cluster {
	out := *c
	out.LoadBalancer = &cluster.NodeLoadBalancer{Port: 7443, Image: "docker.io/library/haproxy:3.2"}
	out.VirtualIP = &cluster.VirtualIP{Address: netip.MustParseAddr("192.0.2.100"), Interface: "eth0", RouterID: 100, Image: "registry.example.com/keepalived:2.2.7"}
	out.APIServer.CertSANs = []string{"127.0.0.1", "192.0.2.100"}
	return &out
}

func at(c *cluster.Cluster, endpoint string) *cluster.Cluster {
	out := *c
	out.ControlPlaneEndpoint = endpoint
	return &out
}

// endpointRig is a control plane that runs, of a cluster whose endpoint is its
// own address, with a kubelet that asks a former one. It gets a load balancer
// and a virtual IP as well.
func endpointRig(t *testing.T) *rig {
	r := movingRig(t, func(c *cluster.Cluster) (before, after *cluster.Cluster) {
		return bare(c), at(programmed(c), newEndpoint)
	})
	return r
}

// plainRig only gets another endpoint.
func plainRig(t *testing.T) *rig {
	return movingRig(t, func(c *cluster.Cluster) (before, after *cluster.Cluster) { return bare(c), at(bare(c), newEndpoint) })
}

// bareRig loses its load balancer and its virtual IP.
func bareRig(t *testing.T) *rig {
	r := movingRig(t, func(c *cluster.Cluster) (before, after *cluster.Cluster) {
		return at(c, newEndpoint), at(bare(c), newEndpoint)
	})
	m, before := r.world.Machine, at(programmed(r.loaded.Cluster), newEndpoint)
	document, err := config.MarshalEndpoint(before)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range manifests.EndpointConfig(document) {
		r.world.Store.Put(o)
	}
	balancer, err := manifests.BalancerOf(before, theRenewal.old.Pairs["ca"].Cert, apiServers[:1]).Render()
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{
		cluster.HAProxyConfig: string(balancer), manifests.HAProxyCA: "ca", manifests.KeepalivedConfig: "keepalived.conf", manifests.KeepalivedCA: "ca",
		cluster.ManifestsDir + "/" + manifests.HAProxyName + ".yaml": "kind: Pod\n", cluster.ManifestsDir + "/" + manifests.KeepalivedName + ".yaml": "kind: Pod\n",
		manifests.FollowUnitFile: "[Service]\n",
		cluster.KubeletConf:      string(pki.EncodeKubeletKubeconfig("kubernetes", before.NodeEndpoint(r.loaded.Node), "cp1", theRenewal.old.Pairs["ca"].Cert).Reveal()),
	} {
		m.Put(path, content, 0o600)
	}
	m.AddUnit(hosttest.Unit{Name: manifests.FollowUnit, Enabled: true, Active: true})
	return r
}

func movingRig(t *testing.T, of func(*cluster.Cluster) (before, after *cluster.Cluster)) *rig {
	r := renewRig(t)
	r.loaded = withEndpoint(t)
	m, store, node := r.world.Machine, r.world.Store, r.loaded.Node
	before, after := of(r.loaded.Cluster)
	m.Put(cluster.KubeletConf, string(pki.EncodeKubeletKubeconfig("kubernetes", "https://old.example.com:6443", "cp1", theRenewal.old.Pairs["ca"].Cert).Reveal()), 0o600)
	r.world.Serves["k8s.example.com:6443"] = "/etc/kubernetes/pki/apiserver.crt"
	document, err := config.MarshalClusterConfiguration(before)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := addons.KubeProxy(before, node, "kube-proxy:v1")
	if err != nil {
		t.Fatal(err)
	}
	flannel, err := addons.Flannel(before, node, addons.FlannelImages{})
	if err != nil {
		t.Fatal(err)
	}
	info := pki.EncodeClusterInfo(before.Endpoint(node), theRenewal.old.Pairs["ca"].Cert)
	for _, o := range slices.Concat(manifests.KubeadmConfig(document), manifests.ClusterInfo(info.Reveal()), proxy, flannel, []*unstructured.Unstructured{
		kubetest.Object(t, "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: cp1, namespace: kube-node-lease}\nspec: {renewTime: \"2099-01-01T00:00:00.000000Z\"}\n"),
		kubetest.Object(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: clusteradm-haproxy-cp1, namespace: kube-system}\nstatus: {conditions: [{type: Ready, status: \"True\"}]}\n"),
	}) {
		if o.GetKind() == "DaemonSet" {
			o.Object["status"] = map[string]any{"observedGeneration": int64(1000)}
		}
		store.Put(o)
	}
	r.input = func(ctx context.Context) (plan.Input, error) { return endpointInput(ctx, t, r, before, after) }
	return r
}

// endpointInput is what the command makes of what is there.
func endpointInput(ctx context.Context, t *testing.T, r *rig, before, after *cluster.Cluster) (plan.Input, error) {
	h := host.AsReader(r.world.Machine)
	paths := pki.InspectedFiles(r.loaded.Cluster)
	f, err := facts.Gather(ctx, h, r.loaded.Cluster, paths, false)
	if err == nil {
		err = facts.Attributes(ctx, h, &f, append(paths, phases.EndpointFiles()...))
	}
	if err != nil {
		return plan.Input{}, err
	}
	get := func(group, kind, namespace, name string) *unstructured.Unstructured {
		o := kubetest.Object(t, "apiVersion: "+strings.TrimPrefix(group+"/v1", "/")+"\nkind: "+kind+"\nmetadata: {name: "+name+", namespace: "+namespace+"}\n")
		live, err := r.world.Store.Get(ctx, kube.RefOf(o))
		if err != nil {
			t.Fatal(err)
		}
		return live
	}
	in := plan.Input{Cluster: before, Node: r.loaded.Node, Facts: cluster.Facts{Now: now, Hosts: map[string]cluster.HostFacts{"cp1": f}},
		Certs: plan.Certs{Names: []string{"apiserver"}}, Binary: "/usr/local/bin/clusteradm", Join: plan.Join{APIServers: apiServers[:1]},
		Endpoint: plan.Endpoint{Address: newEndpoint, After: after, CA: theRenewal.old.Pairs["ca"].Cert, Names: []string{"k8s.example.com"},
			Configuration: get("", "ConfigMap", "kube-system", "kubeadm-config"), ClusterInfo: get("", "ConfigMap", "kube-public", "cluster-info"),
			Proxy: get("", "ConfigMap", "kube-system", "kube-proxy"), ProxyDaemon: get("apps", "DaemonSet", "kube-system", "kube-proxy"),
			Flannel:    get("apps", "DaemonSet", "kube-flannel", "kube-flannel-ds"),
			APIServers: []plan.APIServer{{Node: "cp1", Address: "192.0.2.10:6443", Problem: "not yet"}}}}
	in.Node.ControlPlane = true
	if in.Certs.Files, err = pki.AddNames(f.PKI, after, in.Node, now); err != nil {
		return in, err
	}
	if theNames == nil { // good for all of them
		if theNames, err = pki.AddNames(f.PKI, at(programmed(r.loaded.Cluster), newEndpoint), in.Node, now); err != nil {
			return in, err
		}
	}
	if len(in.Certs.Files) > 0 {
		in.Certs.Files = theNames
	}
	return in, nil
}

// Who wrote to an object between the look at it and the change is not waited
// out by hand.
func TestEndpointIsWrittenWhateverOthersWrite(t *testing.T) {
	r := plainRig(t)
	lost := map[string]bool{}
	r.world.Store.Before = func(verb string, ref kube.Ref) error {
		if verb != "patch" || lost[ref.String()] {
			return nil
		}
		lost[ref.String()] = true
		return apierrors.NewConflict(schema.GroupResource{Resource: ref.Kind}, ref.Name, errors.New("it was written to"))
	}
	if _, err := r.apply(t.Context(), "endpoint", phases.Endpoint()); err != nil {
		t.Fatal(err)
	}
	if len(lost) != 5 { // kubeadm-config, cluster-info, kube-proxy, its pods and flannel's
		t.Errorf("%v were written", lost)
	}
}

// All who have the address of the cluster have the new one, and what talks to
// its own machine still does.
func TestEndpointMovesAll(t *testing.T) {
	r := plainRig(t)
	if _, err := r.apply(t.Context(), "endpoint", phases.Endpoint()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		cluster.AdminConf: newEndpoint, cluster.SuperAdminConf: newEndpoint, cluster.KubeletConf: newEndpoint,
		cluster.ControllerConf: "192.0.2.10:6443", cluster.SchedulerConf: "192.0.2.10:6443",
	} {
		data, _ := r.world.Machine.Content(path)
		if got, err := pki.ServerOf(secret.NewBytes([]byte(data))); err != nil || got != "https://"+want {
			t.Errorf("%s: %s, %v", path, got, err)
		}
	}
	all := r.world.Store.Snapshot()
	for _, want := range []string{"controlPlaneEndpoint: " + newEndpoint, "server: https://" + newEndpoint + "\n      name: default", "value: k8s.example.com", "clusteradm.io/endpoint: https://" + newEndpoint} {
		if !strings.Contains(all, want) {
			t.Errorf("the cluster does not say %q", want)
		}
	}
	in, err := r.input(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	data, _, _ := unstructured.NestedStringMap(in.Endpoint.Proxy.Object, "data")
	again, err := addons.KubeProxy(at(bare(r.loaded.Cluster), newEndpoint), r.loaded.Node, "kube-proxy:v1")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range again {
		if o.GetKind() == "ConfigMap" {
			want, _, _ := unstructured.NestedStringMap(o.Object, "data")
			if data["kubeconfig.conf"] != want["kubeconfig.conf"] || in.Endpoint.Proxy.GetAnnotations()[manifests.HashAnnotation] != o.GetAnnotations()[manifests.HashAnnotation] {
				t.Errorf("kube-proxy's configuration is not what an installation with that endpoint makes:\n%s", data["kubeconfig.conf"])
			}
		}
	}
	leaf, err := pki.Leaf([]byte(in.HostFacts().PKI["/etc/kubernetes/pki/apiserver.crt"].Reveal()))
	if err != nil || leaf.VerifyHostname("k8s.example.com") != nil || leaf.VerifyHostname("192.0.2.10") != nil {
		t.Errorf("the certificate is for %v %v, %v", leaf.DNSNames, leaf.IPAddresses, err)
	}
}

func endpointSteps(t *testing.T, change func(*plan.Input)) []string {
	t.Helper()
	in, err := plainRig(t).input(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	change(&in)
	p, err := plan.Build("endpoint", phases.Endpoint(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, g := range p.Groups {
		for _, s := range g.Steps {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// Until all can be reached by the new name nothing moves to it.
func TestEndpointWaitsForAll(t *testing.T) {
	certificate := []string{"certificate/apiserver.crt@cp1", "certificate/reload@cp1", "certificate/pod@cp1"}
	for name, change := range map[string]func(*plan.Input){
		"another API server": func(in *plan.Input) {
			in.Endpoint.APIServers = append(in.Endpoint.APIServers, plan.APIServer{Node: "cp2", Address: "192.0.2.12:6443", Problem: "not valid for k8s.example.com"})
		},
		"nothing answers": func(in *plan.Input) { in.Endpoint.Silent = "connection refused" },
	} {
		if got := endpointSteps(t, change); !slices.Equal(got, certificate) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What has a way of its own to an API server keeps it.
func TestEndpointLeavesWhatIsLocal(t *testing.T) {
	conf := func(server string) func(*plan.Input) {
		return func(in *plan.Input) {
			in.HostFacts().PKI[cluster.KubeletConf] = pki.EncodeKubeletKubeconfig("kubernetes", server, "cp1", in.Endpoint.CA)
		}
	}
	for server, moves := range map[string]bool{"https://192.0.2.10:6443": false, "https://127.0.0.1:7443": false, "https://localhost:1": false, "https://192.0.2.99:6443": true} {
		got := endpointSteps(t, conf(server))
		if slices.Contains(got, "kubelet/kubelet.conf@cp1") != moves || slices.Contains(got, "kubelet/unit@cp1") != moves {
			t.Errorf("%s: %v", server, got)
		}
	}
	got := endpointSteps(t, func(in *plan.Input) {
		text, _, _ := unstructured.NestedString(in.Endpoint.Proxy.Object, "data", "kubeconfig.conf")
		_ = unstructured.SetNestedField(in.Endpoint.Proxy.Object, strings.ReplaceAll(text, "192.0.2.10", "127.0.0.1"), "data", "kubeconfig.conf")
		in.Endpoint.Flannel.Object["spec"] = map[string]any{}
	})
	if slices.ContainsFunc(got, func(id string) bool {
		return strings.HasPrefix(id, "kube-proxy") || strings.HasPrefix(id, "pod-network")
	}) {
		t.Errorf("kube-proxy and upstream's flannel: %v", got)
	}
	got = endpointSteps(t, func(in *plan.Input) {
		in.Node.ControlPlane = false
		in.Endpoint = plan.Endpoint{Address: newEndpoint, After: in.Endpoint.After}
	})
	if want := []string{"ready/endpoint@cp1", "kubelet/kubelet.conf@cp1", "kubelet/unit@cp1"}; !slices.Equal(got, want) {
		t.Errorf("a worker: %v", got)
	}
}

// A kube-proxy that was never started with another endpoint is not started
// again; one whose restart a crash lost is.
func TestProxyIsRestartedWhenItIsDue(t *testing.T) {
	moved := func(in *plan.Input) {
		text, _, _ := unstructured.NestedString(in.Endpoint.Proxy.Object, "data", "kubeconfig.conf")
		_ = unstructured.SetNestedField(in.Endpoint.Proxy.Object, strings.ReplaceAll(text, "192.0.2.10", "k8s.example.com"), "data", "kubeconfig.conf")
	}
	if got := endpointSteps(t, moved); slices.Contains(got, "kube-proxy/rollout") {
		t.Errorf("it has the endpoint: %v", got)
	}
	if got := endpointSteps(t, func(in *plan.Input) {
		moved(in)
		in.Endpoint.Proxy.SetAnnotations(map[string]string{"clusteradm.io/endpoint": "https://" + newEndpoint})
	}); !slices.Contains(got, "kube-proxy/rollout") {
		t.Errorf("it got the endpoint and was perhaps not started again: %v", got)
	}
}

// The former name goes into the certificates of those who join later.
func TestFormerNameIsKept(t *testing.T) {
	r := plainRig(t)
	in, err := r.input(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in.Cluster = at(in.Cluster, "old.example.com:6443")
	p, err := plan.Build("endpoint", phases.Endpoint(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	document := steps(p, "cluster")["kubeadm-config"].Effect.(effect.Fields).Values["data"].(map[string]any)["ClusterConfiguration"].(string)
	read, err := config.UnmarshalClusterConfiguration([]byte(document))
	if err != nil || !slices.Contains(read.APIServer.CertSANs, "old.example.com") || read.ControlPlaneEndpoint != newEndpoint {
		t.Errorf("%v\n%s", err, document)
	}
}

// With a load balancer all that runs on the nodes asks it, once each has one.
func TestEndpointGetsABalancer(t *testing.T) {
	const balancer = "https://127.0.0.1:7443"
	r := endpointRig(t)
	input := r.input
	lacking := []string{"cp1", "w1"}
	r.input = func(ctx context.Context) (plan.Input, error) {
		in, err := input(ctx)
		in.Endpoint.Unbalanced = lacking
		return in, err
	}
	if _, err := r.apply(t.Context(), "endpoint", phases.Endpoint()); err != nil {
		t.Fatal(err)
	}
	all := r.snapshot()
	for _, want := range []string{"clusteradm-haproxy.yaml", "clusteradm-keepalived.yaml", "unit clusteradm-endpoint.service enabled=true active=true", "nodeLoadBalancer:\n      image: docker.io/library/haproxy:3.2\n      port: 7443"} {
		if !strings.Contains(all, want) {
			t.Errorf("there is no %q", want)
		}
	}
	if data, _ := r.world.Machine.Content(cluster.KubeletConf); !strings.Contains(data, "server: "+balancer+"\n") {
		t.Errorf("kubelet.conf:\n%s", data)
	}
	if strings.Contains(all, "server: "+balancer+"\n      name: default") {
		t.Error("kube-proxy moved before w1 had a load balancer")
	}
	lacking = nil
	if _, err := r.apply(t.Context(), "endpoint", phases.Endpoint()); err != nil {
		t.Fatal(err)
	}
	if all := r.snapshot(); !strings.Contains(all, "server: "+balancer+"\n      name: default") || !strings.Contains(all, `value: "7443"`) {
		t.Error("kube-proxy and flannel did not move")
	}
	if result, err := r.apply(t.Context(), "endpoint", phases.Endpoint()); err != nil || result.Changed > 0 {
		t.Errorf("a further run changed %d, %v", result.Changed, err)
	}

	// And the way back: nothing of it is left.
	in := func(ctx context.Context) (plan.Input, error) {
		return endpointInput(ctx, t, r, at(programmed(r.loaded.Cluster), newEndpoint), at(bare(r.loaded.Cluster), newEndpoint))
	}
	r.input = in
	if _, err := r.apply(t.Context(), "endpoint", phases.Endpoint()); err != nil {
		t.Fatal(err)
	}
	all = r.world.Machine.Snapshot(journals) + strings.ReplaceAll(r.world.Store.Snapshot(), "clusteradm-haproxy-cp1", "")
	for _, gone := range []string{"haproxy", "keepalived", "clusteradm-endpoint.service enabled=true active=true", balancer, "nodeLoadBalancer:"} {
		if strings.Contains(all, gone) {
			t.Errorf("there is still %q", gone)
		}
	}
	if data, _ := r.world.Machine.Content(cluster.KubeletConf); !strings.Contains(data, "server: https://192.0.2.10:6443\n") {
		t.Errorf("kubelet.conf:\n%s", data)
	}
	if result, err := r.apply(t.Context(), "endpoint", phases.Endpoint()); err != nil || result.Changed > 0 {
		t.Errorf("a further run changed %d, %v", result.Changed, err)
	}
}
