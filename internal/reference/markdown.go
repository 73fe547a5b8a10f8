package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// markdown is the reference: a file for each command and each topic at the top
// level, with what is below it, and README.md as the list of them.
func markdown(root *cobra.Command) map[string]string {
	files := map[string]string{}
	var index strings.Builder
	index.WriteString("# Commands\n\nMade from the commands by `make docs`; do not edit.\n\n" + prose(root.Long) + "\n| | |\n|---|---|\n")
	for _, cmd := range shown(root) {
		name := cmd.Name() + ".md"
		files[name] = page(cmd)
		fmt.Fprintf(&index, "| [%s](%s) | %s |\n", cmd.CommandPath(), name, cell(cmd.Short))
	}
	index.WriteString("\nFlags of every command:\n\n" + flagTable(root.PersistentFlags()))
	files["README.md"] = index.String()
	return files
}

// shown are the commands of a group that have a page: not those that cobra
// makes by itself, and not hidden ones.
func shown(cmd *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(cmd.Commands()), func(c *cobra.Command) bool { return c.Hidden || c.Name() == "help" })
}

func page(top *cobra.Command) string {
	var b strings.Builder
	section(&b, top, 1)
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func section(b *strings.Builder, cmd *cobra.Command, depth int) {
	fmt.Fprintf(b, "%s %s\n\n", strings.Repeat("#", min(depth, 4)), cmd.CommandPath())
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	b.WriteString(prose(text) + "\n")
	if cmd.IsAdditionalHelpTopicCommand() {
		return
	}
	fmt.Fprintf(b, "```\n%s\n```\n\n", cmd.UseLine())
	if cmd.Example != "" {
		fmt.Fprintf(b, "Example:\n\n```\n%s\n```\n\n", undent(cmd.Example))
	}
	if like := sameFlags(cmd); like != nil {
		fmt.Fprintf(b, "Flags: those of `%s`.\n\n", like.CommandPath())
	} else if table := flagTable(own(cmd)); table != "" {
		b.WriteString(table + "\n")
	}
	for _, sub := range shown(cmd) {
		section(b, sub, depth+1)
	}
}

// prose is a help text as Markdown: what is indented or aligned there is code.
func prose(text string) string {
	var b strings.Builder
	code := false
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		indented := strings.Contains(line, "  ") || strings.HasPrefix(line, "\t")
		blank := strings.TrimSpace(line) == ""
		if code && blank && i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  ") {
			indented = true
		}
		if indented != code {
			b.WriteString("```\n")
			code = indented
		}
		if code {
			b.WriteString(strings.TrimPrefix(line, "  ") + "\n")
		} else {
			b.WriteString(escape(line) + "\n")
		}
	}
	if code {
		b.WriteString("```\n")
	}
	return b.String()
}

func undent(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return strings.Join(lines, "\n")
}

func escape(s string) string {
	return strings.NewReplacer("<", "&lt;", "*", `\*`, "_", `\_`).Replace(s)
}

func cell(s string) string { return strings.ReplaceAll(escape(s), "|", `\|`) }

// own are the flags of a command itself, without --help, which all have.
func own(cmd *cobra.Command) *pflag.FlagSet {
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && !f.Hidden {
			set.AddFlag(f)
		}
	})
	return set
}

// sameFlags is the command above that has the very flags of cmd: the phases of
// a list take what the list takes.
func sameFlags(cmd *cobra.Command) *cobra.Command {
	mine := flagTable(own(cmd))
	for above := cmd.Parent(); mine != "" && above != nil; above = above.Parent() {
		if flagTable(own(above)) == mine {
			return above
		}
	}
	return nil
}

func flagTable(set *pflag.FlagSet) string {
	if !set.HasAvailableFlags() {
		return ""
	}
	var b strings.Builder
	b.WriteString("| flag | |\n|---|---|\n")
	set.VisitAll(func(f *pflag.Flag) {
		name, text := flagText(f)
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, cell(text))
	})
	return b.String()
}

// flagText is how a flag is written and what it means, with its default.
func flagText(f *pflag.Flag) (name, text string) {
	value, text := pflag.UnquoteUsage(f)
	name = "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	if value != "" {
		name += " " + value
	}
	if d := f.DefValue; !slices.Contains([]string{"", "false", "0", "0s", "[]"}, d) && !strings.Contains(text, "(default") {
		text += " (default " + d + ")"
	}
	return name, text
}
