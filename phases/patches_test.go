package phases_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/patch"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

// The files in testdata/patches/kubeadm are what kubeadm v1.36.3 wrote, and for
// CoreDNS printed, from the configuration and the patches beside them.
func TestPatchedIsKubeadms(t *testing.T) {
	dir := os.DirFS("testdata/patches")
	docs, err := fs.ReadFile(dir, "config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(docs, config.Inputs{Hostname: "cp1", Host: "cp1", DefaultAddress: netip.MustParseAddr("192.0.2.10"), Now: now,
		ReadFile: func(name string) ([]byte, error) { return fs.ReadFile(dir, name) },
		ReadDir:  func(name string) ([]fs.DirEntry, error) { return fs.ReadDir(dir, name) }})
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded.Warnings) != 1 || !strings.Contains(loaded.Warnings[0].Message, "README.md") {
		t.Errorf("warnings = %v", loaded.Warnings)
	}
	p, _ := planned(t, func(in *plan.Input) { in.Cluster, in.Node = loaded.Cluster, loaded.Node })
	read := func(name string) []byte {
		data, err := fs.ReadFile(dir, "kubeadm/"+name+".yaml")
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for _, pod := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		made := steps(p, "control-plane")
		if pod == "etcd" {
			made = steps(p, "etcd")
		}
		if got, want := content(t, made[pod]), read(pod); !bytes.Equal(got, want) {
			t.Errorf("%s is\n%s\nkubeadm has\n%s", pod, got, want)
		}
	}
	if got, want := content(t, steps(p, "kubelet-start")["config.yaml"]), read("kubelet"); !bytes.Equal(got, want) {
		t.Errorf("config.yaml is\n%s\nkubeadm has\n%s", got, want)
	}
	got := typed(t, steps(p, "addon/coredns")["Deployment-kube-system-coredns"].Effect.(effect.Object).Object)
	var want appsv1.Deployment
	if err := yaml.UnmarshalStrict(read("coredns"), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("CoreDNS is\n%+v\nkubeadm has\n%+v", got, want)
	}
	for _, s := range steps(p, "upload-config/kubelet") {
		data, err := s.Effect.(effect.Object).Object.MarshalJSON()
		if err != nil || bytes.Contains(data, []byte("maxPods: 50")) {
			t.Errorf("the patch of one node is uploaded for all: %s, %v", data, err)
		}
	}
}

func typed(t *testing.T, o *unstructured.Unstructured) appsv1.Deployment {
	t.Helper()
	data, err := o.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var out appsv1.Deployment
	if err := yaml.UnmarshalStrict(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// A patch that does not fit fails the plan: nothing has been changed then.
func TestPatchThatDoesNotFit(t *testing.T) {
	for _, target := range patch.Targets() {
		_, in := planned(t, nil)
		in.Node.Patches = []cluster.Patch{{Target: target, Type: cluster.PatchJSON, File: "/p/x+json.yaml", JSON: []byte(`[{"op": "remove", "path": "/nothing"}]`)}}
		_, err := plan.Build("init", phases.Init(), in, nil)
		var wrong *patch.Error
		if !errors.As(err, &wrong) || wrong.Target != target || wrong.File != "/p/x+json.yaml" {
			t.Errorf("%s: %v", target, err)
		}
		if early := phases.CheckPatches(in, phases.Init(), nil); early == nil || !strings.Contains(err.Error(), early.Error()) {
			t.Errorf("%s: found early: %v", target, early)
		}
		skip := []string{"etcd", "control-plane", "kubelet-start", "addon/coredns"}
		if early := phases.CheckPatches(in, phases.Init(), skip); early != nil {
			t.Errorf("%s: a phase that is skipped: %v", target, early)
		}
	}
}

// On a worker the kubelet's patches count, in whichever way it is told to
// register itself.
func TestJoinPatchesTheKubelet(t *testing.T) {
	_, in := planned(t, nil)
	in.Node.ControlPlane = false
	in.Join = plan.Join{CA: in.PKI.Pairs["ca"].Cert, CACertPath: "/etc/kubernetes/pki/ca.crt", BootstrapKubeconfig: pki.EncodeClusterInfo("https://192.0.2.1:6443", in.PKI.Pairs["ca"].Cert)}
	in.Node.Patches = []cluster.Patch{{Target: patch.Kubelet, Type: cluster.PatchMerge, File: "x", JSON: []byte(`{"maxPods": 50}`)}}
	p, err := plan.Build("join", phases.Join(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := content(t, steps(p, "kubelet-start")["config.yaml"]); !bytes.Contains(got, []byte("\nmaxPods: 50\n")) {
		t.Errorf("config.yaml is\n%s", got)
	}
}

func TestPatchedKubeletRegistersItself(t *testing.T) {
	p, _ := planned(t, func(in *plan.Input) {
		in.Node.Patches = []cluster.Patch{{Target: patch.Kubelet, Type: cluster.PatchMerge, File: "x", JSON: []byte(`{"providerID": "x://1"}`)}}
	})
	if node := steps(p, "mark-control-plane")["node"]; len(node.Needs) == 0 {
		t.Error("the Node is not left to a kubelet that registers itself")
	}
}
