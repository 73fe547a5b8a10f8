package effect_test

import (
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/effect"
)

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

func FuzzLinks(f *testing.F) {
	f.Add([]byte(`[{"ifname":"cni0","master":"x","linkinfo":{"info_kind":"bridge"}},{}]`))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = effect.ParseLinks(data) })
}
