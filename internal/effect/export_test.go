package effect

import "strings"

// For the fuzz tests: parsers of what programs and the kernel print.
var (
	ParseMountPoints = parseMountPoints
	ParseTables      = parseTables
)

// ParseLinks returns the names.
func ParseLinks(data []byte) ([]string, error) {
	links, err := parseLinks(data)
	var names []string
	for _, l := range links {
		names = append(names, l.Name)
	}
	return names, err
}

// UndoChains returns what would be given to iptables-restore.
func UndoChains(saved string, owned func(string) bool) []string {
	var inputs []string
	for _, set := range parseChains(saved, owned) {
		var b strings.Builder
		set.undo(&b)
		inputs = append(inputs, b.String())
	}
	return inputs
}
