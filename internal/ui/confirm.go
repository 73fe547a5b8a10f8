package ui

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

// ErrNobodyToAsk reports that there is no terminal with somebody at it.
var ErrNobodyToAsk = errors.New("there is no terminal to ask on")

// Confirm asks a question that y answers with yes and all else with no.
func (s Streams) Confirm(ctx context.Context, question string) (bool, error) {
	if f, ok := s.In.(*os.File); !s.Terminal || ok && !term.IsTerminal(int(f.Fd())) {
		return false, ErrNobodyToAsk
	}
	fmt.Fprint(s.Err, question+" [y/N]: ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(s.In).ReadString('\n') // the end of the input is a no
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case a := <-answer:
		return a == "y" || a == "yes", nil
	}
}
