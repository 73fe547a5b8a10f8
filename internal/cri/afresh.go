package cri

import (
	"context"
	"sync"
)

// Afresh is a runtime that is taken to have only the images that were pulled
// through it: with it, what is there is pulled again, once. It is what
// imagePullPolicy Always asks for.
func Afresh(c Client) Client { return &afresh{Client: c, pulled: map[string]bool{}} }

type afresh struct {
	Client
	mu     sync.Mutex
	pulled map[string]bool
}

// HasImage implements Reader.
func (a *afresh) HasImage(ctx context.Context, ref string) (bool, error) {
	a.mu.Lock()
	pulled := a.pulled[ref]
	a.mu.Unlock()
	if !pulled {
		return false, ctx.Err()
	}
	return a.Client.HasImage(ctx, ref)
}

// PullImage implements Writer.
func (a *afresh) PullImage(ctx context.Context, ref string) error {
	if err := a.Client.PullImage(ctx, ref); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pulled[ref] = true
	return nil
}
