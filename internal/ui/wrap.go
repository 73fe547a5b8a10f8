package ui

import (
	"strings"
	"unicode/utf8"
)

// Wrap breaks a text at blanks into lines of at most width columns. A longer
// word has a line of its own.
func Wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// Fit wraps the lines of a message at blanks to the width of the terminal. In a
// log, lines stay whole.
func (s Streams) Fit(text string) string {
	if !s.Terminal {
		return text
	}
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		for i, part := range Wrap(line, s.width()-len(indent)-len("  ")-1) {
			if i > 0 {
				part = "  " + part
			}
			lines = append(lines, indent+part)
		}
	}
	return strings.Join(lines, "\n")
}
