package effect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/procfs"
)

const kindModule = "module"

// Module is something that the kernel can do, by a module or built in: what
// shows is the evidence and no list of modules. With Gone it is unloaded,
// unless it is built in or in use.
type Module struct {
	Host string
	cluster.Module
	Gone bool
}

type moduleObserved struct {
	there bool
	// uses is the count of a module that could be unloaded; empty for one that
	// is built in or not there.
	uses string
}

// Key implements plan.Effect.
func (m Module) Key() string { return "module " + m.Name }

// Observe implements plan.Effect.
func (m Module) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	h := v.Host(m.Host)
	var o moduleObserved
	evidence, err := h.ReadFile(ctx, m.Evidence)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, wrapObserve(m, err)
	}
	o.there = err == nil && (m.Line == "" || procfs.Line(string(evidence), m.Line))
	uses, err := h.ReadFile(ctx, "/sys/module/"+m.Name+"/refcnt")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, wrapObserve(m, err)
	}
	o.uses = strings.TrimSpace(string(uses))
	return o, nil
}

// Diff implements plan.Effect.
func (m Module) Diff(observed plan.Observed) plan.Change {
	switch o := observed.(moduleObserved); {
	case m.Gone && o.uses == "0":
		return plan.Change{Verb: plan.Delete, Summary: "unload " + m.Name}
	case !m.Gone && !o.there:
		return plan.Change{Verb: plan.Create, Summary: "load " + m.Name}
	}
	return plan.Change{}
}

// Apply implements plan.Effect.
func (m Module) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	if m.Diff(observed).Empty() {
		return nil
	}
	args := []string{"modprobe", m.Name}
	if m.Gone {
		args = []string{"modprobe", "-r", m.Name}
	}
	if _, err := w.Mutate(m.Host).Run(ctx, host.Cmd{Args: args}); err != nil {
		return fmt.Errorf("%s: %w", m.Key(), err)
	}
	return nil
}

// Undo implements plan.Undoer.
func (m Module) Undo(observed plan.Observed) (plan.Undo, error) {
	m.Gone = !observed.(moduleObserved).there
	data, err := json.Marshal(m)
	return plan.Undo{Kind: kindModule, Host: m.Host, Key: m.Name, Data: data}, err
}

func revertModule(ctx context.Context, w plan.World, u plan.Undo) error {
	var back Module
	if err := json.Unmarshal(u.Data, &back); err != nil {
		return fmt.Errorf("revert module %s: %w", u.Key, err)
	}
	o, err := back.Observe(ctx, w)
	if err != nil {
		return err
	}
	return back.Apply(ctx, w, o)
}
