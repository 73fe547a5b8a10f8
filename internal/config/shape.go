package config

import (
	"reflect"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// yes and no are the words of YAML 1.1, by which kubeadm and all of
// Kubernetes read; a file must mean the same to both.
func yes() []string { return []string{"true", "yes", "on", "y"} }
func no() []string  { return []string{"false", "no", "off", "n"} }

// scalarTag is the tag of a scalar as YAML 1.1 has it.
func scalarTag(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode {
		return ""
	}
	tag := n.ShortTag()
	plain := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) == 0
	if tag == "!!str" && plain {
		if word := strings.ToLower(n.Value); slices.Contains(yes(), word) || slices.Contains(no(), word) {
			return "!!bool"
		}
	}
	return tag
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && scalarTag(n) == "!!null" }

// describe names what a node is, never its value, which may be a secret.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch scalarTag(n) {
	case "!!str":
		if n.Value == "" {
			return "an empty string"
		}
		return "a string"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "a boolean"
	case "!!null":
		return "empty"
	case "!!timestamp":
		return "a time"
	}
	return "of the unsupported type " + n.Tag
}

// join appends a field name to a path. A name that is no identifier, as those
// in maps may be, is put in brackets.
func join(path, name string) string {
	if strings.ContainsAny(name, ".[] ") || name == "" {
		return path + "[" + name + "]"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// jsonFields collects the fields of a struct by their JSON names, those of
// embedded structs included.
func jsonFields(t reflect.Type, out map[string]reflect.Type) {
	for f := range structFields(t) {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case tag == "-" || !f.IsExported():
		case tag == "" && (f.Anonymous || strings.Contains(options, "inline")):
			jsonFields(f.Type, out)
		case tag == "":
			out[f.Name] = f.Type
		default:
			out[tag] = f.Type
		}
	}
}

func structFields(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// similar is the hint for an unknown field: a known one that differs in case
// or by a letter or two.
func similar(name string, known map[string]reflect.Type) string {
	best, bestDistance := "", 3
	for candidate := range known {
		d := distance(strings.ToLower(name), strings.ToLower(candidate))
		if d < bestDistance || d == bestDistance && best != "" && candidate < best {
			best, bestDistance = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "?"
}

// distance is the Levenshtein distance, given up beyond short names.
func distance(a, b string) int {
	const long = 64
	if len(a) > long || len(b) > long {
		return long
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
