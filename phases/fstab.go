package phases

import (
	"slices"
	"strings"
)

// fstabMark begins a line of fstab that --fix commented out.
const fstabMark = "#clusteradm-fix# "

// swapOff comments out the lines of fstab that switch swap on at boot, and
// returns them as they were.
func swapOff(fstab []byte) (out []byte, lines []string) {
	for line := range strings.Lines(string(fstab)) {
		fields := strings.Fields(line)
		if len(fields) >= 3 && !strings.HasPrefix(fields[0], "#") && fields[2] == "swap" &&
			!(len(fields) >= 4 && slices.Contains(strings.Split(fields[3], ","), "noauto")) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
			line = fstabMark + line
		}
		out = append(out, line...)
	}
	return out, lines
}

// swapOn brings back lines that swapOff commented out. Those that are there in
// neither form were changed by somebody else.
func swapOn(fstab []byte, lines []string) (out []byte, lost []string) {
	found := map[string]bool{}
	for line := range strings.Lines(string(fstab)) {
		text := strings.TrimSuffix(line, "\n")
		found[text] = true
		if own, ok := strings.CutPrefix(text, fstabMark); ok && slices.Contains(lines, own) {
			found[own] = true
			line = strings.TrimPrefix(line, fstabMark)
		}
		out = append(out, line...)
	}
	for _, line := range lines {
		if !found[line] {
			lost = append(lost, line)
		}
	}
	return out, lost
}
