package config

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"

	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
)

// decode fills out, a pointer to a struct with json tags, from the document
// and returns everything in the document that does not fit it. What fits is
// decoded all the same, so that it can be validated and all errors be told at
// once.
//
// It walks the YAML beside the Go type because no decoder at hand reports more
// than the first wrong type, and none says where it stands. Reflection is the
// price: KubeletConfiguration alone has over a hundred fields.
func (d *document) decode(out any) {
	value := d.value(d.root, reflect.TypeOf(out).Elem(), "")
	data, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(data, out)
	}
	if err != nil {
		d.bad("", d.positions[""], "decode document: "+err.Error(), "")
	}
}

// value checks a node against a type and returns it in the form that
// encoding/json marshals. Wrong parts are reported and left out, as nil.
func (d *document) value(n *yaml.Node, t reflect.Type, path string) any {
	at := position{n.Line, n.Column}
	d.positions[path] = at
	if isNull(n) {
		return nil // as in JSON: not set
	}
	if t.Kind() == reflect.Pointer {
		return d.value(n, t.Elem(), path)
	}
	wrong := func(want, hint string) any {
		d.broken[path] = true
		d.bad(path, at, "is "+describe(n)+", must be "+want, hint)
		return nil
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return d.custom(n, t, path)
	}
	switch t.Kind() {
	case reflect.Struct:
		if n.Kind != yaml.MappingNode {
			return wrong("a mapping", "")
		}
		return d.structure(n, t, path)
	case reflect.Map:
		if n.Kind != yaml.MappingNode {
			return wrong("a mapping", "")
		}
		return d.entries(n, path, func(name string, _, child *yaml.Node, childPath string) (any, bool) {
			return d.value(child, t.Elem(), childPath), true
		})
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			hint := ""
			if t.Elem() == reflect.TypeFor[v1beta4.Arg]() && n.Kind == yaml.MappingNode { // v1beta3's form
				hint = "write each as: - {name: FLAG, value: VALUE}"
			}
			return wrong("a list", hint)
		}
		list := make([]any, 0, len(n.Content))
		for i, child := range n.Content {
			list = append(list, d.value(child, t.Elem(), fmt.Sprintf("%s[%d]", path, i)))
		}
		return list
	case reflect.Interface:
		return d.generic(n, path)
	}
	want, v := scalar(n, t)
	if want != "" {
		hint := ""
		if t.Kind() == reflect.String && n.Kind == yaml.ScalarNode {
			hint = "put the value in quotes"
		}
		return wrong(want, hint)
	}
	return v
}

// structure decodes a mapping into the fields of a struct type.
func (d *document) structure(n *yaml.Node, t reflect.Type, path string) any {
	known := map[string]reflect.Type{}
	jsonFields(t, known)
	return d.entries(n, path, func(name string, key, child *yaml.Node, childPath string) (any, bool) {
		fieldType, ok := known[name]
		if !ok {
			d.positions[childPath] = position{key.Line, key.Column}
			d.bad(childPath, d.positions[childPath], "unknown field", similar(name, known))
			return nil, false
		}
		return d.value(child, fieldType, childPath), true
	})
}

// entries walks a mapping, refusing keys that are no strings or come twice.
func (d *document) entries(n *yaml.Node, path string, each func(name string, key, child *yaml.Node, childPath string) (any, bool)) map[string]any {
	out := map[string]any{}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, child := n.Content[i], n.Content[i+1]
		at := position{key.Line, key.Column}
		if key.Kind != yaml.ScalarNode || scalarTag(key) == "!!null" {
			d.bad(path, at, "has a key that is "+describe(key)+", must be a string", "")
			continue
		}
		childPath := join(path, key.Value)
		if line, twice := first[key.Value]; twice {
			d.bad(childPath, at, fmt.Sprintf("duplicate field, first set in line %d", line), "keep one of the two")
			continue
		}
		first[key.Value] = key.Line
		if v, ok := each(key.Value, key, child, childPath); ok {
			out[key.Value] = v
		}
	}
	return out
}

// custom decodes a value whose type has a JSON form of its own: durations,
// times, quantities.
func (d *document) custom(n *yaml.Node, t reflect.Type, path string) any {
	v := d.generic(n, path)
	if d.broken[path] {
		return nil
	}
	data, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(data, reflect.New(t).Interface())
	}
	if err == nil {
		return v
	}
	d.broken[path] = true
	message, hint := "is not a valid "+t.Name()+": "+err.Error(), ""
	switch t.Name() {
	case "Duration":
		message, hint = "is not a duration", "write a duration such as 30s, 5m or 24h0m0s"
	case "Time":
		message, hint = "is not a time", "write a time such as 2030-01-02T15:04:05Z"
	}
	d.bad(path, d.positions[path], message, hint)
	return nil
}

// generic returns a node of any shape.
func (d *document) generic(n *yaml.Node, path string) any {
	switch n.Kind {
	case yaml.MappingNode:
		return d.entries(n, path, func(_ string, _, child *yaml.Node, childPath string) (any, bool) {
			d.positions[childPath] = position{child.Line, child.Column}
			return d.generic(child, childPath), true
		})
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for i, child := range n.Content {
			list = append(list, d.generic(child, fmt.Sprintf("%s[%d]", path, i)))
		}
		return list
	}
	for _, t := range []reflect.Type{reflect.TypeFor[bool](), reflect.TypeFor[int64](), reflect.TypeFor[float64](), reflect.TypeFor[string]()} {
		if want, v := scalar(n, t); want == "" {
			return v
		}
	}
	if !isNull(n) {
		d.broken[path] = true
		d.bad(path, position{n.Line, n.Column}, "is "+describe(n)+", which JSON has no form for", "")
	}
	return nil
}

// scalar converts a node to a basic type. The first result is empty, or what
// the value should have been.
func scalar(n *yaml.Node, t reflect.Type) (want string, v any) {
	tag := scalarTag(n)
	switch t.Kind() {
	case reflect.String:
		// The API reads YAML by way of JSON, in which a time is a string.
		if tag == "!!str" || tag == "!!timestamp" {
			return "", n.Value
		}
		return "a string", nil
	case reflect.Bool:
		if tag == "!!bool" {
			return "", slices.Contains(yes(), strings.ToLower(n.Value))
		}
		return "true or false", nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		var i int64
		if tag != "!!int" || n.Decode(&i) != nil {
			return "a whole number", nil
		}
		if t.OverflowInt(i) {
			return "a whole number of at most " + strconv.Itoa(t.Bits()) + " bits", nil
		}
		return "", i
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		var u uint64
		if tag != "!!int" || n.Decode(&u) != nil || t.OverflowUint(u) {
			return "a whole number, not negative, of at most " + strconv.Itoa(t.Bits()) + " bits", nil
		}
		return "", u
	case reflect.Float32, reflect.Float64:
		var f float64
		if (tag != "!!int" && tag != "!!float") || n.Decode(&f) != nil || math.IsInf(f, 0) || math.IsNaN(f) || t.OverflowFloat(f) {
			return "a number", nil
		}
		return "", f
	}
	return "of a type that cannot be configured", nil
}
