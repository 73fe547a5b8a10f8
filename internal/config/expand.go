package config

import (
	"errors"
	"fmt"

	yaml "go.yaml.in/yaml/v3"
)

// An input is written by people: these bounds are far above any of theirs, and
// below what aliases of aliases (or of themselves) would grow to.
const (
	maxNodes = 100_000
	maxDepth = 100
)

// expander copies a node tree with aliases and merge keys (<<) written out.
type expander struct{ nodes int }

// expand returns the root of a document without aliases; nil when it is empty.
func expand(doc *yaml.Node) (*yaml.Node, error) {
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 {
		return nil, nil
	}
	return (&expander{}).node(doc.Content[0], 0)
}

func (e *expander) node(n *yaml.Node, depth int) (*yaml.Node, error) {
	if e.nodes++; e.nodes > maxNodes {
		return nil, fmt.Errorf("expand aliases: more than %d values", maxNodes)
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("expand aliases: nested deeper than %d levels", maxDepth)
	}
	if n.Kind == yaml.AliasNode {
		return e.node(n.Alias, depth+1)
	}
	out := *n
	out.Content = nil
	if n.Kind == yaml.MappingNode {
		return &out, e.mapping(&out, n, depth)
	}
	for _, child := range n.Content {
		c, err := e.node(child, depth+1)
		if err != nil {
			return nil, err
		}
		out.Content = append(out.Content, c)
	}
	return &out, nil
}

// mapping keeps duplicate keys that were written (an error, reported later),
// while a merged key never replaces a written one, nor an earlier merged one.
func (e *expander) mapping(out, n *yaml.Node, depth int) error {
	var merged []*yaml.Node
	written := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, err := e.node(n.Content[i], depth+1)
		if err != nil {
			return err
		}
		value, err := e.node(n.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		if key.ShortTag() == "!!merge" {
			sources := []*yaml.Node{value}
			if value.Kind == yaml.SequenceNode {
				sources = value.Content
			}
			merged = append(merged, sources...)
			continue
		}
		written[key.Value] = true
		out.Content = append(out.Content, key, value)
	}
	for _, source := range merged {
		if source.Kind != yaml.MappingNode {
			return errors.New("expand aliases: a merge key (<<) needs a mapping")
		}
		for i := 0; i+1 < len(source.Content); i += 2 {
			if key := source.Content[i]; !written[key.Value] {
				written[key.Value] = true
				out.Content = append(out.Content, key, source.Content[i+1])
			}
		}
	}
	return nil
}
