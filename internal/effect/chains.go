package effect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// Chains is that iptables has no chains whose names begin with one of
// Prefixes, and no rules that jump there. All others stay as they are.
type Chains struct {
	Host string
	// Program is iptables or ip6tables, with -legacy or -nft where both are.
	Program  string
	Prefixes []string
}

// ruleset is what of one table goes.
type ruleset struct {
	table  string
	chains []string
	jumps  []string // rules of other chains, as -A lines
}

// Key implements plan.Effect.
func (c Chains) Key() string { return "chains of " + c.Program }

// Observe implements plan.Effect.
func (c Chains) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	sets, err := c.find(ctx, v.Host(c.Host))
	if err != nil {
		return nil, wrapObserve(c, err)
	}
	return sets, nil
}

func (c Chains) find(ctx context.Context, h host.Reader) ([]ruleset, error) {
	res, err := h.Query(ctx, host.Cmd{Args: []string{c.Program + "-save"}})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil // not installed
	case errors.Is(err, host.ErrTruncated):
		// A table names its chains and built-in rules first: with those gone the
		// next look sees the rest.
		res.Stdout = res.Stdout[:strings.LastIndexByte(string(res.Stdout), '\n')+1]
	case err != nil:
		return nil, err
	}
	return parseChains(string(res.Stdout), c.owned), nil
}

func (c Chains) owned(chain string) bool {
	return slices.ContainsFunc(c.Prefixes, func(p string) bool { return strings.HasPrefix(chain, p) })
}

// parseChains reads what iptables-save prints:
//
//	*nat
//	:PREROUTING ACCEPT [0:0]
//	:KUBE-SERVICES - [0:0]
//	-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
//	COMMIT
func parseChains(s string, owned func(string) bool) []ruleset {
	var sets []ruleset
	var at ruleset
	done := func() {
		if len(at.chains)+len(at.jumps) > 0 {
			sets = append(sets, at)
		}
		at = ruleset{}
	}
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "*"):
			done()
			at.table = line[1:]
		case strings.HasPrefix(line, ":"):
			if name, _, ok := strings.Cut(line[1:], " "); ok && owned(name) {
				at.chains = append(at.chains, name)
			}
		case strings.HasPrefix(line, "-A "):
			if words := ruleWords(line); len(words) > 1 && !owned(words[1]) && owned(target(words)) {
				at.jumps = append(at.jumps, line)
			}
		}
	}
	done()
	return sets
}

func target(words []string) string {
	for i, word := range words[:len(words)-1] {
		if word == "-j" || word == "-g" {
			return words[i+1]
		}
	}
	return ""
}

// ruleWords splits a rule as iptables-restore does: a comment in double quotes
// is one word, in which a backslash keeps the next character from ending it.
func ruleWords(line string) []string {
	var words []string
	var word strings.Builder
	begun, quoted, escaped := false, false, false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted, begun = !quoted, true
		case !quoted && (r == ' ' || r == '\t'):
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if begun {
		words = append(words, word.String())
	}
	return words
}

// Diff implements plan.Effect.
func (c Chains) Diff(observed plan.Observed) plan.Change {
	var lines []string
	chains, jumps := 0, 0
	for _, set := range observed.([]ruleset) {
		chains, jumps = chains+len(set.chains), jumps+len(set.jumps)
		lines = append(append(lines, removed(set.table+": chain ", set.chains)...), removed(set.table+": rule ", set.jumps)...)
	}
	if len(lines) == 0 {
		return plan.Change{}
	}
	return plan.Change{Verb: plan.Delete, Summary: fmt.Sprintf("%d chains of %s and %d rules that jump there", chains, c.Program, jumps), Lines: lines}
}

// rounds is more often than there are tables: with rules too many to be printed
// at once, each round clears one at least.
const rounds = 8

// Apply implements plan.Effect. A table is changed as a whole or not at all.
func (c Chains) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	h := w.Mutate(c.Host)
	sets := observed.([]ruleset)
	for range rounds {
		if len(sets) == 0 {
			return nil
		}
		var input strings.Builder
		for _, set := range sets {
			set.undo(&input)
		}
		_, err := h.Run(ctx, host.Cmd{Args: []string{c.Program + "-restore", "-w", "5", "--noflush"}, Stdin: []byte(input.String())})
		if err != nil {
			return fmt.Errorf("remove chains of %s: %w", c.Program, err)
		}
		if sets, err = c.find(ctx, h); err != nil {
			return fmt.Errorf("remove chains of %s: %w", c.Program, err)
		}
	}
	return nil
}

// undo writes what iptables-restore needs: naming a chain empties it, and only
// an empty one that nothing jumps to can go.
func (s ruleset) undo(b *strings.Builder) {
	fmt.Fprintf(b, "*%s\n", s.table)
	for _, chain := range s.chains {
		fmt.Fprintf(b, ":%s - [0:0]\n", chain)
	}
	for _, jump := range s.jumps {
		fmt.Fprintf(b, "-D%s\n", strings.TrimPrefix(jump, "-A"))
	}
	for _, chain := range s.chains {
		fmt.Fprintf(b, "-X %s\n", chain)
	}
	b.WriteString("COMMIT\n")
}
