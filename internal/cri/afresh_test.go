package cri_test

import (
	"context"
	"errors"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/cri/critest"
)

func TestAfresh(t *testing.T) {
	r := critest.New()
	r.AddImage("there")
	c := cri.Afresh(r)
	has := func(ref string, want bool) {
		t.Helper()
		if got, err := c.HasImage(t.Context(), ref); err != nil || got != want {
			t.Errorf("has %s: %t, %v; want %t", ref, got, err, want)
		}
	}
	has("there", false)
	if err := c.PullImage(t.Context(), "there"); err != nil {
		t.Fatal(err)
	}
	has("there", true)
	r.Pullable = map[string]bool{}
	if err := c.PullImage(t.Context(), "none"); err == nil {
		t.Error("pulled what no registry has")
	}
	has("none", false)
	if info, err := c.Info(t.Context()); err != nil || info != r.About {
		t.Errorf("info %+v, %v", info, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.HasImage(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
