package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manual is a page in section 8 for every command, clusteradm-init-phase.8, and
// in section 7 for every topic.
func manual(root *cobra.Command) map[string]string {
	files := map[string]string{}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		files[manName(cmd)+"."+manSection(cmd)] = manPage(cmd)
		for _, sub := range shown(cmd) {
			walk(sub)
		}
	}
	walk(root)
	return files
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func manSection(cmd *cobra.Command) string {
	if cmd.IsAdditionalHelpTopicCommand() {
		return "7"
	}
	return "8"
}

func manPage(cmd *cobra.Command) string {
	var b strings.Builder
	// Without a date: the same commands give the same pages.
	fmt.Fprintf(&b, ".TH %q %s \"\" clusteradm\n", strings.ToUpper(manName(cmd)), manSection(cmd))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(manName(cmd)), roff(cmd.Short))
	if !cmd.IsAdditionalHelpTopicCommand() {
		fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(cmd.UseLine()))
	}
	if cmd.Long != "" {
		b.WriteString(".SH DESCRIPTION\n" + roffText(cmd.Long))
	}
	if options := manOptions(own(cmd)) + manOptions(cmd.InheritedFlags()); options != "" {
		b.WriteString(".SH OPTIONS\n" + options)
	}
	if cmd.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(undent(cmd.Example)))
	}
	var also []string
	if cmd.HasParent() {
		also = append(also, see(cmd.Parent()))
	}
	for _, sub := range shown(cmd) {
		also = append(also, see(sub))
	}
	fmt.Fprintf(&b, ".SH SEE ALSO\n%s\n", strings.Join(also, ",\n"))
	return b.String()
}

func see(cmd *cobra.Command) string {
	return ".BR " + roff(manName(cmd)) + " (" + manSection(cmd) + ")"
}

func manOptions(set *pflag.FlagSet) string {
	var b strings.Builder
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, text := flagText(f)
		fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(name), roff(text))
	})
	return b.String()
}

// roffText keeps the lines of what is indented or aligned and fills the rest.
func roffText(text string) string {
	var b strings.Builder
	kept := false
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		line = strings.TrimRight(line, "\n")
		switch indented := strings.Contains(line, "  "); {
		case line == "":
			if kept {
				b.WriteString(".fi\n")
				kept = false
			}
			b.WriteString(".PP\n")
			continue
		case indented && !kept:
			b.WriteString(".nf\n")
			kept = true
		case !indented && kept:
			b.WriteString(".fi\n")
			kept = false
		}
		b.WriteString(roff(line) + "\n")
	}
	if kept {
		b.WriteString(".fi\n")
	}
	return b.String()
}

// roff escapes a text: backslashes and dashes, and what would be a request at
// the start of a line.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
