package host

import (
	"context"
	"fmt"
	"io"
)

// AsReader hands out h for observing only. The value returned can't be
// asserted back into a Host or a Dialer, whatever h is: that what observes
// cannot mutate is a matter of types, not of discipline.
func AsReader(h Host) Reader { return observer{h} }

// observer embeds the interface, not the Host: only its methods are promoted.
// The alias keeps the field unexported, out of reach of reflection.
type (
	reader   = Reader
	observer struct{ reader }
)

// ReadOnly is r as a Host whose mutations all fail with ErrReadOnly. It never
// pretends to have done anything: it is a tripwire for code that must not
// mutate but is handed a Host.
func ReadOnly(r Reader) Host { return tripwire{r} }

type tripwire struct{ reader }

func (t tripwire) refuse(verb, object string) error {
	return fmt.Errorf("%s %s: %w", verb, object, ErrReadOnly)
}

func (t tripwire) WriteFiles(_ context.Context, files []File) error {
	if len(files) == 0 {
		return nil
	}
	return t.refuse("write", files[0].Path)
}

func (t tripwire) Rename(_ context.Context, old, _ string, _ bool) error {
	return t.refuse("rename", old)
}

func (t tripwire) Upload(_ context.Context, path string, _ io.Reader, _ Attr, _ string) error {
	return t.refuse("upload", path)
}

func (t tripwire) Mkdir(_ context.Context, path string, _ Attr) error {
	return t.refuse("make directory", path)
}

func (t tripwire) Remove(_ context.Context, path string) error {
	return t.refuse("remove", path)
}

// Run refuses even the commands of the read-only table: those go through Query.
func (t tripwire) Run(_ context.Context, cmd Cmd) (Result, error) {
	return Result{}, t.refuse("run", cmd.String())
}
