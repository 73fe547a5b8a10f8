// Package token reads and finds bootstrap tokens: Secrets of type
// bootstrap.kubernetes.io/token in kube-system. It never prints a secret.
package token

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// SecretType is the type of a bootstrap token's Secret.
const SecretType = "bootstrap.kubernetes.io/token"

// Token is a bootstrap token as the cluster has it.
type Token struct {
	ID          string
	Secret      secret.String
	Description string
	Expires     time.Time // zero: never
	Usages      []string  // "authentication", "signing"
	Groups      []string  // that it authenticates as, besides system:bootstrappers
}

// Whole is the token, id and secret.
func (t Token) Whole() secret.String { return secret.NewString(t.ID + "." + t.Secret.Reveal()) }

// Joins reports whether a node can join with it at the given time.
func (t Token) Joins(now time.Time) bool {
	return t.Alive(now) && slices.Contains(t.Usages, "authentication") && slices.Contains(t.Usages, "signing")
}

// Alive reports whether it has not expired.
func (t Token) Alive(now time.Time) bool { return t.Expires.IsZero() || now.Before(t.Expires) }

// Longest is the token that joins nodes for the longest time from now on.
func Longest(tokens []Token, now time.Time) (Token, bool) {
	var best Token
	found := false
	for _, t := range tokens {
		if !t.Joins(now) {
			continue
		}
		if !found || !best.Expires.IsZero() && (t.Expires.IsZero() || t.Expires.After(best.Expires)) {
			best, found = t, true
		}
	}
	return best, found
}

// soon is too short a time for walking over to the machine that is to join.
const soon = time.Minute

// ExpiryWarning says that a token which expires at the given time will hardly
// last for a join; empty if it will.
func ExpiryWarning(id string, expires, now time.Time) string {
	if expires.IsZero() || expires.Sub(now) >= soon {
		return ""
	}
	return fmt.Sprintf("token %s expires in %s", id, max(expires.Sub(now), 0).Round(time.Second))
}

// List returns the cluster's bootstrap tokens by ID. A Secret that is not a
// well-formed token is passed over, as the API server does.
func List(ctx context.Context, r kube.Reader) ([]Token, error) {
	secrets, err := r.List(ctx, kube.Ref{
		GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, Namespace: "kube-system"}, "")
	if err != nil {
		return nil, fmt.Errorf("list bootstrap tokens: %w", err)
	}
	var tokens []Token
	for i := range secrets {
		if t, ok := FromSecret(&secrets[i]); ok {
			tokens = append(tokens, t)
		}
	}
	slices.SortFunc(tokens, func(a, b Token) int { return strings.Compare(a.ID, b.ID) })
	return tokens, nil
}

// FromSecret reads a token from its Secret; false if it is not well-formed.
func FromSecret(s *unstructured.Unstructured) (Token, bool) {
	if kind, _, _ := unstructured.NestedString(s.Object, "type"); kind != SecretType {
		return Token{}, false
	}
	data := func(name string) string {
		encoded, _, _ := unstructured.NestedString(s.Object, "data", name)
		value, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return ""
		}
		return string(value)
	}
	t := Token{ID: data("token-id"), Secret: secret.NewString(data("token-secret")), Description: data("description")}
	if t.ID == "" || t.Secret.Empty() || s.GetName() != "bootstrap-token-"+t.ID {
		return Token{}, false
	}
	if text := data("expiration"); text != "" {
		expires, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return Token{}, false
		}
		t.Expires = expires
	}
	for _, usage := range []string{"authentication", "signing"} {
		if data("usage-bootstrap-"+usage) == "true" {
			t.Usages = append(t.Usages, usage)
		}
	}
	for group := range strings.SplitSeq(data("auth-extra-groups"), ",") {
		if group != "" {
			t.Groups = append(t.Groups, group)
		}
	}
	return t, true
}
