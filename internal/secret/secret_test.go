package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/secret"
)

// Every way in which Go prints a value is tried; none may show the content.
func TestNothingPrintsASecret(t *testing.T) {
	const canary = "abcdef.0123456789abcdef"
	values := []any{
		secret.NewString(canary), secret.NewBytes([]byte(canary)),
		struct{ Token secret.String }{secret.NewString(canary)},
		&struct{ Key secret.Bytes }{secret.NewBytes([]byte(canary))},
		[]secret.String{secret.NewString(canary)},
		map[string]secret.Bytes{"key": secret.NewBytes([]byte(canary))},
	}
	for _, v := range values {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Fatal(err)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("message", "value", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("message", "value", v)
		if strings.Contains(out.String(), canary) || strings.Contains(out.String(), fmt.Sprint([]byte(canary))) {
			t.Errorf("%T shows its secret:\n%s", v, out.String())
		}
	}
}

func TestRevealReturnsTheValue(t *testing.T) {
	if got := secret.NewString("x").Reveal(); got != "x" {
		t.Errorf("String.Reveal = %q", got)
	}
	if got := string(secret.NewBytes([]byte("y")).Reveal()); got != "y" {
		t.Errorf("Bytes.Reveal = %q", got)
	}
	if !secret.NewBytes([]byte("y")).Equal(secret.NewBytes([]byte("y"))) || secret.NewBytes([]byte("y")).Equal(secret.NewBytes(nil)) {
		t.Error("Bytes.Equal is wrong")
	}
}
