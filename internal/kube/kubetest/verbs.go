package kubetest

import (
	"context"
	"fmt"
	"reflect"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/clusteradm/clusteradm/internal/kube"
)

// Get reads one object.
func (s *Store) Get(_ context.Context, ref kube.Ref) (*unstructured.Unstructured, error) {
	if err := s.enter("get", ref); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.check(ref)
	if err != nil {
		return nil, err
	}
	e := s.objects[keyOf(ref)]
	if e == nil {
		return nil, apierrors.NewNotFound(k.groupResource(), ref.Name)
	}
	return e.view(ref), nil
}

// List reads the objects of a kind, ordered by namespace and name.
func (s *Store) List(_ context.Context, ref kube.Ref, selector string) ([]unstructured.Unstructured, error) {
	if err := s.enter("list", ref); err != nil {
		return nil, err
	}
	want, err := labels.Parse(selector)
	if err != nil {
		return nil, apierrors.NewBadRequest("unable to parse requirement: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(func(k kind) bool { return k.GroupKind == ref.GroupKind() }); err != nil {
		return nil, err
	}
	var items []unstructured.Unstructured
	for _, k := range s.sortedKeys() {
		if k.group != ref.Group || k.kind != ref.Kind || (ref.Namespace != "" && k.namespace != ref.Namespace) {
			continue
		}
		if obj := s.objects[k].view(ref); want.Matches(labels.Set(obj.GetLabels())) {
			items = append(items, *obj)
		}
	}
	return items, nil
}

// DryRunApply says what Apply would give.
func (s *Store) DryRunApply(_ context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return s.apply("dry-run", obj)
}

// Apply is server-side apply of the one manager.
func (s *Store) Apply(_ context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return s.apply("apply", obj)
}

func (s *Store) apply(verb string, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	ref := kube.RefOf(obj)
	if err := s.enter(verb, ref); err != nil {
		return nil, err
	}
	config, err := incoming(obj.Object)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.check(ref)
	if err != nil {
		return nil, err
	}
	before := s.objects[keyOf(ref)]
	after := &entry{object: map[string]any{}}
	if before != nil {
		if err := precondition(k, ref, before, config); err != nil {
			return nil, err
		}
		after = before.clone()
	}
	stripServerFields(config)
	now := leaves(config)
	for path := range after.applied {
		if !now[path] && !after.updated[path] {
			remove(after.object, path)
		}
	}
	old := deepCopy(after.object)
	merge(after.object, config)
	after.applied, after.updated = now, after.updated.unchanged(old, after.object)
	return s.commit(verb == "dry-run", ref, before, after)
}

// Create creates; an Eviction deletes its Pod.
func (s *Store) Create(_ context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	ref := kube.RefOf(obj)
	if ref.Group == "authorization.k8s.io" && ref.Kind == "SelfSubjectAccessReview" {
		return s.review(ref, obj)
	}
	if err := s.enter("create", ref); err != nil {
		return nil, err
	}
	object, err := incoming(obj.Object)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ref.Group == "policy" && ref.Kind == "Eviction" {
		return obj.DeepCopy(), s.evict(ref)
	}
	if prefix := obj.GetGenerateName(); ref.Name == "" && prefix != "" {
		ref.Name = prefix + strconv.FormatInt(s.version, 36)
	}
	k, err := s.check(ref)
	if err != nil {
		return nil, err
	}
	if s.objects[keyOf(ref)] != nil {
		return nil, apierrors.NewAlreadyExists(k.groupResource(), ref.Name)
	}
	stripServerFields(object)
	return s.commit(false, ref, nil, &entry{object: object, updated: leaves(object)})
}

func (s *Store) evict(ref kube.Ref) error {
	pod := key{kind: "Pod", namespace: ref.Namespace, name: ref.Name}
	if s.objects[pod] == nil {
		k, _ := s.find(func(k kind) bool { return k.Group == "" && k.Kind == "Pod" })
		return apierrors.NewNotFound(k.groupResource(), ref.Name)
	}
	delete(s.objects, pod)
	return nil
}

// MergePatch applies a JSON merge patch.
func (s *Store) MergePatch(_ context.Context, ref kube.Ref, patch []byte) (*unstructured.Unstructured, error) {
	if err := s.enter("patch", ref); err != nil {
		return nil, err
	}
	var change map[string]any
	if err := json.Unmarshal(patch, &change); err != nil {
		return nil, apierrors.NewBadRequest("error decoding patch: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.check(ref)
	if err != nil {
		return nil, err
	}
	before := s.objects[keyOf(ref)]
	if before == nil {
		return nil, apierrors.NewNotFound(k.groupResource(), ref.Name)
	}
	if err := precondition(k, ref, before, change); err != nil {
		return nil, err
	}
	stripServerFields(change)
	after := before.clone()
	mergePatch(after.object, change)
	foldStringData(after.object)
	after.applied = after.applied.unchanged(before.object, after.object)
	for path := range leaves(after.object) {
		if !sameAt(before.object, after.object, path) {
			after.updated[path] = true
		}
	}
	return s.commit(false, ref, before, after)
}

// Delete deletes; that nothing is there is no error.
func (s *Store) Delete(_ context.Context, ref kube.Ref) error {
	if err := s.enter("delete", ref); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.check(ref); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	delete(s.objects, keyOf(ref))
	if ref.Group == "" && ref.Kind == "Namespace" {
		for k := range s.objects {
			if k.namespace == ref.Name {
				delete(s.objects, k)
			}
		}
	}
	return nil
}

// check says whether ref names something that could exist.
func (s *Store) check(ref kube.Ref) (kind, error) {
	k, err := s.find(func(k kind) bool { return k.GroupKind == ref.GroupKind() })
	if err != nil {
		return k, err
	}
	switch {
	case ref.Name == "":
		return k, apierrors.NewBadRequest("name is required")
	case k.namespaced && ref.Namespace == "":
		return k, apierrors.NewBadRequest(fmt.Sprintf("%s is namespaced: an empty namespace may not be set", ref))
	case !k.namespaced && ref.Namespace != "":
		return k, apierrors.NewBadRequest(fmt.Sprintf("%s is not namespaced: a namespace may not be set", ref))
	}
	return k, nil
}

func precondition(k kind, ref kube.Ref, e *entry, incoming map[string]any) error {
	for _, field := range []string{"resourceVersion", "uid"} {
		want, _, _ := unstructured.NestedString(incoming, "metadata", field)
		have, _, _ := unstructured.NestedString(e.object, "metadata", field)
		if want != "" && want != have {
			return apierrors.NewConflict(k.groupResource(), ref.Name,
				fmt.Errorf("the object has been modified; please apply your changes to the latest version and try again"))
		}
	}
	return nil
}

// commit stores after unless it is a dry run, and returns it. A write that
// changes nothing keeps the resource version.
func (s *Store) commit(dryRun bool, ref kube.Ref, before, after *entry) (*unstructured.Unstructured, error) {
	if ref.Namespace != "" && before == nil && s.objects[key{kind: "Namespace", name: ref.Namespace}] == nil {
		k, _ := s.find(func(k kind) bool { return k.Group == "" && k.Kind == "Namespace" })
		return nil, apierrors.NewNotFound(k.groupResource(), ref.Namespace)
	}
	identify(after.object, ref)
	if s.Default != nil {
		s.Default(&unstructured.Unstructured{Object: after.object})
		object, err := normalise(after.object)
		if err != nil {
			return nil, apierrors.NewInternalError(err)
		}
		after.object = object
	}
	var old map[string]any
	if before != nil {
		old = before.object
	}
	if old == nil || !reflect.DeepEqual(old, after.object) {
		version := s.version
		s.stamp(after, old)
		if dryRun {
			s.version = version
		}
	}
	if !dryRun {
		s.objects[keyOf(ref)] = after
	}
	return after.view(ref), nil
}

// stamp sets what the server sets on a changed object.
func (s *Store) stamp(e *entry, old map[string]any) {
	meta, _ := e.object["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
		e.object["metadata"] = meta
	}
	oldMeta, _ := old["metadata"].(map[string]any)
	if oldMeta == nil {
		setIfAbsent(meta, "uid", s.nextUID())
		setIfAbsent(meta, "creationTimestamp", s.now())
	} else {
		meta["uid"], meta["creationTimestamp"] = oldMeta["uid"], oldMeta["creationTimestamp"]
		if meta["creationTimestamp"] == nil {
			delete(meta, "creationTimestamp")
		}
	}
	if spec, ok := e.object["spec"]; ok {
		generation, _ := oldMeta["generation"].(int64)
		if oldMeta == nil || !reflect.DeepEqual(spec, old["spec"]) {
			generation++
		}
		meta["generation"] = generation
	}
	meta["resourceVersion"] = s.nextVersion()
}

func setIfAbsent(m map[string]any, name, value string) {
	if m[name] == nil {
		m[name] = value
	}
}

// review answers whether the caller may do something, and stores nothing.
func (s *Store) review(ref kube.Ref, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if err := s.enter("review", ref); err != nil {
		return nil, err
	}
	attribute := func(name string) string {
		value, _, _ := unstructured.NestedString(obj.Object, "spec", "resourceAttributes", name)
		return value
	}
	answer := obj.DeepCopy()
	allowed := s.Allow == nil || s.Allow(attribute("verb"), attribute("resource"), attribute("subresource"))
	return answer, unstructured.SetNestedField(answer.Object, allowed, "status", "allowed")
}
