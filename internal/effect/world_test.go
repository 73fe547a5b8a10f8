package effect_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/plan/plantest"
)

// world is plantest's with a client that heeds its context, as a real one does.
type world struct{ *plantest.World }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{plantest.New(hosttest.New("n1", hosttest.Options{}))}
	w.Store.Now = func() time.Time { return now }
	must(t, w.Machine.Mkdir(t.Context(), conf, host.Attr{Mode: 0o755}))
	return w
}

func (w *world) Kube() kube.Reader       { return client{w.Store} }
func (w *world) KubeWriter() kube.Writer { return client{w.Store} }

func (w *world) snapshot() string {
	return w.Machine.Snapshot() + w.Store.Snapshot() + w.Containers.Snapshot() + w.EtcdCluster.Snapshot()
}

type client struct{ *kubetest.Store }

type obj = unstructured.Unstructured

func heed[T any](ctx context.Context, call func() (T, error)) (T, error) {
	if err := ctx.Err(); err != nil {
		var none T
		return none, err
	}
	return call()
}

func (c client) Get(ctx context.Context, ref kube.Ref) (*obj, error) {
	return heed(ctx, func() (*obj, error) { return c.Store.Get(ctx, ref) })
}

func (c client) List(ctx context.Context, ref kube.Ref, selector string) ([]obj, error) {
	return heed(ctx, func() ([]obj, error) { return c.Store.List(ctx, ref, selector) })
}

func (c client) DryRunApply(ctx context.Context, o *obj) (*obj, error) {
	return heed(ctx, func() (*obj, error) { return c.Store.DryRunApply(ctx, o) })
}

func (c client) Apply(ctx context.Context, o *obj) (*obj, error) {
	return heed(ctx, func() (*obj, error) { return c.Store.Apply(ctx, o) })
}

func (c client) Create(ctx context.Context, o *obj) (*obj, error) {
	return heed(ctx, func() (*obj, error) { return c.Store.Create(ctx, o) })
}

func (c client) MergePatch(ctx context.Context, ref kube.Ref, patch []byte) (*obj, error) {
	return heed(ctx, func() (*obj, error) { return c.Store.MergePatch(ctx, ref, patch) })
}

func (c client) Delete(ctx context.Context, ref kube.Ref) error {
	_, err := heed(ctx, func() (any, error) { return nil, c.Store.Delete(ctx, ref) })
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func look(t *testing.T, w *world, e plan.Effect) plan.Change {
	t.Helper()
	observed, err := e.Observe(t.Context(), w)
	must(t, err)
	return e.Diff(observed)
}

// converge is the engine's loop, in short.
func converge(t *testing.T, w *world, e plan.Effect) {
	t.Helper()
	observed, err := e.Observe(t.Context(), w)
	must(t, err)
	if !e.Diff(observed).Empty() {
		must(t, e.Apply(t.Context(), w, observed))
	}
}

func object(t *testing.T, manifest string) effect.Object {
	return effect.Object{Object: kubetest.Object(t, manifest)}
}

func configMap(data string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: kube-system}\ndata: {" + data + "}\n"
}

func opaque(content string) string {
	return "apiVersion: v1\nkind: Secret\nmetadata: {name: opaque, namespace: kube-system}\ndata: {key: " +
		base64.StdEncoding.EncodeToString([]byte(content)) + "}\n"
}

const bareNode = `apiVersion: v1
kind: Node
metadata: {name: n1, labels: {kubernetes.io/hostname: n1}}
spec: {podCIDR: 10.244.0.0/24, taints: [{key: node.kubernetes.io/not-ready, effect: NoSchedule, timeAdded: "2026-11-21T06:00:00Z"}]}
status: {phase: Running}
`

func nodeState() effect.NodeState {
	return effect.NodeState{Name: "n1",
		Labels: map[string]string{"node-role.kubernetes.io/control-plane": "", "a": "1", "b": "2", "c": "3"},
		Taints: []map[string]any{{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}, {"key": "x", "value": "y", "effect": "NoExecute"}}}
}

// bootstrap is the effect of a token that lives for a day.
func bootstrap(id, whole string, either bool) effect.Token {
	data := map[string]any{}
	for name, value := range map[string]string{
		"token-id": id, "token-secret": whole, "expiration": now.Add(24 * time.Hour).Format(time.RFC3339),
		"usage-bootstrap-authentication": "true", "usage-bootstrap-signing": "true",
	} {
		data[name] = base64.StdEncoding.EncodeToString([]byte(value))
	}
	return effect.Token{ID: id, Any: either, Now: now, Secret: &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token", "data": data,
		"metadata": map[string]any{"name": "bootstrap-token-" + id, "namespace": "kube-system"},
	}}}
}

func with(t effect.Token, name, value string) effect.Token {
	t.Secret = t.Secret.DeepCopy()
	encoded := base64.StdEncoding.EncodeToString([]byte(value))
	if err := unstructured.SetNestedField(t.Secret.Object, encoded, "data", name); err != nil {
		panic(fmt.Sprint(err))
	}
	return t
}

// expired made its token the day before.
func expired(t effect.Token) effect.Token {
	t = with(t, "expiration", now.Add(-time.Minute).Format(time.RFC3339))
	t.Now = now.Add(-24 * time.Hour)
	return t
}
