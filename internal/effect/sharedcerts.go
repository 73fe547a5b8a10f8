package effect

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/internal/token"
	"github.com/clusteradm/clusteradm/pki"
)

// SharedCerts is the Secret from which joining control planes take what all
// have in common, and the token with which it goes: the cluster deletes what
// has expired, and then what that owned. What is encrypted is compared
// decrypted, since encrypting twice never gives the same. It is made anew once
// it has less than half of its time left.
type SharedCerts struct {
	Secret *unstructured.Unstructured // what is to be shared, encrypted
	Owner  *unstructured.Unstructured // the Secret of the token
	Under  secret.String              // the certificate key
	Now    time.Time
}

type sharedObserved struct {
	unreachable bool
	live        *unstructured.Unstructured
	due         string // why what is there will not do
}

// Key implements plan.Effect.
func (e SharedCerts) Key() string { return "shared certificates " + kube.RefOf(e.Secret).String() }

// Observe implements plan.Effect.
func (e SharedCerts) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	live, err := v.Kube().Get(ctx, kube.RefOf(e.Secret))
	switch {
	case unreachable(err):
		return sharedObserved{unreachable: true}, nil
	case apierrors.IsNotFound(err):
		return sharedObserved{}, nil
	case err != nil:
		return nil, wrapObserve(e, err)
	}
	wanted, err := pki.Open(kube.SecretData(e.Secret), e.Under)
	if err != nil {
		return nil, wrapObserve(e, err)
	}
	o := sharedObserved{live: live}
	if found, err := pki.Open(kube.SecretData(live), e.Under); err != nil {
		o.due = "it is encrypted under another certificate key"
	} else if !maps.EqualFunc(found, wanted, secret.Bytes.Equal) {
		o.due = "content differs"
	}
	if o.due != "" {
		return o, nil
	}
	lives, err := e.lives(ctx, v.Kube(), live)
	switch {
	case unreachable(err): // it went down in between
		return sharedObserved{unreachable: true}, nil
	case err != nil:
		return nil, wrapObserve(e, err)
	case !lives:
		o.due = "expired, or about to"
	}
	return o, nil
}

// lives reports whether an owner of live will be there long enough.
func (e SharedCerts) lives(ctx context.Context, r kube.Reader, live *unstructured.Unstructured) (bool, error) {
	wanted, _ := token.FromSecret(e.Owner)
	enough := e.Now.Add(wanted.Expires.Sub(e.Now) / 2)
	for _, ref := range live.GetOwnerReferences() {
		owner := kube.RefOf(e.Owner)
		if owner.Name = ref.Name; ref.Kind != owner.Kind {
			continue
		}
		found, err := r.Get(ctx, owner)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return false, err
		}
		t, ok := token.FromSecret(found)
		if ok && found.GetUID() == ref.UID && !t.Expires.IsZero() && t.Alive(enough) {
			return true, nil
		}
	}
	return false, nil
}

// Diff implements plan.Effect.
func (e SharedCerts) Diff(observed plan.Observed) plan.Change {
	o := observed.(sharedObserved)
	name := kube.RefOf(e.Secret).String()
	switch {
	case o.unreachable:
		return plan.Change{Verb: plan.Unknown, Summary: name + ": the API server does not answer yet"}
	case o.live == nil:
		return plan.Change{Verb: plan.Create, Summary: name + ": the shared certificates, encrypted"}
	case o.due != "":
		return plan.Change{Verb: plan.Update, Summary: name + ": " + o.due}
	}
	return plan.Change{}
}

// Apply implements plan.Effect. The Secret is written whole and at once, for a
// joining node may be reading it: never entries of two keys, never without an
// owner.
func (e SharedCerts) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	owner, err := w.KubeWriter().Apply(ctx, e.Owner)
	if err != nil {
		return fmt.Errorf("share certificates: create the token that they expire with: %w", err)
	}
	s := e.Secret.DeepCopy()
	refs := []any{map[string]any{"apiVersion": "v1", "kind": "Secret", "name": owner.GetName(), "uid": string(owner.GetUID()),
		"controller": true, "blockOwnerDeletion": true}}
	if err := unstructured.SetNestedSlice(s.Object, refs, "metadata", "ownerReferences"); err != nil {
		return fmt.Errorf("share certificates: %w", err)
	}
	if live := observed.(sharedObserved).live; live != nil {
		err := e.replace(ctx, w.KubeWriter(), live, s)
		if !apierrors.IsNotFound(err) { // unless it went with its token just now
			return err
		}
	}
	if _, err := w.KubeWriter().Create(ctx, s); err != nil {
		return fmt.Errorf("share certificates: %w", err)
	}
	return nil
}

func (e SharedCerts) replace(ctx context.Context, w kube.Writer, live, s *unstructured.Unstructured) error {
	data := map[string]any{}
	for name := range kube.SecretData(live) {
		data[name] = nil // removed
	}
	wanted, _, _ := unstructured.NestedMap(s.Object, "data")
	maps.Copy(data, wanted)
	refs, _, _ := unstructured.NestedSlice(s.Object, "metadata", "ownerReferences")
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"ownerReferences": refs}, "data": data})
	if err == nil {
		_, err = w.MergePatch(ctx, kube.RefOf(s), patch)
	}
	if err != nil {
		return fmt.Errorf("share certificates: %w", err)
	}
	return nil
}
