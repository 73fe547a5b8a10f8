package kubetest

import (
	"encoding/base64"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/kube"
)

// API is both halves of package kube.
type API interface {
	kube.Reader
	kube.Writer
}

// RunConformance holds what every API must do. The API that open returns is
// that of an empty cluster.
func RunConformance(t *testing.T, open func(t *testing.T) API) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, API)
	}{
		{"missing objects", missingObjects},
		{"apply", apply},
		{"apply removes what is no longer applied", applyRemoves},
		{"apply keeps what others set", applyKeepsOthers},
		{"dry run", dryRun},
		{"secrets", secrets},
		{"create", create},
		{"merge patch", patches},
		{"conflict", conflict},
		{"list", lists},
		{"namespaces", namespaces},
		{"names with colons", colons},
		{"custom kinds", customKinds},
		{"eviction", eviction},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

// Object reads one object from YAML.
func Object(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(text, "\t", "  ")), &obj.Object); err != nil {
		t.Fatalf("read object: %v", err)
	}
	return obj
}

func configMap(t *testing.T, data string) *unstructured.Unstructured {
	return Object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: kube-system}, data: {"+data+"}}")
}

func must(t *testing.T) func(*unstructured.Unstructured, error) *unstructured.Unstructured {
	return func(obj *unstructured.Unstructured, err error) *unstructured.Unstructured {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return obj
	}
}

func wantData(t *testing.T, obj *unstructured.Unstructured, want map[string]string) {
	t.Helper()
	got, _, _ := unstructured.NestedStringMap(obj.Object, "data")
	if len(got) != len(want) {
		t.Fatalf("data = %v, want %v", got, want)
	}
	for name, value := range want {
		if got[name] != value {
			t.Fatalf("data = %v, want %v", got, want)
		}
	}
}

func missingObjects(t *testing.T, api API) {
	ref := kube.RefOf(configMap(t, ""))
	if _, err := api.Get(t.Context(), ref); !apierrors.IsNotFound(err) {
		t.Errorf("Get = %v, want NotFound", err)
	}
	if _, err := api.MergePatch(t.Context(), ref, []byte(`{}`)); !apierrors.IsNotFound(err) {
		t.Errorf("MergePatch = %v, want NotFound", err)
	}
	if err := api.Delete(t.Context(), ref); err != nil {
		t.Errorf("Delete = %v, want none", err)
	}
}

func apply(t *testing.T, api API) {
	obj := must(t)(api.Apply(t.Context(), configMap(t, "a: one")))
	if created := obj.GetCreationTimestamp(); obj.GetUID() == "" || obj.GetResourceVersion() == "" || created.IsZero() {
		t.Errorf("metadata = %v, want uid, resourceVersion and creationTimestamp", obj.Object["metadata"])
	}
	again := must(t)(api.Apply(t.Context(), configMap(t, "a: one")))
	if again.GetResourceVersion() != obj.GetResourceVersion() {
		t.Error("an apply that changes nothing changed the resource version")
	}
	changed := must(t)(api.Apply(t.Context(), configMap(t, "a: two")))
	if changed.GetResourceVersion() == obj.GetResourceVersion() || changed.GetUID() != obj.GetUID() {
		t.Error("a change must have a new resource version and the same uid")
	}
	wantData(t, must(t)(api.Get(t.Context(), kube.RefOf(obj))), map[string]string{"a": "two"})
	// What was read can be applied.
	if _, err := api.Apply(t.Context(), changed); err != nil {
		t.Error(err)
	}
}

func applyRemoves(t *testing.T, api API) {
	must(t)(api.Apply(t.Context(), configMap(t, "a: one, b.c/d: two")))
	wantData(t, must(t)(api.Apply(t.Context(), configMap(t, "a: one"))), map[string]string{"a": "one"})
}

func applyKeepsOthers(t *testing.T, api API) {
	first := configMap(t, "a: one, shared: x")
	first.SetLabels(map[string]string{"ours": "1"})
	ref := kube.RefOf(first)
	must(t)(api.Apply(t.Context(), first))
	must(t)(api.MergePatch(t.Context(), ref, []byte(`{"metadata":{"labels":{"theirs":"2"}},"data":{"b":"three","shared":"theirs"}}`)))
	got := must(t)(api.Apply(t.Context(), configMap(t, "a: one")))
	wantData(t, got, map[string]string{"a": "one", "b": "three", "shared": "theirs"})
	if labels := got.GetLabels(); len(labels) != 1 || labels["theirs"] != "2" {
		t.Errorf("labels = %v, want theirs only", labels)
	}
	wantData(t, must(t)(api.Apply(t.Context(), configMap(t, "a: one, shared: taken"))),
		map[string]string{"a": "one", "b": "three", "shared": "taken"})
}

func dryRun(t *testing.T, api API) {
	obj := configMap(t, "a: one")
	wantData(t, must(t)(api.DryRunApply(t.Context(), obj)), map[string]string{"a": "one"})
	if _, err := api.Get(t.Context(), kube.RefOf(obj)); !apierrors.IsNotFound(err) {
		t.Errorf("Get after a dry run = %v, want NotFound", err)
	}
	must(t)(api.Apply(t.Context(), obj))
	wantData(t, must(t)(api.DryRunApply(t.Context(), configMap(t, "b: two"))), map[string]string{"b": "two"})
	wantData(t, must(t)(api.Get(t.Context(), kube.RefOf(obj))), map[string]string{"a": "one"})
}

func secrets(t *testing.T, api API) {
	obj := must(t)(api.Apply(t.Context(), Object(t,
		"{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: kube-system}, stringData: {a: text}, data: {b: Yg==}}")))
	wantData(t, obj, map[string]string{"a": base64.StdEncoding.EncodeToString([]byte("text")), "b": "Yg=="})
	if _, found := obj.Object["stringData"]; found {
		t.Error("stringData was given back")
	}
}

func create(t *testing.T, api API) {
	obj := configMap(t, "a: one")
	must(t)(api.Create(t.Context(), obj))
	if _, err := api.Create(t.Context(), obj); !apierrors.IsAlreadyExists(err) {
		t.Errorf("second Create = %v, want AlreadyExists", err)
	}
	if err := api.Delete(t.Context(), kube.RefOf(obj)); err != nil {
		t.Fatal(err)
	}
	must(t)(api.Create(t.Context(), obj))
}

func patches(t *testing.T, api API) {
	obj := configMap(t, "a: one, b: two")
	must(t)(api.Create(t.Context(), obj))
	got := must(t)(api.MergePatch(t.Context(), kube.RefOf(obj), []byte(`{"data":{"a":null,"c":"three"}}`)))
	wantData(t, got, map[string]string{"b": "two", "c": "three"})
	if _, err := api.MergePatch(t.Context(), kube.RefOf(obj), []byte(`{`)); !apierrors.IsBadRequest(err) {
		t.Errorf("MergePatch of no JSON = %v, want BadRequest", err)
	}
}

func conflict(t *testing.T, api API) {
	obj := must(t)(api.Create(t.Context(), configMap(t, "a: one")))
	patch := []byte(`{"metadata":{"resourceVersion":"` + obj.GetResourceVersion() + `"},"data":{"a":"two"}}`)
	must(t)(api.MergePatch(t.Context(), kube.RefOf(obj), patch))
	if _, err := api.MergePatch(t.Context(), kube.RefOf(obj), patch); !apierrors.IsConflict(err) {
		t.Errorf("MergePatch of an old version = %v, want Conflict", err)
	}
	if _, err := api.Apply(t.Context(), obj); !apierrors.IsConflict(err) {
		t.Errorf("Apply of an old version = %v, want Conflict", err)
	}
}

func lists(t *testing.T, api API) {
	for _, name := range []string{"b", "a", "c"} {
		obj := configMap(t, "")
		obj.SetName(name)
		if name != "b" {
			obj.SetLabels(map[string]string{"pick": "me"})
		}
		if name == "c" {
			obj.SetNamespace("default")
		}
		must(t)(api.Create(t.Context(), obj))
	}
	ref := kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}}
	for _, c := range []struct{ namespace, selector, want string }{
		{"", "pick=me", "c a"}, {"kube-system", "", "a b"}, {"kube-system", "pick notin (me)", "b"}, {"kube-public", "", ""},
	} {
		ref.Namespace = c.namespace
		items, err := api.List(t.Context(), ref, c.selector)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, item := range items {
			names = append(names, item.GetName())
			if item.GroupVersionKind() != ref.GroupVersionKind {
				t.Errorf("an item is a %s", item.GroupVersionKind())
			}
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("List(%q, %q) = %q, want %q", c.namespace, c.selector, got, c.want)
		}
	}
}

func namespaces(t *testing.T, api API) {
	obj := configMap(t, "a: one")
	obj.SetNamespace("kube-flannel")
	if _, err := api.Apply(t.Context(), obj); !apierrors.IsNotFound(err) {
		t.Errorf("Apply into a missing namespace = %v, want NotFound", err)
	}
	space := Object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: kube-flannel}}")
	must(t)(api.Apply(t.Context(), space))
	must(t)(api.Apply(t.Context(), obj))
	if err := api.Delete(t.Context(), kube.RefOf(space)); err != nil {
		t.Fatal(err)
	}
	if _, err := api.Get(t.Context(), kube.RefOf(obj)); !apierrors.IsNotFound(err) {
		t.Errorf("Get from a deleted namespace = %v, want NotFound", err)
	}
}

func colons(t *testing.T, api API) {
	obj := Object(t, "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: 'kubeadm:get-nodes'}, rules: [{verbs: [get]}]}")
	must(t)(api.Apply(t.Context(), obj))
	if got := must(t)(api.Get(t.Context(), kube.RefOf(obj))); got.GetName() != "kubeadm:get-nodes" {
		t.Errorf("name = %q", got.GetName())
	}
}

func customKinds(t *testing.T, api API) {
	obj := Object(t, "{apiVersion: example.org/v1, kind: Cactus, metadata: {name: x, namespace: default}, spec: {size: 3}}")
	if _, err := api.Get(t.Context(), kube.RefOf(obj)); !apierrors.IsNotFound(err) {
		t.Errorf("Get of an unknown kind = %v, want NotFound", err)
	}
	if _, err := api.Apply(t.Context(), obj); !apierrors.IsNotFound(err) {
		t.Errorf("Apply of an unknown kind = %v, want NotFound", err)
	}
	must(t)(api.Apply(t.Context(), Object(t, `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition,
		metadata: {name: cacti.example.org}, spec: {group: example.org, scope: Namespaced, names: {kind: Cactus, plural: cacti}}}`)))
	got := must(t)(api.Apply(t.Context(), obj))
	if size, _, _ := unstructured.NestedInt64(got.Object, "spec", "size"); size != 3 {
		t.Errorf("size = %d, want 3", size)
	}
}

func eviction(t *testing.T, api API) {
	pod := Object(t, "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: default}, spec: {nodeName: n}}")
	evict := Object(t, "{apiVersion: policy/v1, kind: Eviction, metadata: {name: p, namespace: default}}")
	if _, err := api.Create(t.Context(), evict); !apierrors.IsNotFound(err) {
		t.Errorf("eviction of no pod = %v, want NotFound", err)
	}
	must(t)(api.Create(t.Context(), pod))
	if _, err := api.Create(t.Context(), evict); err != nil {
		t.Fatal(err)
	}
	if _, err := api.Get(t.Context(), kube.RefOf(pod)); !apierrors.IsNotFound(err) {
		t.Errorf("Get of an evicted pod = %v, want NotFound", err)
	}
}
