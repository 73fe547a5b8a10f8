package lease

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/kube"
)

// every is how often a turn is renewed, well within its Duration.
const every = 4 * time.Second

// Client reads and writes objects.
type Client interface {
	kube.Reader
	kube.Writer
}

// Keeper is a client that keeps a turn alive which is taken through it, from
// Start to its end: to take and to give back are effects like others, and last
// longer than one call.
type Keeper struct {
	Client
	Holder string
	Now    func() time.Time

	mu   sync.Mutex // held over each call about the Lease, so that none sees another half done
	held bool
}

// LostError reports that somebody else took the turn, which they may once it
// was not renewed in time.
type LostError struct{ Holder, By string }

func (e *LostError) Error() string {
	return fmt.Sprintf("keep the turn of %s to join etcd: %s has taken it", e.Holder, e.By)
}

// Hint is what to do.
func (e *LostError) Hint() string { return "run the same command again: it waits for its turn" }

// Start renews the turn while it is held, until stop is called. The context that
// it returns ends when the turn is lost, with a *LostError as its cause; then
// nothing is kept any more.
func (k *Keeper) Start(ctx context.Context) (kept context.Context, stop func()) {
	kept, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() { defer close(done); k.keep(kept, cancel) }()
	return kept, func() { cancel(nil); <-done }
}

func (k *Keeper) keep(ctx context.Context, lost context.CancelCauseFunc) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if by := k.renew(ctx); by != "" {
				lost(&LostError{Holder: k.Holder, By: by})
				return
			}
		}
	}
}

// renew says who has the turn instead. That nobody answers says nothing: the
// next time may be in time, and a write that came between is seen then.
func (k *Keeper) renew(ctx context.Context) (by string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.held {
		return ""
	}
	obj, err := k.Client.Get(ctx, EtcdJoin)
	if err != nil {
		return ""
	}
	turn := Of(obj)
	if turn.Holder != k.Holder {
		k.held = false
		return turn.Holder
	}
	_ = k.write(ctx, turn, k.Holder) // if it fails, there is a next time
	return ""
}

func (k *Keeper) write(ctx context.Context, turn Turn, holder string) error {
	patch, err := Patch(turn.Version, holder, k.Now())
	if err != nil {
		return err
	}
	_, err = k.Client.MergePatch(ctx, EtcdJoin, patch)
	return err
}

// GiveBack ends the turn if it is still held, as after a run that failed.
func (k *Keeper) GiveBack(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.held {
		return nil
	}
	obj, err := k.Client.Get(ctx, EtcdJoin)
	if err == nil && Of(obj).Holder == k.Holder {
		err = k.write(ctx, Of(obj), "")
	}
	if err != nil {
		return fmt.Errorf("give the turn to join etcd back: %w", err)
	}
	k.held = false
	return nil
}

// Get implements kube.Reader. A turn that an earlier run took and that has not
// ended is kept like one of this run.
func (k *Keeper) Get(ctx context.Context, ref kube.Ref) (*unstructured.Unstructured, error) {
	if ref != EtcdJoin {
		return k.Client.Get(ctx, ref)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	obj, err := k.Client.Get(ctx, ref)
	k.held = k.held || err == nil && Of(obj).Held(k.Holder, k.Now())
	return obj, err
}

// Create implements kube.Writer.
func (k *Keeper) Create(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if kube.RefOf(obj) != EtcdJoin {
		return k.Client.Create(ctx, obj)
	}
	return k.wrote(func() (*unstructured.Unstructured, error) { return k.Client.Create(ctx, obj) })
}

// MergePatch implements kube.Writer.
func (k *Keeper) MergePatch(ctx context.Context, ref kube.Ref, patch []byte) (*unstructured.Unstructured, error) {
	if ref != EtcdJoin {
		return k.Client.MergePatch(ctx, ref, patch)
	}
	return k.wrote(func() (*unstructured.Unstructured, error) { return k.Client.MergePatch(ctx, ref, patch) })
}

func (k *Keeper) wrote(write func() (*unstructured.Unstructured, error)) (*unstructured.Unstructured, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	obj, err := write()
	if err == nil {
		k.held = Of(obj).Holder == k.Holder
	}
	return obj, err
}
