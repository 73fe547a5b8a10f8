package phasecmd_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/phasecmd"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// list is one whose commands note which phases they were to carry out.
func list(ran *[]string) phasecmd.List {
	return phasecmd.List{
		Name: "frob",
		Phases: []plan.Phase{
			{Name: "one", Short: "Do one"},
			{Name: "two", Short: "Do two", Example: "clusteradm frob phase two all --hard", Sub: []plan.Phase{{Name: "a", Short: "Do a"}, {Name: "b", Short: "Do b"}}},
			{Name: "three", Short: "Do three", Hidden: true},
		},
		Args: " [where]",
		Bind: func(cmd *cobra.Command, some []plan.Phase) {
			cmd.RunE = func(*cobra.Command, []string) error {
				*ran = phasecmd.Names(some, nil)
				return nil
			}
		},
	}
}

func TestCommandsCarryOutWhatTheyAreCalled(t *testing.T) {
	for args, want := range map[string][]string{
		"one":     {"one"},
		"two all": {"two", "two/a", "two/b"},
		"two b":   {"two", "two/b"},
		"three":   {"three"},
	} {
		var ran []string
		cmd := list(&ran).Command()
		cmd.SetArgs(strings.Fields(args))
		if err := cmd.Execute(); err != nil || !slices.Equal(ran, want) {
			t.Errorf("%s: ran %v, %v", args, ran, err)
		}
	}
}

func TestCommandsDescribeThemselves(t *testing.T) {
	cmd := list(new([]string)).Command()
	if !strings.HasSuffix(cmd.Long, "order:\n\n  one\n  two\n    two/a\n    two/b") {
		t.Errorf("phase says %q", cmd.Long)
	}
	two, _, err := cmd.Find([]string{"two"})
	if err != nil || two.Example != "  clusteradm frob phase two all --hard" || two.Use != "two" {
		t.Errorf("two: %q, %q, %v", two.Use, two.Example, err)
	}
	b, _, err := cmd.Find([]string{"two", "b"})
	if err != nil || b.Example != "  clusteradm frob phase two b" || b.Use != "b [where]" {
		t.Errorf("two b: %q, %q, %v", b.Use, b.Example, err)
	}
	if three, _, err := cmd.Find([]string{"three"}); err != nil || !three.Hidden {
		t.Errorf("three is shown: %v", err)
	}
}

func TestSkipped(t *testing.T) {
	l := list(new([]string))
	if kept, err := l.Skipped([]string{"one", "two/a"}, l.Phases[1:2]); err != nil || !slices.Equal(kept, []string{"two/a"}) {
		t.Errorf("kept %v, %v", kept, err)
	}
	var usage *exit.UsageError
	if _, err := l.Skipped([]string{"two/c"}, l.Phases); !errors.As(err, &usage) || usage.Help != "clusteradm frob phase --help" {
		t.Errorf("unknown: %v", err)
	}
	if names := phasecmd.Names(l.Phases, []string{"two"}); !slices.Equal(names, []string{"one", "three"}) {
		t.Errorf("without two: %v", names)
	}
}

func TestRunName(t *testing.T) {
	l := list(new([]string))
	if whole, part := l.RunName(l.Phases, true), l.RunName(l.Phases[:1], false); whole != "frob" || part != "frob phase one" {
		t.Errorf("called %q and %q", whole, part)
	}
}
