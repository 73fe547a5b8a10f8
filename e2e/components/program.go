package components

import (
	"embed"
	"fmt"
	"strings"
)

// The lab's own programs are built from the sources embedded here and not from
// the working directory, so a test binary builds them wherever it runs.
//
//go:embed pause/main.go flannelcni/main.go
var ownSources embed.FS

// program is one binary and everything that decides its bytes.
type program struct {
	Name    string   // file name in the bundle
	Version string   // shown in the manifest
	Module  string   // module path; empty for a program of our own
	Package string   // main package, or the embedded source file of our own
	CGO     bool     // needs the C compiler
	Tags    string   // build tags
	Defines []string // values for the linker's -X
	Without []string // imports left out of the main package, which is then built from a copy
}

func programs(v Versions) ([]program, error) {
	major, minor, err := parseMinor(v.Kubernetes)
	if err != nil {
		return nil, err
	}
	var list []program

	const version = "k8s.io/component-base/version."
	stamp := []string{
		version + "gitVersion=" + v.Kubernetes,
		version + "gitMajor=" + fmt.Sprint(major),
		version + "gitMinor=" + fmt.Sprint(minor),
		version + "gitTreeState=clean",
		// client-go has its own copy, used where component-base is not linked.
		"k8s.io/client-go/pkg/version.gitVersion=" + v.Kubernetes,
	}
	const kubernetes = "k8s.io/kubernetes"
	// The slow ones first: a failure shows early and the short ones fill the end.
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl", "kubeadm"} {
		list = append(list, program{Name: name, Version: v.Kubernetes, Module: kubernetes, Package: kubernetes + "/cmd/" + name, Defines: stamp})
	}
	list = append(list, program{Name: "agnhost", Version: v.Kubernetes, Module: kubernetes, Package: kubernetes + "/test/images/agnhost", Defines: stamp})

	const etcd = "go.etcd.io/etcd/"
	for name, module := range orderedPairs("etcd", etcd+"server/v3", "etcdctl", etcd+"etcdctl/v3", "etcdutl", etcd+"etcdutl/v3") {
		list = append(list, program{Name: name, Version: v.Etcd, Module: module, Package: module})
	}

	const containerd = "github.com/containerd/containerd/v2"
	for _, name := range []string{"containerd", "containerd-shim-runc-v2", "ctr"} {
		list = append(list, program{Name: name, Version: v.Containerd, Module: containerd, Package: containerd + "/cmd/" + name,
			Defines: []string{containerd + "/version.Version=" + v.Containerd}})
	}

	// Without libseccomp runc refuses every pod: "seccomp not supported".
	const runc = "github.com/opencontainers/runc"
	list = append(list, program{Name: "runc", Version: v.Runc, Module: runc, Package: runc, CGO: true, Tags: "seccomp",
		Defines: []string{"main.version=" + strings.TrimPrefix(v.Runc, "v")}})

	const cni = "github.com/containernetworking/plugins"
	for name, dir := range orderedPairs("bridge", "main", "loopback", "main", "ptp", "main", "host-local", "ipam", "portmap", "meta", "bandwidth", "meta") {
		list = append(list, program{Name: name, Version: v.CNI, Module: cni, Package: cni + "/plugins/" + dir + "/" + name,
			Defines: []string{cni + "/pkg/utils/buildversion.BuildVersion=" + v.CNI}})
	}

	const coredns = "github.com/coredns/coredns"
	list = append(list, program{Name: "coredns", Version: v.CoreDNS, Module: coredns, Package: coredns})
	const flannel = "github.com/flannel-io/flannel"
	// The proxy refuses the SDK of the Tencent backend, which no lab can use;
	// the UDP backend is C, so the daemon needs the compiler.
	list = append(list, program{Name: "flanneld", Version: v.Flannel, Module: flannel, Package: flannel, CGO: true,
		Without: []string{flannel + "/pkg/backend/tencentvpc"},
		Defines: []string{flannel + "/pkg/version.Version=" + v.Flannel}})

	list = append(list,
		program{Name: "flannel", Version: v.FlannelCNI, Package: "flannelcni/main.go"},
		program{Name: "pause", Version: v.Pause, Package: "pause/main.go"},
	)
	return list, nil
}

// orderedPairs ranges over name, value, name, value … in the order written.
func orderedPairs(pairs ...string) func(yield func(string, string) bool) {
	return func(yield func(string, string) bool) {
		for i := 0; i+1 < len(pairs); i += 2 {
			if !yield(pairs[i], pairs[i+1]) {
				return
			}
		}
	}
}

// cniPlugins are the programs that belong in /opt/cni/bin.
var cniPlugins = []string{"bridge", "loopback", "ptp", "host-local", "portmap", "bandwidth"}
