package effect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/procfs"
)

const kindSwap = "swap"

// Swap is a swap device or file that is off, or with On is on again. What
// keeps it off over a boot are files of their own.
type Swap struct {
	Host     string
	Device   string
	Priority int // of one that is to be on; the kernel gives negative ones itself
	On       bool
}

type swapObserved struct {
	on    bool
	ready bool // the device or file is there and made for swap
}

// Key implements plan.Effect.
func (s Swap) Key() string { return "swap " + s.Device }

// Observe implements plan.Effect.
func (s Swap) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	h := v.Host(s.Host)
	data, err := h.ReadFile(ctx, "/proc/swaps")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, wrapObserve(s, err)
	}
	var o swapObserved
	for _, swap := range procfs.Swaps(string(data)) {
		o.on = o.on || swap.Device == s.Device
	}
	if !o.on {
		if o.ready, err = isSwap(ctx, h, s.Device); err != nil {
			return nil, wrapObserve(s, err)
		}
	}
	return o, nil
}

// isSwap looks for what mkswap writes at the end of the first page, of
// whichever size that is. Another file system may be there by now, the kernel
// may have given the name to another disk, and a zram device is empty after
// each boot.
func isSwap(ctx context.Context, h host.Reader, device string) (bool, error) {
	const signature, largest = "SWAPSPACE2", 64 << 10
	r, err := h.Open(ctx, device)
	if err != nil {
		return false, ctx.Err() // gone, or a device without a disk
	}
	defer r.Close()
	data, _ := io.ReadAll(io.LimitReader(r, largest))
	for page := 4 << 10; page <= len(data); page *= 2 {
		if string(data[page-len(signature):page]) == signature {
			return true, nil
		}
	}
	return false, ctx.Err()
}

// Diff implements plan.Effect. What is no swap any more cannot be on again.
func (s Swap) Diff(observed plan.Observed) plan.Change {
	switch o := observed.(swapObserved); {
	case !s.On && o.on:
		return plan.Change{Verb: plan.Delete, Summary: "switch off swap " + s.Device}
	case s.On && !o.on && o.ready:
		return plan.Change{Verb: plan.Start, Summary: "switch on swap " + s.Device}
	}
	return plan.Change{}
}

// Apply implements plan.Effect.
func (s Swap) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	if s.Diff(observed).Empty() {
		return nil
	}
	args := []string{"swapoff", s.Device}
	if s.On {
		args = []string{"swapon", s.Device}
		if s.Priority > 0 {
			args = []string{"swapon", "-p", strconv.Itoa(s.Priority), s.Device}
		}
	}
	if _, err := w.Mutate(s.Host).Run(ctx, host.Cmd{Args: args}); err != nil {
		return fmt.Errorf("%s: %w", s.Key(), err)
	}
	return nil
}

// Undo implements plan.Undoer.
func (s Swap) Undo(observed plan.Observed) (plan.Undo, error) {
	s.On = observed.(swapObserved).on
	data, err := json.Marshal(s)
	return plan.Undo{Kind: kindSwap, Host: s.Host, Key: s.Device, Data: data}, err
}

func revertSwap(ctx context.Context, w plan.World, u plan.Undo) error {
	var back Swap
	if err := json.Unmarshal(u.Data, &back); err != nil {
		return fmt.Errorf("revert swap %s: %w", u.Key, err)
	}
	o, err := back.Observe(ctx, w)
	if err != nil {
		return err
	}
	return back.Apply(ctx, w, o)
}
