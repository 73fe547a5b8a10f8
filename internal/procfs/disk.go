package procfs

import (
	"strconv"
	"strings"
)

// Disk is one line of what `stat -f` prints in DiskFormat.
type Disk struct {
	Path               string
	Size, Free         uint64 // bytes
	Inodes, InodesFree uint64
}

// DiskFormat is what Disks reads: block size, blocks, free blocks for those
// who are not root, inodes, free inodes, path.
const DiskFormat = "%S %b %a %c %d %n"

// Disks reads it. A path may hold spaces.
func Disks(text string) []Disk {
	var disks []Disk
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimRight(line, "\n"), " ", 6)
		if len(fields) < 6 || !strings.HasPrefix(fields[5], "/") {
			continue
		}
		var n [5]uint64
		ok := true
		for i := range n {
			v, err := strconv.ParseUint(fields[i], 10, 64)
			n[i], ok = v, ok && err == nil
		}
		if ok {
			disks = append(disks, Disk{Path: fields[5], Size: n[0] * n[1], Free: n[0] * n[2], Inodes: n[3], InodesFree: n[4]})
		}
	}
	return disks
}
