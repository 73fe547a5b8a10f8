package hosttest

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Snapshot is all that a machine is, except for times, one thing a line: two
// machines that went different ways to the same end have the same one.
func (m *Machine) Snapshot() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for p, n := range m.tree {
		switch n.mode.Type() {
		case fs.ModeDir:
			add("dir %s %04o %d:%d", p, n.mode.Perm(), n.uid, n.gid)
		case fs.ModeSymlink:
			add("link %s -> %s", p, n.target)
		default:
			add("file %s %04o %d:%d %d %s", p, n.mode.Perm(), n.uid, n.gid, len(n.content), n.sum())
		}
	}
	for name := range m.units {
		u := m.load(name)
		if u == nil {
			continue
		}
		active, _ := u.state()
		reload := ""
		if m.needReload(u) {
			reload = " needs-reload"
		}
		add("unit %s %s %s%s", name, u.fileState(), active, reload)
	}
	for _, l := range m.listeners {
		add("listen %s:%d %s", l.Addr, l.Port, l.Process)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

// Diff compares two snapshots: "-" before a line that only a has, "+" before
// one that only b has. Equal ones give "".
func Diff(a, b string) string {
	var out strings.Builder
	left, right := lines(a), lines(b)
	for len(left) > 0 || len(right) > 0 {
		switch {
		case len(right) == 0 || len(left) > 0 && left[0] < right[0]:
			fmt.Fprintln(&out, "-"+left[0])
			left = left[1:]
		case len(left) == 0 || right[0] < left[0]:
			fmt.Fprintln(&out, "+"+right[0])
			right = right[1:]
		default:
			left, right = left[1:], right[1:]
		}
	}
	return out.String()
}

func lines(s string) []string {
	l := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	slices.Sort(l)
	return slices.DeleteFunc(l, func(line string) bool { return line == "" })
}
