package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clusteradm/clusteradm/internal/ui"
)

// helpWidth is what help is wrapped to: every terminal has it.
const helpWidth = 80

// usage prints how a command is called. cobra's own does not wrap.
func usage(cmd *cobra.Command) error {
	out := cmd.OutOrStderr()
	fmt.Fprintf(out, "Usage:\n%s\n", useLine(cmd))
	if cmd.HasExample() {
		fmt.Fprintf(out, "\nExamples:\n%s\n", cmd.Example)
	}
	var commands, topics [][2]string
	for _, sub := range cmd.Commands() {
		switch {
		case sub.IsAvailableCommand() || sub.Name() == "help":
			commands = append(commands, [2]string{sub.Name(), sub.Short})
		case sub.IsAdditionalHelpTopicCommand() && !sub.Hidden:
			topics = append(topics, [2]string{sub.Name(), sub.Short})
		}
	}
	table(out, "Commands", commands)
	flags(out, "Flags", cmd.LocalFlags())
	flags(out, "Global flags", cmd.InheritedFlags())
	table(out, "Help topics", topics)
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(out, "\nMore about one: %s [command] --help\n", cmd.CommandPath())
	}
	return nil
}

// help prints what a command is for, and how it is called.
func help(cmd *cobra.Command, _ []string) {
	out := cmd.OutOrStdout()
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		line = strings.TrimRight(line, " \n")
		if columns(line) <= helpWidth || strings.HasPrefix(line, " ") {
			fmt.Fprintln(out, line)
			continue
		}
		for _, part := range ui.Wrap(line, helpWidth) {
			fmt.Fprintln(out, part)
		}
	}
	if cmd.Runnable() || cmd.HasSubCommands() {
		fmt.Fprintf(out, "\n%s", cmd.UsageString())
	}
}

func useLine(cmd *cobra.Command) string {
	path, line := cmd.CommandPath(), cmd.UseLine()
	if cmd.HasAvailableSubCommands() && !ownFlags(cmd) {
		line = path + " [command]"
	}
	if line = "  " + line; columns(line) <= helpWidth {
		return line
	}
	return "  " + path + " \\\n    " + strings.TrimSpace(strings.TrimPrefix(cmd.UseLine(), path))
}

// ownFlags reports a command that does something itself, beside its commands.
func ownFlags(cmd *cobra.Command) bool {
	own := false
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { own = own || f.Name != "help" && !f.Hidden })
	return own
}

// nameWidth is how far names of flags reach; what a longer one means comes on
// the next line, so that one long name does not squeeze all the others' texts.
const nameWidth = 30

func flags(out io.Writer, title string, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(out, "\n%s:\n", title)
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, text := pflag.UnquoteUsage(f)
		name := "      --" + f.Name
		if f.Shorthand != "" {
			name = "  -" + f.Shorthand + ", --" + f.Name
		}
		if value != "" {
			name += " " + value
		}
		if d := f.DefValue; !slices.Contains([]string{"", "false", "0", "0s", "[]"}, d) && !strings.Contains(text, "(default") {
			text += " (default " + d + ")"
		}
		if columns(name) > nameWidth {
			fmt.Fprintln(out, name)
			name = ""
		}
		for _, line := range ui.Wrap(text, helpWidth-nameWidth-len("  ")) {
			fmt.Fprintf(out, "%-*s  %s\n", nameWidth, name, line)
			name = ""
		}
	})
}

func columns(s string) int { return utf8.RuneCountInString(s) }

// table prints names and what they are, wrapped beside the names.
func table(out io.Writer, title string, rows [][2]string) {
	if len(rows) == 0 {
		return
	}
	width := 0
	for _, row := range rows {
		width = max(width, len(row[0]))
	}
	fmt.Fprintf(out, "\n%s:\n", title)
	for _, row := range rows {
		for i, line := range ui.Wrap(row[1], helpWidth-width-len("    ")) {
			name := row[0]
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(out, "  %-*s  %s\n", width, name, line)
		}
	}
}
