package effect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
)

const kindFields = "fields"

// Fields are some fields of an object that is there and that others own: they
// are set, and nothing else of it is touched. An object in which they are
// neither what they are to be nor what they were when it was planned was
// changed by others meanwhile, and stays.
type Fields struct {
	Ref kube.Ref
	// Values is what the fields are to be, Was what they were, both in the
	// shape of a JSON merge patch: nil is a field that is not there.
	Values, Was map[string]any
	// Says is the change in words, for who looks at the plan.
	Says string
}

// NewFields is for an object as it was seen. The values are JSON.
func NewFields(seen *unstructured.Unstructured, values map[string]any, says string) Fields {
	return Fields{Ref: kube.RefOf(seen), Values: values, Was: fieldsOf(seen.Object, values), Says: says}
}

// fieldsOf is what an object has of the fields of a merge patch.
func fieldsOf(object, like map[string]any) map[string]any {
	found := map[string]any{}
	for name, value := range like {
		inner, nested := value.(map[string]any)
		if !nested {
			found[name] = object[name]
			continue
		}
		child, _ := object[name].(map[string]any)
		found[name] = fieldsOf(child, inner)
	}
	return found
}

// hasFields compares as JSON: in a record that was read back numbers are of
// another type.
func hasFields(object, values map[string]any) bool {
	return digestOf(fieldsOf(object, values)) == digestOf(values)
}

func digestOf(values map[string]any) string {
	data, err := json.Marshal(values)
	if err != nil {
		panic("effect: JSON did not encode: " + err.Error()) // cannot happen
	}
	return secret.NewBytes(data).Digest()
}

type fieldsObserved struct {
	unreachable bool
	live        *unstructured.Unstructured
}

// Key implements plan.Effect.
func (f Fields) Key() string { return "fields of " + f.Ref.String() }

// Observe implements plan.Effect.
func (f Fields) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	live, err := v.Kube().Get(ctx, f.Ref)
	switch {
	case unreachable(err):
		return fieldsObserved{unreachable: true}, nil
	case err != nil:
		return nil, wrapObserve(f, err)
	case !hasFields(live.Object, f.Values) && !hasFields(live.Object, f.Was):
		return nil, wrapObserve(f, errors.New("they were changed meanwhile; run the command again"))
	}
	return fieldsObserved{live: live}, nil
}

// Diff implements plan.Effect.
func (f Fields) Diff(observed plan.Observed) plan.Change {
	o := observed.(fieldsObserved)
	switch {
	case o.unreachable:
		return plan.Change{Verb: plan.Unknown, Summary: f.Ref.String() + ": the API server does not answer yet"}
	case hasFields(o.live.Object, f.Values):
		return plan.Change{}
	}
	return plan.Change{Verb: plan.Update, Summary: f.Ref.String() + ": " + f.Says}
}

// Apply implements plan.Effect.
func (f Fields) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	return setFields(ctx, w, f.Ref, f.Values, observed.(fieldsObserved).live)
}

// setFields writes to the object as it was seen and to no other.
func setFields(ctx context.Context, w plan.World, ref kube.Ref, values map[string]any, seen *unstructured.Unstructured) error {
	patch := maps.Clone(values)
	metadata, _ := values["metadata"].(map[string]any)
	metadata = maps.Clone(metadata)
	if metadata == nil {
		metadata = map[string]any{}
	}
	metadata["resourceVersion"] = seen.GetResourceVersion()
	patch["metadata"] = metadata
	data, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("set fields of %s: %w", ref, err)
	}
	_, err = w.KubeWriter().MergePatch(ctx, ref, data)
	if apierrors.IsConflict(err) {
		return fmt.Errorf("set fields of %s: %w: %w", ref, plan.ErrNotYet, err)
	}
	if err != nil {
		return fmt.Errorf("set fields of %s: %w", ref, err)
	}
	return nil
}

type fieldsUndo struct {
	Ref kube.Ref `json:"ref"`
	// Wrote is the digest of what the step was about to write.
	Wrote string `json:"wrote"`
}

// Undo implements plan.Undoer.
func (f Fields) Undo(observed plan.Observed) (plan.Undo, error) {
	data, err := json.Marshal(fieldsUndo{Ref: f.Ref, Wrote: digestOf(f.Values)})
	if err != nil {
		return plan.Undo{}, err
	}
	was, err := json.Marshal(fieldsOf(observed.(fieldsObserved).live.Object, f.Values))
	return plan.Undo{Kind: kindFields, Key: f.Key(), Data: data, Blob: was}, err
}

func revertFields(ctx context.Context, w plan.World, u plan.Undo) error {
	var record fieldsUndo
	var was map[string]any
	if err := json.Unmarshal(u.Data, &record); err != nil {
		return fmt.Errorf("revert %s: %w", u.Key, err)
	}
	if err := json.Unmarshal(u.Blob, &was); err != nil {
		return fmt.Errorf("revert %s: %w", u.Key, err)
	}
	live, err := w.Kube().Get(ctx, record.Ref)
	if err != nil {
		return fmt.Errorf("revert %s: %w", u.Key, err)
	}
	if hasFields(live.Object, was) {
		return nil
	}
	if digestOf(fieldsOf(live.Object, was)) != record.Wrote {
		return fmt.Errorf("revert %s: they were changed since, so they stay as they are", u.Key)
	}
	return setFields(ctx, w, record.Ref, was, live)
}
