package token_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/internal/token"
)

var now = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)

const hidden = "0123456789abcdef"

// put stores the Secret of a token; more are lines of its data in plain text.
func put(t *testing.T, s *kubetest.Store, name, kind string, more ...string) {
	t.Helper()
	text := fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: kube-system}\ntype: %s\ndata:\n", name, kind)
	for _, line := range more {
		key, value, _ := strings.Cut(line, "=")
		text += fmt.Sprintf("  %s: %s\n", key, base64.StdEncoding.EncodeToString([]byte(value)))
	}
	s.Put(kubetest.Object(t, text))
}

func whole(id string) []string {
	return []string{"token-id=" + id, "token-secret=" + hidden, "usage-bootstrap-authentication=true", "usage-bootstrap-signing=true"}
}

func TestList(t *testing.T) {
	s := kubetest.New()
	put(t, s, "bootstrap-token-ffffff", token.SecretType, append(whole("ffffff"), "description=of init", "expiration=2026-11-22T06:00:00Z")...)
	put(t, s, "bootstrap-token-aaaaaa", token.SecretType, whole("aaaaaa")...)
	// What the API server would not take for a token either.
	put(t, s, "another-name", token.SecretType, whole("bbbbbb")...)
	put(t, s, "bootstrap-token-cccccc", "Opaque", whole("cccccc")...)
	put(t, s, "bootstrap-token-dddddd", token.SecretType, "token-id=dddddd")
	put(t, s, "bootstrap-token-eeeeee", token.SecretType, append(whole("eeeeee"), "expiration=tomorrow")...)

	tokens, err := token.List(t.Context(), s)
	if err != nil || len(tokens) != 2 {
		t.Fatalf("%d tokens, %v", len(tokens), err)
	}
	if first := tokens[0]; first.ID != "aaaaaa" || !first.Expires.IsZero() || !slices.Equal(first.Usages, []string{"authentication", "signing"}) {
		t.Errorf("the first is %s until %s for %v", first.ID, first.Expires, first.Usages)
	}
	if second := tokens[1]; second.Description != "of init" || !second.Expires.Equal(now.Add(24*time.Hour)) || second.Whole().Reveal() != "ffffff."+hidden {
		t.Errorf("the second is %q until %s", second.Description, second.Expires)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", tokens, tokens, tokens, tokens[0].Whole()); strings.Contains(text, hidden) {
		t.Errorf("a secret is printed: %s", text)
	}
}

func TestListFails(t *testing.T) {
	s := kubetest.New()
	down := errors.New("down")
	s.Before = func(string, kube.Ref) error { return down }
	if _, err := token.List(t.Context(), s); !errors.Is(err, down) || !strings.HasPrefix(err.Error(), "list bootstrap tokens: ") {
		t.Errorf("error is %v", err)
	}
}

func TestJoins(t *testing.T) {
	both := []string{"signing", "authentication"}
	for name, c := range map[string]struct {
		expires time.Time
		usages  []string
		want    bool
	}{
		"never expires":   {time.Time{}, both, true},
		"alive":           {now.Add(time.Second), both, true},
		"at its last":     {now, both, false},
		"expired":         {now.Add(-time.Second), both, false},
		"cannot sign":     {time.Time{}, []string{"authentication"}, false},
		"cannot log in":   {time.Time{}, []string{"signing"}, false},
		"good for naught": {time.Time{}, nil, false},
	} {
		if got := (token.Token{ID: "abcdef", Secret: secret.NewString(hidden), Expires: c.expires, Usages: c.usages}).Joins(now); got != c.want {
			t.Errorf("%s: joins is %t", name, got)
		}
	}
}
