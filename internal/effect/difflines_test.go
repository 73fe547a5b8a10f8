package effect

import (
	"slices"
	"strings"
	"testing"
)

func TestDiffLines(t *testing.T) {
	for name, c := range map[string]struct{ before, after, want string }{
		"same":              {"a\nb\n", "a\nb\n", ""},
		"from nothing":      {"", "a\nb\n", "+a +b"},
		"to nothing":        {"a\nb\n", "", "-a -b"},
		"in the middle":     {"a\nb\nc\n", "a\nB\nc\n", "-b +B"},
		"at the start":      {"a\nb\n", "x\na\nb\n", "+x"},
		"at the end":        {"a\nb\n", "a\nb\nx\n", "+x"},
		"one of two equal":  {"a\na\n", "a\n", "-a"},
		"two apart":         {"1\na\n2\nb\n3\n", "1\nA\n2\nB\n3\n", "-a -2 -b +A +2 +B"},
		"no newline at end": {"a\nb", "a\nc", "-b +c"},
		"only the newline":  {"a", "a\n", ""},
		"an empty line":     {"a\nb\n", "a\n\nb\n", "+"},
	} {
		t.Run(name, func(t *testing.T) {
			got := diffLines([]byte(c.before), []byte(c.after))
			if !slices.Equal(got, strings.Fields(c.want)) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
