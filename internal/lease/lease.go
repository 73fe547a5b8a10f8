// Package lease is the turn that nodes take to join etcd, kept in a Lease of
// the cluster's: etcd takes in one member at a time. It says what such a Lease
// holds and how it is written; Keeper keeps one alive.
package lease

import (
	"encoding/json"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/kube"
)

// Duration is how long a turn lasts that nobody renews: that long the others
// wait for a process that was killed.
const Duration = 15 * time.Second

// stamp is how a Lease has times, in microseconds.
const stamp = "2006-01-02T15:04:05.000000Z07:00"

// EtcdJoin is the Lease of who joins etcd.
var EtcdJoin = kube.Ref{
	GroupVersionKind: schema.GroupVersionKind{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"},
	Namespace:        "kube-system", Name: "clusteradm-etcd-join",
}

// Turn is what a Lease says.
type Turn struct {
	Holder  string // empty: nobody
	Expires time.Time
	Version string // the resource version it was read at
}

// Of reads a Lease.
func Of(obj *unstructured.Unstructured) Turn {
	t := Turn{Version: obj.GetResourceVersion()}
	t.Holder, _, _ = unstructured.NestedString(obj.Object, "spec", "holderIdentity")
	seconds, _, _ := unstructured.NestedInt64(obj.Object, "spec", "leaseDurationSeconds")
	renewed, _, _ := unstructured.NestedString(obj.Object, "spec", "renewTime")
	if at, err := time.Parse(time.RFC3339, renewed); err == nil {
		t.Expires = at.Add(time.Duration(seconds) * time.Second)
	}
	return t
}

// Free reports that nobody has the turn.
func (t Turn) Free(now time.Time) bool { return t.Holder == "" || !now.Before(t.Expires) }

// Held reports that holder has it.
func (t Turn) Held(holder string, now time.Time) bool { return t.Holder == holder && !t.Free(now) }

// Object is a new Lease of holder's.
func Object(ref kube.Ref, holder string, now time.Time) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{Object: map[string]any{"spec": spec(holder, now)}}
	obj.SetGroupVersionKind(ref.GroupVersionKind)
	obj.SetNamespace(ref.Namespace)
	obj.SetName(ref.Name)
	return obj
}

// Patch gives the Lease to holder, or to nobody, if it is still at version.
func Patch(version, holder string, now time.Time) ([]byte, error) {
	return json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": version}, "spec": spec(holder, now)})
}

func spec(holder string, now time.Time) map[string]any {
	return map[string]any{
		"holderIdentity":       holder,
		"leaseDurationSeconds": int64(Duration / time.Second),
		"renewTime":            now.UTC().Format(stamp),
	}
}
