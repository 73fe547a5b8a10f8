// Package procfs reads what the kernel and a few programs print about a
// machine: text in, values out. It opens nothing itself, and text that it does
// not understand is left out and never an error: what is missing is for
// preflight to judge.
package procfs

import (
	"strconv"
	"strings"
)

// Swap is a line of /proc/swaps.
type Swap struct {
	Device   string
	Priority int
}

// Swaps reads /proc/swaps.
func Swaps(text string) []Swap {
	var swaps []Swap
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		fields := strings.Fields(line)
		if i == 0 || len(fields) == 0 {
			continue
		}
		s := Swap{Device: unescape(fields[0])}
		if len(fields) >= 5 {
			s.Priority, _ = strconv.Atoi(fields[4]) // 0 when it is none
		}
		swaps = append(swaps, s)
	}
	return swaps
}

// unescape undoes the kernel's \040 for bytes that would split a field.
func unescape(s string) string {
	if !strings.ContainsRune(s, '\\') {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Line reports whether text has the line.
func Line(text, line string) bool {
	for l := range strings.Lines(text) {
		if strings.TrimRight(l, "\n") == line {
			return true
		}
	}
	return false
}

// Properties reads the NAME=value lines that systemctl and timedatectl show
// print.
func Properties(text string) map[string]string {
	properties := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			properties[name] = value
		}
	}
	return properties
}
