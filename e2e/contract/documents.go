package contract

import (
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// Merge lays documents over others of their kind: maps are merged, anything
// else is replaced, null takes a field away. A kind that is new is added, a
// document that says nothing but its kind is left as it was.
func Merge(base string, overlays ...string) (string, error) {
	var order []string
	documents := map[string]map[string]any{}
	for _, text := range append([]string{base}, overlays...) {
		for doc := range strings.SplitSeq("\n"+text, "\n---\n") {
			var m map[string]any
			if err := yaml.UnmarshalStrict([]byte(doc), &m); err != nil {
				return "", fmt.Errorf("merge documents: %w\n%s", err, doc)
			}
			kind, _ := m["kind"].(string)
			if kind == "" {
				continue
			}
			if documents[kind] == nil {
				order = append(order, kind)
				documents[kind] = map[string]any{}
			}
			merge(documents[kind], m)
		}
	}
	var parts []string
	for _, kind := range order {
		data, err := yaml.Marshal(documents[kind])
		if err != nil {
			return "", fmt.Errorf("merge documents: %w", err)
		}
		if documents[kind]["apiVersion"] != nil {
			parts = append(parts, string(data))
		}
	}
	return strings.Join(parts, "---\n"), nil
}

func merge(into, from map[string]any) {
	for key, v := range from {
		below, isMap := v.(map[string]any)
		old, wasMap := into[key].(map[string]any)
		switch {
		case v == nil:
			delete(into, key)
		case isMap && wasMap:
			merge(old, below)
		default:
			into[key] = v
		}
	}
}
