package effect

import "strings"

// diffLines gives the lines that only one side has, in order, "-" before "+".
// It drops the common start and end, which is enough for configuration files
// where a change is local.
func diffLines(before, after []byte) []string {
	a, b := splitLines(before), splitLines(after)
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	lines := make([]string, 0, len(a)+len(b))
	for _, l := range a {
		lines = append(lines, "-"+l)
	}
	for _, l := range b {
		lines = append(lines, "+"+l)
	}
	return lines
}

func splitLines(content []byte) []string {
	text := strings.TrimSuffix(string(content), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
