package host

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/secret"
)

// ErrSecretInArgs reports a command that carries one of its own secrets in
// Args, where every user of the machine could read it.
var ErrSecretInArgs = errors.New("secret in an argument")

// Check refuses a command that no implementation may start: one without a
// program, and one with a secret in its arguments.
func (c Cmd) Check() error {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return errors.New("run command: no program given")
	}
	for i, arg := range c.Args {
		for _, s := range c.Secrets {
			if !s.Empty() && strings.Contains(arg, s.Reveal()) {
				// Neither the argument nor the rest of the line is shown: what
				// else they hold isn't known.
				return fmt.Errorf("run %s: argument %d: %w", c.Args[0], i, ErrSecretInArgs)
			}
		}
	}
	return nil
}

// CheckQuery is Check for Query: it also refuses what isn't in the table.
func (c Cmd) CheckQuery() error {
	if err := c.Check(); err != nil {
		return err
	}
	if !ReadOnlyCommand(c.Args) {
		return fmt.Errorf("query %s: %w", c, ErrNotReadOnly)
	}
	return nil
}

// Exited returns the *ExitError of a command that ended with res, nil if its
// exit code is 0. The secrets of the command are taken out of what it printed.
func (c Cmd) Exited(res Result) error {
	if res.Exit == 0 {
		return nil
	}
	return &ExitError{Cmd: c.String(), Exit: res.Exit, Stderr: c.redact(string(res.Stderr))}
}

// redact takes the secrets of the command out of text, the longest first: one
// may begin another, whose rest would stay.
func (c Cmd) redact(text string) string {
	longest := slices.SortedFunc(slices.Values(c.Secrets), func(a, b secret.String) int {
		return len(b.Reveal()) - len(a.Reveal())
	})
	for _, s := range longest {
		if !s.Empty() {
			text = strings.ReplaceAll(text, s.Reveal(), s.String())
		}
	}
	return text
}
