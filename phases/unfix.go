package phases

import (
	"fmt"
	"io/fs"
	"slices"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// Unfix takes back what --fix did, from its record alone, and ends with
// removing that. What somebody else has changed since stays: see Kept. Reset
// appends it to its last phase, for sysctls and modules are in use before.
func Unfix(in plan.Input) []plan.Group {
	u, _ := unfixOf(in)
	return u
}

// Kept says what Unfix leaves as it is, a line each.
func Kept(in plan.Input) []string {
	_, kept := unfixOf(in)
	return kept
}

func unfixOf(in plan.Input) (groups []plan.Group, kept []string) {
	facts := in.HostFacts()
	record := facts.Fixes
	if record.Empty() {
		return nil, nil
	}
	var steps []plan.Step
	add := func(name string, e plan.Effect) {
		steps = append(steps, plan.Step{Name: "unfix-" + name, Host: in.Node.Host, Effect: e})
	}
	stays := func(format string, args ...any) { kept = append(kept, fmt.Sprintf(format, args...)) }

	if len(record.Fstab) > 0 {
		out, lost := swapOn(facts.FixFiles[cluster.FstabFile].Reveal(), record.Fstab)
		for range lost {
			stays("a line that --fix commented out in %s was changed since and stays as it is", cluster.FstabFile)
		}
		if is, ok := facts.Files[cluster.FstabFile]; ok {
			add("fstab", effect.File{Host: in.Node.Host, Path: cluster.FstabFile, Content: secret.NewBytes(out),
				Attr: host.Attr{Mode: modeOf(is), UID: is.UID, GID: is.GID}})
		}
	}
	for _, mask := range record.Masks {
		switch is, ok := facts.Files[mask]; {
		case ok && is.Target == "/dev/null":
			add("mask-"+mask, effect.Absent{Host: in.Node.Host, Path: mask})
		case ok:
			stays("%s masks no unit any more and stays", mask)
		}
	}
	for _, swap := range record.Swaps {
		add("swap-"+swap.Device, effect.Swap{Host: in.Node.Host, Device: swap.Device, Priority: swap.Priority, On: true})
	}
	for _, s := range record.Sysctls {
		switch now, ok := facts.Sysctl[s.Name]; {
		case !ok || s.Before == "" || now == s.Before: // gone, or goes with its module, or so already
		case now == s.Set:
			add(s.Name, effect.Sysctl{Host: in.Node.Host, Name: s.Name, Value: s.Before})
		default:
			stays("sysctl %s is %s: it was changed since and stays", s.Name, now)
		}
	}
	for _, f := range record.Files {
		if e, ok := unfixFile(in, f); ok {
			add(f.Path, e)
		} else {
			stays("%s was changed since and stays", f.Path)
		}
	}
	for _, m := range cluster.KernelModules() {
		if slices.Contains(record.Modules, m.Name) {
			add(m.Name, effect.Module{Host: in.Node.Host, Module: m, Gone: true})
		}
	}
	add("record", effect.Absent{Host: in.Node.Host, Path: cluster.FixesFile})
	return serial(steps...), kept
}

// unfixFile is what brings back a file; not ok for one that others changed.
func unfixFile(in plan.Input, f cluster.FileFix) (plan.Effect, bool) {
	now, exists := in.HostFacts().FixFiles[f.Path]
	before := secret.NewBytes(f.Before)
	ours := exists && now.Digest() == f.Wrote
	switch {
	case !f.Existed && (ours || !exists):
		return effect.Absent{Host: in.Node.Host, Path: f.Path}, true
	case f.Existed && (ours || exists && now.Digest() == before.Digest()):
		is := in.HostFacts().Files[f.Path]
		return effect.File{Host: in.Node.Host, Path: f.Path, Content: before,
			Attr: host.Attr{Mode: modeOf(is), UID: is.UID, GID: is.GID}}, true
	}
	return nil, false
}

func modeOf(f cluster.FileFact) fs.FileMode { return fs.FileMode(f.Mode) }
