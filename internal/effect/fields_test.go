package effect_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// settings are somebody's, who has marked them, too.
const settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: kube-system, annotations: {theirs: \"1\"}}\ndata: {a: old-" + canary + ", b: two}\n"

// fields sets a key of the settings, and an annotation that they lack.
func fields(t *testing.T) effect.Fields {
	return effect.NewFields(kubetest.Object(t, settings), map[string]any{
		"data": map[string]any{"a": canary}, "metadata": map[string]any{"annotations": map[string]any{"mark": "1"}}}, "a is another")
}

func fieldsRows(t *testing.T) map[string]row {
	return map[string]row{
		"fields, as they were": {effect: fields(t), before: stored(settings)},
		"fields, there":        {effect: fields(t), before: both(stored(settings), applied(fields(t))), so: true},
		"fields, of numbers": {before: stored(numbered), effect: effect.NewFields(kubetest.Object(t, numbered),
			map[string]any{"spec": map[string]any{"list": []any{map[string]any{"n": int64(2)}}, "gone": nil}}, "another number")},
	}
}

const numbered = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: d, namespace: kube-system}\nspec: {list: [{n: 1, x: y}], gone: 7}\n"

// Nothing else of the object is touched, then or on the way back.
func TestFieldsLeaveOthersAlone(t *testing.T) {
	w := newWorld(t)
	stored(settings)(t, w)
	e := fields(t)
	observed, err := e.Observe(t.Context(), w)
	must(t, err)
	undo, err := e.Undo(observed)
	must(t, err)
	must(t, e.Apply(t.Context(), w, observed))
	_, err = w.Store.MergePatch(t.Context(), e.Ref, []byte(`{"data":{"b":"three","c":"four"}}`))
	must(t, err)
	if got := look(t, w, e); !got.Empty() {
		t.Errorf("others' fields are a change: %+v", got)
	}
	must(t, effect.Revert(t.Context(), w, undo))
	live, err := w.Store.Get(t.Context(), e.Ref)
	must(t, err)
	data, _, _ := unstructured.NestedStringMap(live.Object, "data")
	if data["a"] != "old-"+canary || data["b"] != "three" || data["c"] != "four" || len(live.GetAnnotations()) != 1 {
		t.Errorf("it is %v %v", data, live.GetAnnotations())
	}
}

// What others made of them meanwhile stays.
func TestFieldsThatOthersChangedStay(t *testing.T) {
	w := newWorld(t)
	stored(settings)(t, w)
	e := fields(t)
	observed, err := e.Observe(t.Context(), w)
	must(t, err)
	undo, err := e.Undo(observed)
	must(t, err)
	_, err = w.Store.MergePatch(t.Context(), e.Ref, []byte(`{"data":{"a":"theirs"}}`))
	must(t, err)
	if err := e.Apply(t.Context(), w, observed); !errors.Is(err, plan.ErrNotYet) || !apierrors.IsConflict(err) {
		t.Errorf("what was seen was changed since: %v", err)
	}
	if _, err := e.Observe(t.Context(), w); err == nil || !strings.Contains(err.Error(), "changed meanwhile") {
		t.Errorf("seen anew: %v", err)
	}
	if err := effect.Revert(t.Context(), w, undo); err == nil || !strings.Contains(err.Error(), "changed since") {
		t.Errorf("taken back: %v", err)
	}
}

func TestFieldsOfWhatIsNotThere(t *testing.T) {
	w := newWorld(t)
	e := fields(t)
	if _, err := e.Observe(t.Context(), w); !apierrors.IsNotFound(err) {
		t.Errorf("absent: %v", err)
	}
	w.Store.Down(true)
	if got := look(t, w, e); got.Verb != plan.Unknown {
		t.Errorf("no API server: %+v", got)
	}
	other := e
	other.Ref = kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Namespace: "kube-system", Name: "other"}
	if other.Key() == e.Key() {
		t.Error("two objects have one key")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Observe(gone, w); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
