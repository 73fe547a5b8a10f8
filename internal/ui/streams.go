// Package ui is the only place that prints. The result of a command goes to
// stdout, the narration to stderr; which narration (live on a terminal, plain
// lines elsewhere, JSON lines with -o json) is chosen here and nowhere else.
package ui

import (
	"io"
	"os"

	"golang.org/x/term"

	"github.com/clusteradm/clusteradm/internal/event"
)

// Streams are a command's input and output.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// Terminal is true when Err is a terminal that can be redrawn.
	Terminal bool
	// Width is the terminal's columns now; nil or 0 for 80.
	Width func() int
}

// System is the process's own streams.
func System() Streams {
	fd := int(os.Stderr.Fd())
	return Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Terminal: term.IsTerminal(fd) && os.Getenv("TERM") != "dumb",
		Width: func() int {
			width, _, err := term.GetSize(fd)
			if err != nil {
				return 0
			}
			return width
		},
	}
}

func (s Streams) width() int {
	if s.Width != nil {
		if width := s.Width(); width > 0 {
			return width
		}
	}
	return 80
}

// Sink returns where events go for an output format, "text" or "json", and a
// function that must be called when no more come.
func (s Streams) Sink(format string) (event.Sink, func()) {
	switch {
	case format == "json":
		return NewJSON(s.Out), func() {}
	case s.Terminal:
		live := newLive(s.Err, s.width)
		return live, live.close
	}
	return &plain{w: s.Err}, func() {}
}
