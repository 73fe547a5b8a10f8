package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// FieldError is one thing wrong with what was asked for. It never holds the
// value of a secret field.
type FieldError struct {
	Document int    `json:"document,omitempty"` // from 1; 0 when the value is in no document
	Kind     string `json:"kind,omitempty"`     // of the document, or of the one the field belongs to
	Path     string `json:"field,omitempty"`    // "networking.podSubnet", empty for the document itself
	Flag     string `json:"flag,omitempty"`     // "--pod-network-cidr" when the value came from a flag
	Line     int    `json:"line,omitempty"`     // in the whole input, from 1; 0 when not known
	Column   int    `json:"column,omitempty"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

func (e FieldError) Error() string {
	var where []string
	if e.Document > 0 {
		where = append(where, fmt.Sprintf("document %d", e.Document))
	}
	if e.Line > 0 {
		where = append(where, fmt.Sprintf("line %d", e.Line))
	}
	if e.Column > 0 {
		where = append(where, fmt.Sprintf("column %d", e.Column))
	}
	if e.Flag != "" {
		where = append(where, e.Flag)
	}
	parts := []string{}
	if len(where) > 0 {
		parts = append(parts, strings.Join(where, ", "))
	}
	if field := strings.TrimSpace(e.Kind + " " + e.Path); field != "" {
		parts = append(parts, field)
	}
	return strings.Join(append(parts, e.Message), ": ")
}

// Errors is everything wrong with an input, in the order of its lines.
type Errors []FieldError

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find a single FieldError.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// Hints are the distinct hints, for the lines printed after the errors.
func (e Errors) Hints() []string {
	var hints []string
	for _, one := range e {
		if one.Hint != "" && !slices.Contains(hints, one.Hint) {
			hints = append(hints, one.Hint)
		}
	}
	return hints
}

// orNil keeps an empty list from becoming a non-nil error.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	e.sort()
	return e
}

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b FieldError) int {
		return cmp.Or(cmp.Compare(a.Document, b.Document), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
