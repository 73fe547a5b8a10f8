// Package phasecmd makes commands of a list's phases: `init phase …`, `join
// phase …`, `reset phase …`. What a phase is called, explained and skipped by
// comes from its literal in phases; what carries it out is the list's own.
package phasecmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// List is the phases of one command.
type List struct {
	Name   string // of the command: "init"
	Phases []plan.Phase
	// Args shows what its commands take besides flags: " [api-server-endpoint]".
	Args string
	// Bind gives a command its flags and has it carry some of the phases out.
	Bind func(cmd *cobra.Command, some []plan.Phase)
}

// Command is the group that holds a command for each phase.
func (l List) Command() *cobra.Command {
	parent := session.Group(&cobra.Command{
		Use:   "phase",
		Short: "Run one phase of " + l.Name,
		Long: "Run one phase of " + l.Name + `, to redo it or to do something of your own
in between. The whole is these, in this order:

` + Tree(l.Phases),
		Example: "  clusteradm " + l.Name + " phase preflight",
	})
	for _, phase := range l.Phases {
		parent.AddCommand(l.phase(phase))
	}
	return parent
}

// phase derives the commands of a phase: itself, or each of its parts and "all"
// for the parts together.
func (l List) phase(phase plan.Phase) *cobra.Command {
	if len(phase.Sub) == 0 {
		return l.leaf(phase, phase.Name, phase)
	}
	group := session.Group(l.describe(phase, phase.Name+" all"))
	all := phase
	all.Name = "all"
	group.AddCommand(l.leaf(all, phase.Name+" all", phase))
	for _, sub := range phase.Sub {
		within := phase // its own steps, such as directories, and this one part
		within.Sub = []plan.Phase{sub}
		group.AddCommand(l.leaf(sub, phase.Name+" "+sub.Name, within))
	}
	return group
}

// leaf carries some phases out; shown says how it is called and described.
func (l List) leaf(shown plan.Phase, path string, some ...plan.Phase) *cobra.Command {
	cmd := l.describe(shown, path)
	cmd.Use += l.Args
	l.Bind(cmd, some)
	return cmd
}

func (l List) describe(shown plan.Phase, path string) *cobra.Command {
	example := shown.Example
	if example == "" {
		example = "clusteradm " + l.Name + " phase " + path
	}
	return &cobra.Command{Use: shown.Name, Short: shown.Short, Long: shown.Long, Example: "  " + example, Hidden: shown.Hidden}
}

// Skipped is what of the phases to leave out is among those to be run: a
// configuration may name phases of the whole and be used for one phase. A name
// that the whole has not is an error.
func (l List) Skipped(skip []string, some []plan.Phase) ([]string, error) {
	all, here := Names(l.Phases, nil), Names(some, nil)
	var kept []string
	for _, name := range skip {
		if !slices.Contains(all, name) {
			return nil, &exit.UsageError{Err: fmt.Errorf("skip phase %q: %s has no such phase", name, l.Name), Help: "clusteradm " + l.Name + " phase --help"}
		}
		if slices.Contains(here, name) {
			kept = append(kept, name)
		}
	}
	return kept, nil
}

// RunName is what the journal and messages call a run: one of single phases
// must not go on in, or be taken for, that of the whole.
func (l List) RunName(some []plan.Phase, whole bool) string {
	if whole {
		return l.Name
	}
	name := l.Name + " phase"
	for _, phase := range some {
		name += " " + phase.Name
	}
	return name
}

// Names are those of phases and their parts, "certs/ca", without those to skip.
func Names(list []plan.Phase, skip []string) []string { return names(list, "", skip) }

func names(list []plan.Phase, parent string, skip []string) []string {
	var found []string
	for _, phase := range list {
		name := parent + phase.Name
		if slices.Contains(skip, name) {
			continue
		}
		found = append(append(found, name), names(phase.Sub, name+"/", skip)...)
	}
	return found
}

// Tree shows phases and their parts in order, each on a line.
func Tree(list []plan.Phase) string {
	var text strings.Builder
	branch(&text, list, "", "  ")
	return strings.TrimSuffix(text.String(), "\n")
}

func branch(text *strings.Builder, list []plan.Phase, parent, indent string) {
	for _, phase := range list {
		if phase.Hidden {
			continue
		}
		fmt.Fprintf(text, "%s%s\n", indent, parent+phase.Name)
		branch(text, phase.Sub, parent+phase.Name+"/", indent+"  ")
	}
}
