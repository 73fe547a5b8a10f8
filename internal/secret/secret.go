// Package secret holds values that must never reach a log, a journal, an
// error, a diff or argv. The types print as "[redacted]" in every way Go can
// print them; the value itself is had only by asking for it by name.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"log/slog"
)

const redacted = "[redacted]"

// Bytes is secret content, such as a private key or a kubeconfig.
type Bytes struct{ b []byte }

// NewBytes wraps b without copying it.
func NewBytes(b []byte) Bytes { return Bytes{b} }

// Reveal returns the content itself. Callers write it to its destination and
// nowhere else.
func (s Bytes) Reveal() []byte { return s.b }

// Len returns the length in bytes.
func (s Bytes) Len() int { return len(s.b) }

// Empty reports whether there is no content.
func (s Bytes) Empty() bool { return len(s.b) == 0 }

// Equal compares in constant time.
func (s Bytes) Equal(o Bytes) bool { return subtle.ConstantTimeCompare(s.b, o.b) == 1 }

// Digest returns the SHA-256 of the content in hex. It is meant for content
// with enough entropy that its digest gives nothing away.
func (s Bytes) Digest() string {
	sum := sha256.Sum256(s.b)
	return hex.EncodeToString(sum[:])
}

func (s Bytes) String() string               { return redacted }
func (s Bytes) GoString() string             { return redacted }
func (s Bytes) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (s Bytes) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// String is a secret text, such as a bootstrap token.
type String struct{ s string }

// NewString wraps s.
func NewString(s string) String { return String{s} }

// Reveal returns the text itself.
func (s String) Reveal() string { return s.s }

// Empty reports whether there is no text.
func (s String) Empty() bool { return s.s == "" }

func (s String) String() string               { return redacted }
func (s String) GoString() string             { return redacted }
func (s String) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (s String) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
