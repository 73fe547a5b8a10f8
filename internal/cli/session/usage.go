package session

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
)

// Args makes wrong arguments a usage error.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check(cmd, args) != nil {
			return &exit.UsageError{Err: wrongArgs(cmd, args), Help: cmd.CommandPath() + " --help"}
		}
		return nil
	}
}

// wrongArgs says what a command takes, in the words of its usage. What was
// given is not repeated: it may be a token.
func wrongArgs(cmd *cobra.Command, args []string) error {
	_, wanted, _ := strings.Cut(cmd.Use, " ")
	switch {
	case wanted == "":
		return fmt.Errorf("%s takes no arguments", cmd.CommandPath())
	case len(args) == 0:
		return fmt.Errorf("%s needs %s", cmd.CommandPath(), wanted)
	}
	return fmt.Errorf("%s takes %s, and %d arguments were given", cmd.CommandPath(), wanted, len(args))
}

// Group makes cmd one that only holds others: alone it prints its help, and a
// command that it has not is a usage error.
func Group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return UnknownCommand(cmd, args[0])
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// UnknownCommand says that a group has no such command, and which it may be.
func UnknownCommand(group *cobra.Command, name string) error {
	err := &exit.UsageError{Err: fmt.Errorf("%s has no command %q", group.CommandPath(), name), Help: group.CommandPath() + " --help"}
	// The nearest first: cobra lists all within a distance in its own order.
	for group.SuggestionsMinimumDistance = 1; group.SuggestionsMinimumDistance <= 2; group.SuggestionsMinimumDistance++ {
		near := group.SuggestionsFor(name)
		if len(near) == 0 {
			continue
		}
		err.Help = group.CommandPath() + " " + near[0]
		break
	}
	return err
}

// FlagError makes a wrong flag a usage error. A wrong command before it is
// told instead: its flags are wrong because of it.
func FlagError(cmd *cobra.Command, err error) error {
	if cmd.HasSubCommands() && cmd.Args != nil && cmd.Flags().NArg() > 0 {
		if wrong := cmd.Args(cmd, cmd.Flags().Args()); wrong != nil {
			return wrong
		}
	}
	return &exit.UsageError{Err: err, Help: cmd.CommandPath() + " --help"}
}
