package lease_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/lease"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// kept runs do while a keeper of cp2 keeps, and returns why the run was ended.
func kept(t *testing.T, do func(k *lease.Keeper, s *kubetest.Store)) (cause error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New()
		k := &lease.Keeper{Client: s, Holder: "cp2", Now: time.Now}
		ctx, stop := k.Start(t.Context())
		do(k, s)
		cause = context.Cause(ctx)
		stop()
	})
	return cause
}

func read(t *testing.T, s *kubetest.Store) lease.Turn {
	t.Helper()
	obj, err := s.Get(t.Context(), lease.EtcdJoin)
	must(t, err)
	return lease.Of(obj)
}

func take(t *testing.T, k *lease.Keeper) {
	t.Helper()
	_, err := k.Create(t.Context(), lease.Object(lease.EtcdJoin, "cp2", time.Now()))
	must(t, err)
}

// write is done by somebody, at once.
func write(t *testing.T, c lease.Client, s *kubetest.Store, holder string) {
	t.Helper()
	patch, err := lease.Patch(read(t, s).Version, holder, time.Now())
	must(t, err)
	_, err = c.MergePatch(t.Context(), lease.EtcdJoin, patch)
	must(t, err)
}

func TestTurnIsRenewedWhileItIsHeld(t *testing.T) {
	if err := kept(t, func(k *lease.Keeper, s *kubetest.Store) {
		time.Sleep(time.Minute) // nothing is held, nothing is kept
		if _, err := s.Get(t.Context(), lease.EtcdJoin); err == nil {
			t.Error("there is a lease that nobody took")
		}
		take(t, k)
		for range 100 {
			time.Sleep(time.Second)
			if !read(t, s).Held("cp2", time.Now()) {
				t.Fatal("it is not held any more")
			}
		}
		time.Sleep(time.Second) // away from a renewal, which would win the race
		write(t, k, s, "")      // the turn is over
		before := s.Mutations()
		time.Sleep(time.Minute)
		if turn := read(t, s); turn.Holder != "" || s.Mutations() != before {
			t.Errorf("it was taken again: %+v", turn)
		}
	}); err != nil {
		t.Error(err)
	}
}

// A run that goes on finds the turn of the one that was interrupted.
func TestTurnOfAnEarlierRunIsKept(t *testing.T) {
	if err := kept(t, func(k *lease.Keeper, s *kubetest.Store) {
		_, err := s.Create(t.Context(), lease.Object(lease.EtcdJoin, "cp2", time.Now()))
		must(t, err)
		_, err = k.Get(t.Context(), lease.EtcdJoin)
		must(t, err)
		time.Sleep(time.Minute)
		if !read(t, s).Held("cp2", time.Now()) {
			t.Error("it was not kept")
		}
	}); err != nil {
		t.Error(err)
	}
}

func TestTurnThatWasTakenEndsTheRun(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile []string // have it, one after the other
		by        string
	}{"and is held": {[]string{"cp3"}, "cp3"}, "and given back": {[]string{"cp3", ""}, ""}} {
		err := kept(t, func(k *lease.Keeper, s *kubetest.Store) {
			take(t, k)
			s.Down(true)
			time.Sleep(time.Minute + time.Second) // in which nothing can be renewed
			s.Down(false)
			for _, holder := range c.meanwhile {
				write(t, s, s, holder)
			}
			time.Sleep(5 * time.Second)
			synctest.Wait()
			must(t, k.GiveBack(t.Context()))
			if turn := read(t, s); turn.Holder != c.by {
				t.Errorf("%s: the turn of another was given back: %+v", name, turn)
			}
		})
		var lost *lease.LostError
		if !errors.As(err, &lost) || lost.By != c.by || lost.Hint() == "" {
			t.Errorf("%s: ended with %v", name, err)
		}
	}
}

func TestTurnIsGivenBackAtTheEnd(t *testing.T) {
	if err := kept(t, func(k *lease.Keeper, s *kubetest.Store) {
		must(t, k.GiveBack(t.Context())) // there is none
		take(t, k)
		must(t, k.GiveBack(t.Context()))
		if turn := read(t, s); turn.Holder != "" {
			t.Errorf("it is still held: %+v", turn)
		}
		take2 := func() { write(t, k, s, "cp2") }
		take2()
		s.Down(true)
		if err := k.GiveBack(t.Context()); err == nil {
			t.Error("it was given back to nobody")
		}
		s.Down(false)
		must(t, k.GiveBack(t.Context()))
	}); err != nil {
		t.Error(err)
	}
}
