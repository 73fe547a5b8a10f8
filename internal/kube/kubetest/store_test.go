package kubetest_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
)

const daemonSet = "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: d, namespace: kube-system}, spec: {a: 1}}"

func TestConformance(t *testing.T) {
	kubetest.RunConformance(t, func(*testing.T) kubetest.API { return kubetest.New() })
}

func TestDown(t *testing.T) {
	store := kubetest.New()
	store.Down(true)
	obj := kubetest.Object(t, daemonSet)
	if _, err := store.Apply(t.Context(), obj); !utilnet.IsConnectionRefused(err) {
		t.Errorf("Apply = %v, want connection refused", err)
	}
	store.Down(false)
	if _, err := store.Apply(t.Context(), obj); err != nil {
		t.Error(err)
	}
}

func TestFailures(t *testing.T) {
	store, injected := kubetest.New(), errors.New("injected")
	obj := kubetest.Object(t, daemonSet)
	empty := store.Snapshot()
	store.FailAt(2, injected)
	if _, err := store.Apply(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(t.Context(), kube.RefOf(obj)); !errors.Is(err, injected) {
		t.Errorf("second mutation = %v, want the injected error", err)
	}
	if _, err := store.Get(t.Context(), kube.RefOf(obj)); err != nil {
		t.Errorf("a failed delete deleted: %v", err)
	}
	if err := store.Delete(t.Context(), kube.RefOf(obj)); err != nil {
		t.Errorf("third mutation = %v", err)
	}
	if store.Mutations() != 3 || store.Snapshot() != empty {
		t.Errorf("mutations = %d, snapshot:\n%s", store.Mutations(), store.Snapshot())
	}
	var verbs []string
	store.Before = func(verb string, ref kube.Ref) error {
		verbs = append(verbs, verb+" "+ref.String())
		return nil
	}
	_, _ = store.DryRunApply(t.Context(), obj)
	_, _ = store.Get(t.Context(), kube.RefOf(obj))
	if got := strings.Join(verbs, ", "); got != "dry-run DaemonSet kube-system/d, get DaemonSet kube-system/d" {
		t.Errorf("hook saw %q", got)
	}
}

func TestSnapshotShowsContentOnly(t *testing.T) {
	var dumps []string
	for day := range 2 {
		store := kubetest.New()
		store.Now = func() time.Time { return time.Unix(int64(day)*86400, 0) }
		for range day + 1 {
			if _, err := store.Apply(t.Context(), kubetest.Object(t, strings.ReplaceAll(daemonSet, "a: 1", "b: 1"))); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Apply(t.Context(), kubetest.Object(t, daemonSet)); err != nil {
				t.Fatal(err)
			}
		}
		dumps = append(dumps, store.Snapshot())
	}
	if dumps[0] != dumps[1] || !strings.Contains(dumps[0], "spec:\n  a: 1\n") {
		t.Errorf("snapshots differ or lack content:\n%s\n%s", dumps[0], dumps[1])
	}
}

func TestDefaultAndGeneration(t *testing.T) {
	store := kubetest.New()
	store.Default = func(obj *unstructured.Unstructured) {
		if obj.GetKind() == "DaemonSet" {
			_ = unstructured.SetNestedField(obj.Object, int64(10), "spec", "revisionHistoryLimit")
		}
	}
	first, err := store.Apply(t.Context(), kubetest.Object(t, daemonSet))
	if err != nil {
		t.Fatal(err)
	}
	if limit, _, _ := unstructured.NestedInt64(first.Object, "spec", "revisionHistoryLimit"); limit != 10 || first.GetGeneration() != 1 {
		t.Errorf("spec = %v, generation %d", first.Object["spec"], first.GetGeneration())
	}
	second, err := store.Apply(t.Context(), kubetest.Object(t, daemonSet))
	if err != nil || second.GetResourceVersion() != first.GetResourceVersion() {
		t.Errorf("apply of the same = %v, %v", second, err)
	}
	status := second.DeepCopy()
	status.Object["status"] = map[string]any{"numberReady": int64(1)}
	store.Put(status)
	third, err := store.Apply(t.Context(), kubetest.Object(t, strings.ReplaceAll(daemonSet, "a: 1", "a: 2")))
	if err != nil || third.GetGeneration() != 2 || third.GetUID() != first.GetUID() {
		t.Errorf("apply of a change = %v, %v", third, err)
	}
	if ready, _, _ := unstructured.NestedInt64(third.Object, "status", "numberReady"); ready != 1 {
		t.Error("apply dropped the status")
	}
}

func TestScopeIsChecked(t *testing.T) {
	store := kubetest.New()
	for _, text := range []string{
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}",
		"{apiVersion: v1, kind: Node, metadata: {name: x, namespace: default}}",
		"{apiVersion: v1, kind: ConfigMap, metadata: {namespace: default}}",
	} {
		if _, err := store.Apply(t.Context(), kubetest.Object(t, text)); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}
