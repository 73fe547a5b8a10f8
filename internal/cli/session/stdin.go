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

// Given replaces a lone "-" among arguments by the lines of stdin.
func (s *Session) Given(args []string) ([]string, error) {
	if len(args) != 1 || args[0] != fromStdin {
		return args, nil
	}
	var lines []string
	scanner := bufio.NewScanner(io.LimitReader(s.Streams.In, 1<<16))
	for scanner.Scan() {
		if line := strings.TrimSpace(scanner.Text()); line != "" {
			lines = append(lines, line)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("read stdin: %w", err)
	}
	if len(lines) == 0 {
		return nil, &exit.UsageError{Err: errors.New("read stdin: there is nothing in it")}
	}
	return lines, nil
}
