package addons

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	yamlstream "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Manifest reads a stream of YAML or JSON documents. Lists are taken apart;
// fields that the server owns are dropped, so that an object copied out of a
// cluster can be applied. Keys given twice, objects without kind or name and
// objects given twice are errors. All errors are returned at once, each with
// the number of its document, from 1; empty documents count.
func Manifest(data []byte) ([]*unstructured.Unstructured, error) {
	reader := yamlstream.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	var (
		objects []*unstructured.Unstructured
		errs    []error
		seen    = map[string]int{}
	)
	for index := 1; ; index++ {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			// Where the next document begins cannot be told.
			errs = append(errs, fmt.Errorf("read document %d: %w", index, err))
			break
		}
		found, err := document(doc)
		if err != nil {
			errs = append(errs, fmt.Errorf("read document %d: %w", index, err))
		}
		for _, o := range found {
			id := fmt.Sprintf("%s %s", o.GroupVersionKind().GroupKind(), name(o))
			if first, twice := seen[id]; twice {
				errs = append(errs, fmt.Errorf("read document %d: %s is in document %d already", index, id, first))
				continue
			}
			seen[id] = index
			objects = append(objects, o)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return objects, nil
}

// document reads one document: nothing, one object, or those of a List.
func document(doc []byte) ([]*unstructured.Unstructured, error) {
	asJSON, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(bytes.TrimSpace(asJSON), []byte("null")) {
		return nil, nil
	}
	// Not UnmarshalJSON, whose error on a missing kind quotes the whole
	// document: it may be a Secret.
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal(asJSON, &object.Object); err != nil {
		return nil, errors.New("the document is not a mapping")
	}
	if !object.IsList() {
		if err := check(object); err != nil {
			return nil, err
		}
		return []*unstructured.Unstructured{object}, nil
	}
	list, err := object.ToList()
	if err != nil {
		return nil, err
	}
	var (
		objects []*unstructured.Unstructured
		errs    []error
	)
	for i := range list.Items {
		item := &list.Items[i]
		if err := check(item); err != nil {
			errs = append(errs, fmt.Errorf("item %d: %w", i+1, err))
			continue
		}
		objects = append(objects, item)
	}
	return objects, errors.Join(errs...)
}

// check drops what the server owns and says what is missing for an apply.
func check(o *unstructured.Unstructured) error {
	delete(o.Object, "status")
	for _, field := range []string{"creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"} {
		unstructured.RemoveNestedField(o.Object, "metadata", field)
	}
	var errs []error
	if o.GetAPIVersion() == "" {
		errs = append(errs, errors.New("apiVersion is missing"))
	}
	if o.GetKind() == "" {
		errs = append(errs, errors.New("kind is missing"))
	}
	if o.GetName() == "" {
		errs = append(errs, errors.New("metadata.name is missing"))
	}
	return errors.Join(errs...)
}

func name(o *unstructured.Unstructured) string {
	if o.GetNamespace() == "" {
		return o.GetName()
	}
	return o.GetNamespace() + "/" + o.GetName()
}
