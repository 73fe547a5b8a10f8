package procfs

import "strings"

// MountPoints reads the fifth field of each line of /proc/self/mountinfo:
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw
func MountPoints(text string) []string {
	var points []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(fields[4], "/") {
			points = append(points, unescape(fields[4]))
		}
	}
	return points
}
