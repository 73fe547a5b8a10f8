package procfs

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
)

// maxConfig bounds an unpacked kernel configuration; real ones have 300 kB.
const maxConfig = 8 << 20

// KernelConfig reads a kernel's configuration, packed or not: what is built in
// ("y") or a module ("m"). It is nil for what is none.
func KernelConfig(data []byte) map[string]string {
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil
		}
		if data, err = io.ReadAll(io.LimitReader(r, maxConfig)); err != nil {
			return nil
		}
	}
	var config map[string]string
	for line := range strings.Lines(string(data)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || !strings.HasPrefix(name, "CONFIG_") || value != "y" && value != "m" {
			continue
		}
		if config == nil {
			config = map[string]string{}
		}
		config[name] = value
	}
	return config
}

// CgroupMount is where control groups are, from /proc/mounts. With a tmpfs
// there, as systemd's mixed modes have it, the answer is Mixed: whether
// memory is a directory below tells version 1.
type CgroupMount struct {
	Path   string
	V2     bool
	Mixed  bool
	Exists bool
}

// Cgroups finds it: /sys/fs/cgroup first, then the first of version 2, then
// the first of version 1.
func Cgroups(mounts string) CgroupMount {
	var first CgroupMount
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		at, kind := unescape(fields[1]), fields[2]
		if at == "/sys/fs/cgroup" {
			return CgroupMount{Path: at, V2: kind == "cgroup2", Mixed: kind == "tmpfs", Exists: true}
		}
		if kind == "cgroup2" && !first.V2 || kind == "cgroup" && !first.Exists {
			first = CgroupMount{Path: at, V2: kind == "cgroup2", Exists: true}
		}
	}
	return first
}

// CgroupControllers are those that are on in /proc/cgroups (version 1).
func CgroupControllers(text string) []string {
	var names []string
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) >= 4 && !strings.HasPrefix(fields[0], "#") && fields[3] != "0" {
			names = append(names, fields[0])
		}
	}
	return names
}
