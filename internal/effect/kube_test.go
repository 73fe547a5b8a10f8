package effect_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// A server that does not answer is no error; one that answers with an error is.
func TestUnreachableIsUnknown(t *testing.T) {
	for _, e := range []plan.Effect{object(t, configMap("a: one")), nodeState(), bootstrap("abcdef", canary, false), bootstrap("abcdef", canary, true), shared(t, certificateKey, canary, 1, "abcdef")} {
		t.Run(e.Key(), func(t *testing.T) {
			w := newWorld(t)
			w.Store.Down(true)
			if got := look(t, w, e); got.Verb != plan.Unknown || !strings.Contains(got.Summary, "does not answer") {
				t.Errorf("%+v", got)
			}
			w.Store.Down(false)
			w.Store.Before = func(string, kube.Ref) error {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "things"}, "x", errors.New("no"))
			}
			if _, err := e.Observe(t.Context(), w); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), e.Key()) {
				t.Errorf("forbidden: error %v", err)
			}
		})
	}
}

func TestObjectGoesDownBetweenTwoQuestions(t *testing.T) {
	w := newWorld(t)
	e := object(t, configMap("a: one"))
	converge(t, w, e)
	w.Store.Before = func(verb string, _ kube.Ref) error {
		if verb == "dry-run" {
			return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
		return nil
	}
	if got := look(t, w, e); got.Verb != plan.Unknown {
		t.Errorf("%+v", got)
	}
}

func TestObjectChanges(t *testing.T) {
	w := newWorld(t)
	w.Store.Default = func(o *unstructured.Unstructured) {
		if o.GetKind() == "ConfigMap" {
			o.Object["immutable"] = false
		}
	}
	e := object(t, configMap("a: one, b: two"))
	if got := look(t, w, e); got.Verb != plan.Create {
		t.Errorf("absent: %+v", got)
	}
	converge(t, w, e)
	if got := look(t, w, e); !got.Empty() {
		t.Errorf("what the server fills in is a change: %+v", got)
	}

	ref := kube.RefOf(e.Object)
	others, err := w.Store.MergePatch(t.Context(), ref, []byte(`{"metadata":{"annotations":{"theirs":"1"}},"data":{"c":"three"}}`))
	must(t, err)
	others.Object["status"] = map[string]any{"phase": "Fine"}
	w.Store.Put(others)
	if got := look(t, w, e); !got.Empty() {
		t.Errorf("fields of others are a change: %+v", got)
	}

	_, err = w.Store.MergePatch(t.Context(), ref, []byte(`{"data":{"a":"edited"}}`))
	must(t, err)
	if got := look(t, w, e); got.Verb != plan.Update {
		t.Errorf("an edited field is none: %+v", got)
	}
	converge(t, w, e)
	live, err := w.Store.Get(t.Context(), ref)
	must(t, err)
	if data, _, _ := unstructured.NestedStringMap(live.Object, "data"); data["a"] != "one" || data["c"] != "three" {
		t.Errorf("data is %v", data)
	}

	w, fewer := newWorld(t), object(t, configMap("a: one"))
	converge(t, w, e)
	if got := look(t, w, fewer); got.Verb != plan.Update {
		t.Errorf("a field that is not wanted any more is no change: %+v", got)
	}
}

// dated is a server whose dry run shows what the server keeps for itself.
type dated struct{ *world }

func (d dated) Kube() kube.Reader { return datedClient{client{d.Store}} }

type datedClient struct{ client }

func (c datedClient) DryRunApply(ctx context.Context, o *obj) (*obj, error) {
	made, err := c.client.DryRunApply(ctx, o)
	if err == nil {
		for name, value := range map[string]any{"resourceVersion": "999", "generation": int64(9), "creationTimestamp": nil,
			"managedFields": []any{map[string]any{"manager": "clusteradm", "time": "2026-11-21T06:00:00Z"}}} {
			err = errors.Join(err, unstructured.SetNestedField(made.Object, value, "metadata", name))
		}
	}
	return made, err
}

func TestWhatTheServerKeepsForItselfIsNoChange(t *testing.T) {
	w, e := newWorld(t), object(t, configMap("a: one"))
	converge(t, w, e)
	observed, err := e.Observe(t.Context(), dated{w})
	must(t, err)
	if got := e.Diff(observed); !got.Empty() {
		t.Errorf("%+v", got)
	}
}

func TestToken(t *testing.T) {
	mine, other := bootstrap("abcdef", canary, false), bootstrap("fedcba", "other", false)
	mineOrAny, signs := bootstrap("abcdef", canary, true), with(mine, "usage-bootstrap-authentication", "")
	for name, c := range map[string]struct {
		there effect.Token
		want  effect.Token
		verb  plan.Verb
	}{
		"alive":                           {mine, mine, plan.None},
		"another one":                     {other, mine, plan.Create},
		"another one does":                {other, mineOrAny, plan.None},
		"expired":                         {expired(mine), mine, plan.Update},
		"another one, expired":            {expired(other), mineOrAny, plan.Create},
		"another secret":                  {bootstrap("abcdef", "other", false), mine, plan.Update},
		"another secret does":             {bootstrap("abcdef", "other", false), mineOrAny, plan.None},
		"not for signing":                 {with(mine, "usage-bootstrap-signing", "false"), mine, plan.Update},
		"another one, not for signing":    {with(other, "usage-bootstrap-signing", "false"), mineOrAny, plan.Create},
		"another one, not for logging in": {with(other, "usage-bootstrap-authentication", ""), mineOrAny, plan.Create},
		"a malformed one":                 {with(other, "expiration", "tomorrow"), mineOrAny, plan.Create},
		"asked for signing only, there":   {signs, signs, plan.None},
		"asked for signing only, absent":  {other, signs, plan.Create},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Store.Put(c.there.Secret)
			if got := look(t, w, c.want); got.Verb != c.verb {
				t.Errorf("%+v, want %q", got, c.verb)
			}
			converge(t, w, c.want)
			if got := look(t, w, c.want); !got.Empty() {
				t.Errorf("after it was applied there is still %+v", got)
			}
		})
	}
}

func getNode(t *testing.T, w *world) (labels map[string]string, taints []string) {
	t.Helper()
	n, err := w.Store.Get(t.Context(), kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Node"}, Name: "n1"})
	must(t, err)
	list, _, _ := unstructured.NestedSlice(n.Object, "spec", "taints")
	for _, one := range list {
		taint := one.(map[string]any)
		taints = append(taints, taint["key"].(string)+":"+taint["effect"].(string))
	}
	return n.GetLabels(), taints
}

var wantTaints = []string{"node.kubernetes.io/not-ready:NoSchedule", "node-role.kubernetes.io/control-plane:NoSchedule", "x:NoExecute"}

func TestNodeIsMerged(t *testing.T) {
	register := func(w *world) { w.Store.Put(kubetest.Object(t, bareNode)) }
	for name, c := range map[string]struct {
		before, between func(*world)
		verb            plan.Verb
	}{
		"registered":            {register, func(*world) {}, plan.Update},
		"registered in between": {func(*world) {}, register, plan.Create},
		"written in between": {register, func(w *world) {
			n := kubetest.Object(t, bareNode)
			n.Object["status"] = map[string]any{"phase": "Terminated"}
			w.Store.Put(n)
		}, plan.Update},
	} {
		t.Run(name, func(t *testing.T) {
			w, e := newWorld(t), nodeState()
			c.before(w)
			observed, err := e.Observe(t.Context(), w)
			must(t, err)
			if got := e.Diff(observed); got.Verb != c.verb {
				t.Errorf("%+v, want %q", got, c.verb)
			}
			c.between(w)
			must(t, e.Apply(t.Context(), w, observed))
			labels, taints := getNode(t, w)
			if labels["kubernetes.io/hostname"] != "n1" || labels["c"] != "3" || !slices.Equal(taints, wantTaints) {
				t.Errorf("labels %v, taints %v", labels, taints)
			}
			if got := look(t, w, e); !got.Empty() {
				t.Errorf("after it was applied there is still %+v", got)
			}
		})
	}
}

// The kubelet's writes to a Node are met by trying again, not for ever.
func TestNodeThatOthersWriteTo(t *testing.T) {
	for name, writes := range map[string]int{"a few times": 3, "all the time": 1000} {
		t.Run(name, func(t *testing.T) {
			w, e := newWorld(t), nodeState()
			left := writes
			stored(bareNode)(t, w)
			w.Store.Before = func(verb string, ref kube.Ref) error {
				if verb == "patch" && left > 0 {
					left--
					n := kubetest.Object(t, bareNode)
					n.Object["status"] = map[string]any{"beat": int64(left)}
					w.Store.Put(n)
				}
				return nil
			}
			observed, err := e.Observe(t.Context(), w)
			must(t, err)
			err = e.Apply(t.Context(), w, observed)
			if writes > 100 {
				if err == nil || !strings.Contains(err.Error(), "node n1") || left < 900 {
					t.Errorf("error %v after %d writes", err, writes-left)
				}
				return
			}
			must(t, err)
			if _, taints := getNode(t, w); !slices.Equal(taints, wantTaints) {
				t.Errorf("taints %v", taints)
			}
		})
	}
}

func TestNodeThatTheKubeletMakes(t *testing.T) {
	w, e := newWorld(t), nodeState()
	e.Wait = true
	if got := look(t, w, e); got.Verb != plan.Unknown || !strings.Contains(got.Summary, "not registered") {
		t.Errorf("%+v", got)
	}
	stored(bareNode)(t, w)
	if got := look(t, w, e); got.Verb != plan.Update {
		t.Errorf("%+v", got)
	}
}

func TestNodeDiffNamesWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	stored(bareNode)(t, w)
	want := []string{"+label a=1", "+label b=2", "+label c=3", "+label node-role.kubernetes.io/control-plane=",
		"+taint node-role.kubernetes.io/control-plane:NoSchedule", "+taint x:NoExecute"}
	if got := look(t, w, nodeState()); !slices.Equal(got.Lines, want) {
		t.Errorf("%q", got.Lines)
	}
}
