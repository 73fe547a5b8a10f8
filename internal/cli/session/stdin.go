package session

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
)

// fromStdin is how a secret is given that is not to be in the list of processes.
const fromStdin = "-"

// Given replaces a lone "-" among arguments by the lines of stdin that no flag
// has taken.
func (s *Session) Given(args []string) ([]string, error) {
	if len(args) != 1 || args[0] != fromStdin {
		return args, nil
	}
	var lines []string
	for {
		line, err := s.line()
		switch {
		case err != nil:
			return nil, err
		case line == "" && len(lines) == 0:
			return nil, &exit.UsageError{Err: errors.New("read stdin: there is nothing in it")}
		case line == "":
			return lines, nil
		}
		lines = append(lines, line)
	}
}

// Secrets replaces each flag that is "-" by a line of stdin, in their order.
func (s *Session) Secrets(flags ...*string) error {
	taken := 0
	for _, flag := range flags {
		if *flag != fromStdin {
			continue
		}
		line, err := s.line()
		switch {
		case err != nil:
			return err
		case line == "" && taken == 0:
			return &exit.UsageError{Err: errors.New("read stdin: there is nothing in it")}
		case line == "":
			return &exit.UsageError{Err: errors.New("read stdin: each flag that is - takes a line, and there are fewer"),
				Help: "a token comes before a certificate key"}
		}
		*flag, taken = line, taken+1
	}
	return nil
}

// line is the next of stdin that is not empty; empty at its end.
func (s *Session) line() (string, error) {
	if s.stdin == nil {
		s.stdin = bufio.NewScanner(io.LimitReader(s.Streams.In, 1<<16))
	}
	for s.stdin.Scan() {
		if line := strings.TrimSpace(s.stdin.Text()); line != "" {
			return line, nil
		}
	}
	if err := s.stdin.Err(); err != nil {
		return "", fmt.Errorf("read stdin: %w", err)
	}
	return "", nil
}
