package host

import (
	"errors"
	"fmt"
	"strings"
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
	stderr := string(res.Stderr)
	for _, s := range c.Secrets {
		if !s.Empty() {
			stderr = strings.ReplaceAll(stderr, s.Reveal(), s.String())
		}
	}
	return &ExitError{Cmd: c.String(), Exit: res.Exit, Stderr: stderr}
}
