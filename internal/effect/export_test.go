package effect

import "strings"

// ParseLinks returns the names, for the fuzz test.
func ParseLinks(data []byte) ([]string, error) {
	links, err := parseLinks(data)
	var names []string
	for _, l := range links {
		names = append(names, l.Name)
	}
	return names, err
}

// UndoChains returns what would be given to iptables-restore, for the fuzz test.
func UndoChains(saved string, owned func(string) bool) []string {
	var inputs []string
	for _, set := range parseChains(saved, owned) {
		var b strings.Builder
		set.undo(&b)
		inputs = append(inputs, b.String())
	}
	return inputs
}
