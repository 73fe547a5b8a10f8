package effect_test

import (
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/effect"
)

func FuzzMountPoints(f *testing.F) {
	f.Add("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n")
	f.Add(`1 2 0:1 / /var/lib/kubelet/a\040b\134\011 rw - tmpfs tmpfs rw`)
	f.Add("1 2 3 4 \\")
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range effect.ParseMountPoints(s) {
			if !strings.HasPrefix(p, "/") {
				t.Errorf("mount point %q is no path", p)
			}
		}
	})
}

func FuzzChains(f *testing.F) {
	f.Add(rules)
	f.Add(mine)
	f.Add("-A  -j KUBE-")
	f.Add("*nat\n-A X -m comment --comment \"\\\" -j\n-A -j\n-A X -j\n:KUBE-\n: x")
	f.Fuzz(func(t *testing.T, s string) {
		owned := func(chain string) bool { return strings.HasPrefix(chain, "KUBE-") }
		for _, input := range effect.UndoChains(s, owned) {
			for line := range strings.Lines(input) {
				name, isChain := strings.CutPrefix(line, ":")
				removed, isRemoval := strings.CutPrefix(line, "-X ")
				if isChain && !owned(name) || isRemoval && !owned(removed) {
					t.Errorf("touches another chain: %q", line)
				}
				if rule, ok := strings.CutPrefix(line, "-D "); ok && !strings.Contains(s, "-A "+strings.TrimRight(rule, "\n")) {
					t.Errorf("deletes a rule that is not there: %q", line)
				}
			}
		}
	})
}

func FuzzTables(f *testing.F) {
	f.Add("table ip kube-proxy\ntable inet mine\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, name := range effect.ParseTables(s) {
			if len(strings.Fields(name)) != 2 {
				t.Errorf("table %q has no family and name", name)
			}
		}
	})
}

func FuzzLinks(f *testing.F) {
	f.Add([]byte(`[{"ifname":"cni0","master":"x","linkinfo":{"info_kind":"bridge"}},{}]`))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = effect.ParseLinks(data) })
}
