package hosttest

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// Snapshot is the whole machine in text, without times: a line a path with
// mode, owner and content digest, then a line a unit. Paths below without are
// left out.
func (m *Machine) Snapshot(without ...string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	for _, p := range slices.Sorted(maps.Keys(m.tree)) {
		if slices.ContainsFunc(without, func(w string) bool { return p == w || strings.HasPrefix(p, w+"/") }) {
			continue
		}
		n := m.tree[p]
		fmt.Fprintf(&b, "%s %s %d:%d", p, n.mode, n.uid, n.gid)
		switch {
		case n.mode&fs.ModeSymlink != 0:
			fmt.Fprintf(&b, " -> %s", n.target)
		case n.mode.IsRegular():
			fmt.Fprintf(&b, " %d %x", len(n.content), sha256.Sum256(n.content))
		}
		b.WriteByte('\n')
	}
	for _, name := range slices.Sorted(maps.Keys(m.units)) {
		u := m.units[name]
		fmt.Fprintf(&b, "unit %s enabled=%t active=%t\n", name, u.Enabled, u.Active)
	}
	m.network.snapshot(&b)
	return b.String()
}

// Diff is the lines that only one of two snapshots has.
func Diff(a, b string) string {
	var out strings.Builder
	inA, inB := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(a) {
		inA[line] = true
	}
	for line := range strings.Lines(b) {
		inB[line] = true
		if !inA[line] {
			out.WriteString("+" + line)
		}
	}
	for line := range strings.Lines(a) {
		if !inB[line] {
			out.WriteString("-" + line)
		}
	}
	return out.String()
}
