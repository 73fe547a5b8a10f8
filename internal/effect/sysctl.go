package effect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
)

const kindSysctl = "sysctl"

// Sysctl is a value of the running kernel. What makes it last over a boot is a
// File of its own.
type Sysctl struct {
	Host  string
	Name  string // "net.ipv4.ip_forward"
	Value string
}

type sysctlObserved struct {
	exists bool
	value  string
}

// Key implements plan.Effect.
func (s Sysctl) Key() string { return "sysctl " + s.Name }

// Observe implements plan.Effect.
func (s Sysctl) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	data, err := v.Host(s.Host).ReadFile(ctx, "/proc/sys/"+strings.ReplaceAll(s.Name, ".", "/"))
	if errors.Is(err, fs.ErrNotExist) {
		return sysctlObserved{}, nil
	}
	if err != nil {
		return nil, wrapObserve(s, err)
	}
	return sysctlObserved{exists: true, value: strings.TrimSpace(string(data))}, nil
}

// Diff implements plan.Effect. A sysctl that is not there comes with a module
// that an earlier step loads.
func (s Sysctl) Diff(observed plan.Observed) plan.Change {
	o := observed.(sysctlObserved)
	switch {
	case !o.exists:
		return plan.Change{Verb: plan.Unknown, Summary: "the kernel has no " + s.Name}
	case o.value != s.Value:
		return plan.Change{Verb: plan.Update, Summary: s.Name + " = " + s.Value, Lines: []string{"-" + o.value, "+" + s.Value}}
	}
	return plan.Change{}
}

// Apply implements plan.Effect.
func (s Sysctl) Apply(ctx context.Context, w plan.World, _ plan.Observed) error {
	if _, err := w.Mutate(s.Host).Run(ctx, host.Cmd{Args: []string{"sysctl", "-w", s.Name + "=" + s.Value}}); err != nil {
		return fmt.Errorf("set sysctl %s: %w", s.Name, err)
	}
	return nil
}

// Undo implements plan.Undoer.
func (s Sysctl) Undo(observed plan.Observed) (plan.Undo, error) {
	data, err := json.Marshal(observed.(sysctlObserved).value)
	return plan.Undo{Kind: kindSysctl, Host: s.Host, Key: s.Name, Data: data}, err
}

func revertSysctl(ctx context.Context, w plan.World, u plan.Undo) error {
	s := Sysctl{Host: u.Host, Name: u.Key}
	if err := json.Unmarshal(u.Data, &s.Value); err != nil {
		return fmt.Errorf("revert sysctl %s: %w", u.Key, err)
	}
	o, err := s.Observe(ctx, w)
	if err != nil || s.Diff(o).Verb != plan.Update {
		return err
	}
	return s.Apply(ctx, w, o)
}
