package patch_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/patch"
)

// A name stands for a known target and type, or is refused.
func FuzzName(f *testing.F) {
	for _, seed := range []string{"etcd.yaml", "kube-apiserver0+json.json", "kubeletconfiguration+.yaml", "x.yaml", "etcd\n.yaml", "+merge.yaml"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		target, kind, err := patch.Name(name)
		if err != nil {
			return
		}
		if !strings.HasPrefix(name, target) || len(patch.For([]cluster.Patch{{Target: target}}, target)) != 1 || kind != cluster.PatchJSON && kind != cluster.PatchMerge && kind != cluster.PatchStrategic {
			t.Fatalf("%q: %q %q", name, target, kind)
		}
	})
}

// Whatever the patch, there is an error, or a Pod that can be patched again.
func FuzzApply(f *testing.F) {
	for _, seed := range []string{
		"spec: {containers: [{name: kube-apiserver, env: [{name: B}]}]}", "spec: {containers: [{name: a, $patch: delete}]}", "$patch: replace\nspec: {}",
		"spec: {$setElementOrder/containers: [{name: a}], containers: [{name: a}]}", "metadata: {$retainKeys: [name], name: x}", "spec: null", "a: 1\n---\nb: 2\n",
		"[{op: add, path: /spec/containers/-, value: {name: x}}]", "[{op: move, from: /spec, path: /metadata}]", "[{op: copy, from: '', path: /spec}]", "[{op: remove, path: ''}]",
	} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(1))
		f.Add(seed, uint8(2))
	}
	f.Fuzz(func(t *testing.T, docs string, kind uint8) {
		// Each copy can double the document, which is its author's to bear.
		if strings.Count(docs, "copy") > 8 {
			return
		}
		types := []cluster.PatchType{cluster.PatchStrategic, cluster.PatchMerge, cluster.PatchJSON}
		list, err := patch.Read("/p/x", "etcd", types[int(kind)%len(types)], []byte(docs))
		if err != nil {
			return
		}
		got, err := patch.Apply(list, "etcd", []byte(pod), corev1.Pod{})
		if err != nil {
			return
		}
		if _, err := patch.Apply(nil, "etcd", got, corev1.Pod{}); err != nil {
			t.Fatalf("the result cannot be read: %v\n%s", err, got)
		}
	})
}
