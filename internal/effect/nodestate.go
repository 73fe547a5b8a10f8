package effect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// NodeState is the labels and taints of a Node that mark its role. A Node that
// is not there yet is created with them: the kubelet takes over a Node that it
// finds, and its own attempts to register come up to 7 s apart while it waits
// for the API server (pkg/kubelet/kubelet_node_status.go).
type NodeState struct {
	Name   string
	Labels map[string]string
	Taints []map[string]any
	// Wait leaves the creation of the Node to the kubelet.
	Wait bool
}

type nodeObserved struct {
	unreachable bool
	node        *unstructured.Unstructured
}

// Key implements plan.Effect.
func (n NodeState) Key() string { return "node " + n.Name }

func (n NodeState) ref() kube.Ref {
	return kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Node"}, Name: n.Name}
}

// Observe implements plan.Effect.
func (n NodeState) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	node, err := v.Kube().Get(ctx, n.ref())
	switch {
	case unreachable(err):
		return nodeObserved{unreachable: true}, nil
	case apierrors.IsNotFound(err):
		return nodeObserved{}, nil
	case err != nil:
		return nil, wrapObserve(n, err)
	}
	return nodeObserved{node: node}, nil
}

// Diff implements plan.Effect.
func (n NodeState) Diff(observed plan.Observed) plan.Change {
	o := observed.(nodeObserved)
	switch {
	case o.unreachable:
		return plan.Change{Verb: plan.Unknown, Summary: "Node " + n.Name + ": the API server does not answer yet"}
	case o.node == nil && n.Wait:
		return plan.Change{Verb: plan.Unknown, Summary: "Node " + n.Name + ": the kubelet has not registered it yet"}
	case o.node == nil:
		return plan.Change{Verb: plan.Create, Summary: "Node " + n.Name}
	}
	var lines []string
	have := o.node.GetLabels()
	for _, name := range slices.Sorted(maps.Keys(n.Labels)) {
		if got, ok := have[name]; !ok || got != n.Labels[name] {
			lines = append(lines, "+label "+name+"="+n.Labels[name])
		}
	}
	for _, taint := range n.missingTaints(o.node) {
		lines = append(lines, fmt.Sprintf("+taint %v:%v", taint["key"], taint["effect"]))
	}
	if len(lines) == 0 {
		return plan.Change{}
	}
	return plan.Change{Verb: plan.Update, Summary: "Node " + n.Name, Lines: lines}
}

// Apply implements plan.Effect.
func (n NodeState) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	o := observed.(nodeObserved)
	if o.node == nil {
		_, err := w.KubeWriter().Create(ctx, n.object())
		if !apierrors.IsAlreadyExists(err) {
			return wrapApply(n, err)
		}
		// The kubelet registered in between.
		if o.node, err = w.Kube().Get(ctx, n.ref()); err != nil {
			return wrapApply(n, err)
		}
	}
	// The kubelet writes to a Node that it has just registered, too.
	var err error
	for range attempts {
		var patch []byte
		if patch, err = n.patch(o.node); err != nil {
			break
		}
		if _, err = w.KubeWriter().MergePatch(ctx, n.ref(), patch); !apierrors.IsConflict(err) {
			break
		}
		if o.node, err = w.Kube().Get(ctx, n.ref()); err != nil {
			break
		}
		err = errContended
	}
	return wrapApply(n, err)
}

// attempts is how often a Node that others write to at the same time is tried.
const attempts = 10

var errContended = errors.New("others kept writing to it")

func (n NodeState) object() *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Node"}}
	u.SetName(n.Name)
	u.SetLabels(n.Labels)
	if taints := toAny(n.Taints); len(taints) > 0 {
		u.Object["spec"] = map[string]any{"taints": taints}
	}
	return u
}

// missingTaints are those of the wanted taints that node lacks; one is known
// by its key and effect.
func (n NodeState) missingTaints(node *unstructured.Unstructured) []map[string]any {
	have := map[string]bool{}
	for _, t := range nodeTaints(node) {
		if taint, ok := t.(map[string]any); ok {
			have[fmt.Sprintf("%v:%v", taint["key"], taint["effect"])] = true
		}
	}
	var missing []map[string]any
	for _, t := range n.Taints {
		if !have[fmt.Sprintf("%v:%v", t["key"], t["effect"])] {
			missing = append(missing, t)
		}
	}
	return missing
}

func nodeTaints(node *unstructured.Unstructured) []any {
	taints, _, _ := unstructured.NestedSlice(node.Object, "spec", "taints")
	return taints
}

// patch is a JSON merge patch with the resource version, since it replaces the
// list of taints as a whole.
func (n NodeState) patch(node *unstructured.Unstructured) ([]byte, error) {
	metadata := map[string]any{"resourceVersion": node.GetResourceVersion(), "labels": n.Labels}
	patch := map[string]any{"metadata": metadata}
	if missing := n.missingTaints(node); len(missing) > 0 {
		patch["spec"] = map[string]any{"taints": append(nodeTaints(node), toAny(missing)...)}
	}
	return json.Marshal(patch)
}

func toAny(taints []map[string]any) []any {
	list := make([]any, 0, len(taints))
	for _, t := range taints {
		list = append(list, t)
	}
	return list
}

func wrapApply(e plan.Effect, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("apply %s: %w", e.Key(), err)
}
