package kubetest

import (
	"encoding/base64"
	"maps"
	"reflect"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/clusteradm/clusteradm/internal/kube"
)

// paths is a set of fields, each the names to it joined by a NUL: a key in
// data may hold any other character.
type paths map[string]bool

const separator = "\x00"

// unchanged keeps the paths whose value is the same in both objects: who
// changes a field takes it over.
func (p paths) unchanged(before, after map[string]any) paths {
	kept := paths{}
	for path := range p {
		if sameAt(before, after, path) {
			kept[path] = true
		}
	}
	return kept
}

// leaves are the fields an object sets: scalars, lists and empty maps, save
// for its identity.
func leaves(object map[string]any) paths {
	found := paths{}
	var walk func(prefix string, node map[string]any)
	walk = func(prefix string, node map[string]any) {
		for name, value := range node {
			if child, ok := value.(map[string]any); ok && len(child) > 0 {
				walk(prefix+name+separator, child)
			} else {
				found[prefix+name] = true
			}
		}
	}
	walk("", object)
	for _, identity := range []string{"apiVersion", "kind", "metadata\x00name", "metadata\x00namespace"} {
		delete(found, identity)
	}
	return found
}

func sameAt(a, b map[string]any, path string) bool {
	names := strings.Split(path, separator)
	left, inLeft, _ := unstructured.NestedFieldNoCopy(a, names...)
	right, inRight, _ := unstructured.NestedFieldNoCopy(b, names...)
	return inLeft == inRight && reflect.DeepEqual(left, right)
}

// remove deletes a field and the maps that are empty without it.
func remove(object map[string]any, path string) {
	name, rest, nested := strings.Cut(path, separator)
	if !nested {
		delete(object, name)
		return
	}
	child, ok := object[name].(map[string]any)
	if !ok {
		return
	}
	remove(child, rest)
	if len(child) == 0 {
		delete(object, name)
	}
}

// merge puts from's fields into object; maps merge, all else replaces.
func merge(object, from map[string]any) {
	for name, value := range from {
		child, isMap := value.(map[string]any)
		existing, wasMap := object[name].(map[string]any)
		if isMap && wasMap {
			merge(existing, child)
		} else {
			object[name] = runtime.DeepCopyJSONValue(value)
		}
	}
}

// mergePatch is RFC 7386.
func mergePatch(object, patch map[string]any) {
	for name, value := range patch {
		child, isMap := value.(map[string]any)
		switch {
		case value == nil:
			delete(object, name)
		case isMap:
			existing, wasMap := object[name].(map[string]any)
			if !wasMap {
				existing = map[string]any{}
				object[name] = existing
			}
			mergePatch(existing, child)
		default:
			object[name] = runtime.DeepCopyJSONValue(value)
		}
	}
}

// incoming is what a caller sent as the server decodes it: without nulls, and
// a Secret's stringData in data.
func incoming(object map[string]any) (map[string]any, error) {
	clean, err := normalise(object)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	dropNulls(clean)
	foldStringData(clean)
	return clean, nil
}

// normalise brings numbers to the types a decoded object has.
func normalise(object map[string]any) (map[string]any, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	var clean map[string]any
	return clean, json.Unmarshal(text, &clean)
}

func dropNulls(node map[string]any) {
	for name, value := range node {
		if value == nil {
			delete(node, name)
		} else if child, ok := value.(map[string]any); ok {
			dropNulls(child)
		}
	}
}

func foldStringData(object map[string]any) {
	plain, ok := object["stringData"].(map[string]any)
	if object["kind"] != "Secret" || !ok {
		return
	}
	data, _ := object["data"].(map[string]any)
	if data == nil {
		data = map[string]any{}
		object["data"] = data
	}
	for name, value := range plain {
		if text, ok := value.(string); ok {
			data[name] = base64.StdEncoding.EncodeToString([]byte(text))
		}
	}
	delete(object, "stringData")
}

// stripServerFields drops what a writer cannot set.
func stripServerFields(object map[string]any) {
	delete(object, "status")
	if meta, ok := object["metadata"].(map[string]any); ok {
		for _, field := range []string{"resourceVersion", "uid", "creationTimestamp", "generation", "managedFields", "selfLink"} {
			delete(meta, field)
		}
	}
}

func identify(object map[string]any, ref kube.Ref) {
	meta, ok := object["metadata"].(map[string]any)
	if !ok {
		meta = map[string]any{}
		object["metadata"] = meta
	}
	meta["name"] = ref.Name
	if ref.Namespace != "" {
		meta["namespace"] = ref.Namespace
	}
	object["apiVersion"], object["kind"] = ref.GroupVersion().String(), ref.Kind
}

func (e *entry) clone() *entry {
	c := &entry{deepCopy(e.object), maps.Clone(e.applied), maps.Clone(e.updated)}
	if c.updated == nil {
		c.updated = paths{}
	}
	return c
}

// view is a copy in the version that was asked for.
func (e *entry) view(ref kube.Ref) *unstructured.Unstructured {
	object := deepCopy(e.object)
	object["apiVersion"] = ref.GroupVersion().String()
	return &unstructured.Unstructured{Object: object}
}

func deepCopy(object map[string]any) map[string]any { return runtime.DeepCopyJSON(object) }
