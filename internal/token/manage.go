package token

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/secret"
)

const (
	idLength     = 6
	secretLength = 16
)

// errMalformed does not repeat what was given: half of a token is a secret.
var errMalformed = errors.New("read token: want [a-z0-9]{6}.[a-z0-9]{16}")

// Parse splits a bootstrap token, [a-z0-9]{6}.[a-z0-9]{16}.
func Parse(s string) (id string, tokenSecret secret.String, err error) {
	id, rest, _ := strings.Cut(s, ".")
	if len(s) != idLength+1+secretLength || len(id) != idLength || !plain(id) || !plain(rest) {
		return "", secret.String{}, errMalformed
	}
	return id, secret.NewString(rest), nil
}

// ParseID takes the id of a token, or a whole token for its id.
func ParseID(s string) (string, error) {
	if len(s) == idLength && plain(s) {
		return s, nil
	}
	id, _, err := Parse(s)
	if err != nil {
		return "", errors.New("read token: want its id, [a-z0-9]{6}, or the whole, [a-z0-9]{6}.[a-z0-9]{16}")
	}
	return id, nil
}

func plain(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// Ref is the Secret of the token with an id.
func Ref(id string) kube.Ref {
	return kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, Namespace: "kube-system", Name: "bootstrap-token-" + id}
}

// ExistsError reports that the cluster has a token of that id.
type ExistsError struct{ ID string }

func (e *ExistsError) Error() string {
	return "create bootstrap token " + e.ID + ": there is one already"
}

// Hint is the command that makes room for it.
func (e *ExistsError) Hint() string { return "clusteradm token delete " + e.ID }

// MissingError reports that the cluster has no token of that id.
type MissingError struct{ ID string }

func (e *MissingError) Error() string {
	return "delete bootstrap token " + e.ID + ": the cluster has none of that id"
}

// Hint is the command that lists those that there are.
func (e *MissingError) Hint() string { return "clusteradm token list" }

// Create makes a token of its Secret; one that exists is left as it is.
func Create(ctx context.Context, w kube.Writer, id string, s *unstructured.Unstructured) error {
	_, err := w.Create(ctx, s)
	switch {
	case apierrors.IsAlreadyExists(err):
		return &ExistsError{id}
	case err != nil:
		return fmt.Errorf("create bootstrap token %s: %w", id, err)
	}
	return nil
}

// Exists reports whether the cluster has a token of that id, whole or not.
func Exists(ctx context.Context, r kube.Reader, id string) (bool, error) {
	_, err := r.Get(ctx, Ref(id))
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for bootstrap token %s: %w", id, err)
	}
	return true, nil
}

// Delete revokes a token. That there is none is an error: whoever mistypes an
// id must not believe the token gone.
func Delete(ctx context.Context, r kube.Reader, w kube.Writer, id string) error {
	exists, err := Exists(ctx, r, id)
	switch {
	case err != nil:
		return err
	case !exists:
		return &MissingError{id}
	}
	if err := w.Delete(ctx, Ref(id)); err != nil {
		return fmt.Errorf("delete bootstrap token %s: %w", id, err)
	}
	return nil
}
