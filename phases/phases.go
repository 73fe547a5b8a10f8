// Package phases holds the lists of what init and join do. A phase is a pure
// function from what is wanted and what was observed to steps; the engine does
// them. init.go and join.go are the tables of contents.
//
// Names are kubeadm's. A phase that kubeadm has and that has nothing to do
// here keeps its name, so that --skip-phases of existing automation works.
package phases

import (
	"io/fs"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// running is why a change after the kubelet's first start is not taken back.
const running = "the kubelet has started and the cluster runs; leave it with: clusteradm reset"

// file is a step that holds one file of root's.
func file(in plan.Input, name, path string, content []byte, mode fs.FileMode) plan.Step {
	return plan.Step{Name: name, Host: in.Node.Host, Effect: effect.File{
		Host: in.Node.Host, Path: path, Content: secret.NewBytes(content), Attr: host.Attr{Mode: mode}, Shown: true,
	}}
}

// secretFile is one whose content no diff shows.
func secretFile(in plan.Input, name, path string, content secret.Bytes, mode fs.FileMode) plan.Step {
	return plan.Step{Name: name, Host: in.Node.Host, Effect: effect.File{
		Host: in.Node.Host, Path: path, Content: content, Attr: host.Attr{Mode: mode},
	}}
}

func dir(in plan.Input, name, path string, mode fs.FileMode) plan.Step {
	return plan.Step{Name: name, Host: in.Node.Host, Effect: effect.Dir{
		Host: in.Node.Host, Path: path, Attr: host.Attr{Mode: mode},
	}}
}

// objects are steps that hold independent objects, applied at once.
func objects(list []*unstructured.Unstructured) []plan.Step {
	steps := make([]plan.Step, 0, len(list))
	for _, o := range list {
		ref := kube.RefOf(o)
		name := ref.Kind + "-" + ref.Name
		if ref.Namespace != "" {
			name = ref.Kind + "-" + ref.Namespace + "-" + ref.Name
		}
		steps = append(steps, plan.Step{Name: name, Effect: effect.Object{Object: o}, NoUndo: running})
	}
	return steps
}

func serial(steps ...plan.Step) []plan.Group {
	return []plan.Group{{Mode: plan.Serial, Steps: steps}}
}

func together(steps []plan.Step) []plan.Group {
	return []plan.Group{{Mode: plan.Parallel, Steps: steps}}
}
