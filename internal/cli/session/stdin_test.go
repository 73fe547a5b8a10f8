package session

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/ui"
)

// Several secrets come by one stdin, a line each, and arguments have the rest.
func TestSecretsFromStdin(t *testing.T) {
	t.Parallel()
	token, other, key := "-", "given", "-"
	s := &Session{Streams: ui.Streams{In: strings.NewReader("one\n\n two \nthree\nfour\n")}}
	if err := s.Secrets(&token, &other, &key); err != nil || token != "one" || other != "given" || key != "two" {
		t.Errorf("got %q %q %q, %v", token, other, key, err)
	}
	if rest, err := s.Given([]string{"-"}); err != nil || !slices.Equal(rest, []string{"three", "four"}) {
		t.Errorf("got %q, %v", rest, err)
	}
	if _, err := s.Given([]string{"-"}); err == nil || err.Error() != "read stdin: there is nothing in it" {
		t.Errorf("at its end: %v", err)
	}
	token, key = "-", "-"
	s = &Session{Streams: ui.Streams{In: strings.NewReader("one\n")}}
	if err := s.Secrets(&token, &key); err == nil || !strings.Contains(err.Error(), "there are fewer") {
		t.Errorf("one line for two: %v", err)
	}
}
