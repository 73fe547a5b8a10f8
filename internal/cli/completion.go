package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clusteradm/clusteradm/internal/cli/phasecmd"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/preflight"
)

// completeValues has the shell complete the values of flags, by their names: a flag
// means the same wherever it is.
func completeValues(cmd *cobra.Command) {
	values := map[string]cobra.CompletionFunc{
		"output":                  oneOf("text", "json"),
		"pod-network":             oneOfOrFile("flannel", "none"),
		"usages":                  listOf(func(*cobra.Command) []string { return []string{"signing", "authentication"} }),
		"skip-phases":             listOf(phasesOf),
		"ignore-preflight-errors": listOf(checkNames),
		"cri-socket":              oneOfOrFile(cri.Sockets()...),
		"config":                  ending("yaml", "yml"),
		"kubeconfig":              ending("conf", "yaml", "config"),
		"discovery-file":          ending("conf", "yaml", "config"),
		"cert-dir":                directory,
		"patches":                 directory,
		"rootfs":                  directory,
		"old-config":              ending("yaml", "yml"),
		"new-config":              ending("yaml", "yml"),
		"component-configs":       listOf(func(*cobra.Command) []string { return config.SampleKinds() }),
	}
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { register(cmd, f, values) })
	cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) { register(cmd, f, values) })
	for _, sub := range cmd.Commands() {
		completeValues(sub)
	}
}

func register(cmd *cobra.Command, f *pflag.Flag, values map[string]cobra.CompletionFunc) {
	if complete := values[f.Name]; complete != nil {
		if err := cmd.RegisterFlagCompletionFunc(f.Name, complete); err != nil {
			panic("cli: " + err.Error()) // twice for one flag: cannot happen
		}
	}
}

func oneOf(values ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}

func oneOfOrFile(values ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveDefault)
}

func ending(extensions ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(extensions, cobra.ShellCompDirectiveFilterFileExt)
}

// withTopics completes help topics besides the commands, which are all that
// cobra has.
func withTopics(commands cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		found, directive := commands(cmd, args, typed)
		for _, topic := range cmd.Root().Commands() {
			if len(args) == 0 && topic.IsAdditionalHelpTopicCommand() && strings.HasPrefix(topic.Name(), typed) {
				found = append(found, cobra.CompletionWithDesc(topic.Name(), topic.Short))
			}
		}
		return found, directive
	}
}

func directory(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// listOf completes the last of values that commas are between.
func listOf(values func(*cobra.Command) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		given, _ := strings.CutSuffix(typed, typed[strings.LastIndexByte(typed, ',')+1:])
		var found []string
		for _, value := range values(cmd) {
			if !slices.Contains(strings.Split(given, ","), value) {
				found = append(found, given+value)
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// checkNames are what --ignore-preflight-errors knows. Of a family of names it
// gives the beginning.
func checkNames(*cobra.Command) []string {
	names := []string{"all"}
	for _, check := range preflight.Catalogue() {
		names = append(names, strings.TrimSuffix(check.Name, "*"))
	}
	return names
}

// phasesOf are the phases of the command that a flag is of: "init", or that
// which one of its phases belongs to.
func phasesOf(cmd *cobra.Command) []string {
	for ; cmd != nil; cmd = cmd.Parent() {
		if list := phases.Lists()[cmd.Name()]; list != nil {
			return phasecmd.Names(list(), nil)
		}
	}
	return nil
}
