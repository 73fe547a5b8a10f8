package phases

import (
	"bytes"
	"encoding/json"
	"fmt"
	gopath "path"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/preflight"
)

// Fix is what --fix does before the checks: kernel modules, sysctls and swap,
// now and over a boot. Its record comes first and says what was there before,
// so that reset can take back exactly this, whatever comes in between.
func Fix() []plan.Phase {
	part := func(name, short string, steps func(fix) []plan.Step) plan.Phase {
		return plan.Phase{Name: name, Short: short, Example: "clusteradm preflight init --fix",
			Plan: func(in plan.Input) ([]plan.Group, error) {
				f := fixOf(in)
				if f.empty() {
					return nil, nil
				}
				return serial(steps(f)...), nil
			}}
	}
	return []plan.Phase{
		part("record", "Record what is there before anything is fixed", fix.recordSteps),
		part("persist", "Make modules, sysctls and swap last over a boot", func(f fix) []plan.Step { return f.files }),
		part("modules", "Load kernel modules", func(f fix) []plan.Step { return f.modules }),
		part("sysctls", "Set sysctls", func(f fix) []plan.Step { return f.sysctls }),
		part("swap", "Switch swap off", func(f fix) []plan.Step { return f.swaps }),
	}
}

// Fixable are the checks whose findings Fix would mend.
func Fixable(in plan.Input) []string {
	f := fixOf(in)
	var names []string
	for _, s := range f.modules {
		names = append(names, preflight.ModuleCheck(s.Name))
	}
	for _, s := range f.sysctls {
		names = append(names, preflight.SysctlCheck(s.Name))
	}
	if len(f.swaps) > 0 {
		names = append(names, "Swap")
	}
	return names
}

// fix is what is to be done on one machine.
type fix struct {
	in                             plan.Input
	record                         cluster.Fixes
	files, modules, sysctls, swaps []plan.Step
}

func (f fix) empty() bool { return len(f.modules)+len(f.sysctls)+len(f.swaps) == 0 }

func fixOf(in plan.Input) fix {
	f := fix{in: in, record: clone(in.HostFacts().Fixes)}
	f.fixModules()
	f.fixSysctls()
	f.fixSwap()
	if len(f.modules) > 0 {
		f.persist("modules-load.d", cluster.ModulesLoadFile, f.record.Modules)
	}
	if len(f.sysctls) > 0 {
		var lines []string
		for _, s := range f.record.Sysctls {
			lines = append(lines, s.Name+" = "+s.Set)
		}
		f.persist("sysctl.d", cluster.SysctlFile, lines)
	}
	return f
}

// wanted reports that a check's finding is to be fixed: not one that the user
// named as ignored. All of them may be ignored and fixed where that is safe.
func (f *fix) wanted(check string) bool {
	return !slices.ContainsFunc(f.in.Node.IgnorePreflight, func(i string) bool { return strings.EqualFold(i, check) })
}

func (f *fix) fixModules() {
	for _, m := range cluster.KernelModules() {
		if f.in.HostFacts().Modules[m.Name] || !f.wanted(preflight.ModuleCheck(m.Name)) {
			continue
		}
		f.record.Modules = with(f.record.Modules, m.Name)
		f.modules = append(f.modules, plan.Step{Name: m.Name, Host: f.in.Node.Host, Effect: effect.Module{Host: f.in.Node.Host, Module: m}})
	}
}

func (f *fix) fixSysctls() {
	bridged := f.in.HostFacts().Modules["br_netfilter"] || slices.Contains(f.record.Modules, "br_netfilter")
	for _, name := range append(cluster.Forwarding(f.in.Cluster, f.in.Node), cluster.BridgeIPv4, cluster.BridgeIPv6) {
		value, ok := f.in.HostFacts().Sysctl[name]
		comes := bridged && strings.HasPrefix(name, "net.bridge.") // with the module, if not there yet
		if value == "1" || !ok && !comes || !f.wanted(preflight.SysctlCheck(name)) {
			continue
		}
		f.record.Sysctls = slices.DeleteFunc(f.record.Sysctls, func(s cluster.SysctlFix) bool { return s.Name == name })
		f.record.Sysctls = append(f.record.Sysctls, cluster.SysctlFix{Name: name, Before: value, Set: "1"})
		f.sysctls = append(f.sysctls, plan.Step{Name: name, Host: f.in.Node.Host, Effect: effect.Sysctl{Host: f.in.Node.Host, Name: name, Value: "1"}})
	}
	slices.SortFunc(f.record.Sysctls, func(a, b cluster.SysctlFix) int { return strings.Compare(a.Name, b.Name) })
}

// fixSwap leaves swap alone where the kubelet is configured for it.
func (f *fix) fixSwap() {
	facts := f.in.HostFacts()
	if len(facts.Swaps) == 0 || !f.wanted("Swap") || !preflight.KubeletSettingsOf(f.in.Cluster).FailSwapOn {
		return
	}
	fstab := facts.FixFiles[cluster.FstabFile].Reveal()
	if out, lines := swapOff(fstab); len(lines) > 0 && facts.Files[cluster.FstabFile].Target == "" {
		f.record.Fstab = with(f.record.Fstab, lines...)
		f.files = append(f.files, f.file("fstab", cluster.FstabFile, out))
	}
	for _, s := range facts.Swaps {
		// A unit of the administrator's own cannot be masked, and one made from
		// fstab goes with its line.
		mask := cluster.UnitsDir + "/" + s.Unit
		if s.Unit != "" && s.Fragment != "" && s.Fragment != mask && s.Source != cluster.FstabFile {
			f.record.Masks = with(f.record.Masks, mask)
			f.files = append(f.files, plan.Step{Name: "mask-" + s.Unit, Host: f.in.Node.Host,
				Effect: effect.Symlink{Host: f.in.Node.Host, Path: mask, Target: "/dev/null"}})
		}
		if !slices.ContainsFunc(f.record.Swaps, func(r cluster.SwapFix) bool { return r.Device == s.Device }) {
			f.record.Swaps = append(f.record.Swaps, cluster.SwapFix{Device: s.Device, Priority: s.Priority})
		}
		f.swaps = append(f.swaps, plan.Step{Name: s.Device, Host: f.in.Node.Host,
			Effect: effect.Swap{Host: f.in.Node.Host, Device: s.Device, Priority: s.Priority}})
	}
}

const ownHeader = "# Written by clusteradm --fix; taken back by clusteradm reset.\n"

// persist adds lines to a file of ours. What was there before and is not what
// an earlier fix wrote is somebody's and stays in it.
func (f *fix) persist(name, path string, lines []string) {
	current, exists := f.in.HostFacts().FixFiles[path]
	entry := cluster.FileFix{Path: path, Existed: exists, Before: bytes.Clone(current.Reveal())}
	f.record.Files = slices.DeleteFunc(f.record.Files, func(r cluster.FileFix) bool {
		if r.Path == path && exists && current.Digest() == r.Wrote {
			entry = r
		}
		return r.Path == path
	})
	content := bytes.Clone(entry.Before)
	if len(content) > 0 && content[len(content)-1] != '\n' {
		content = append(content, '\n')
	}
	content = append(content, ownHeader+strings.Join(lines, "\n")+"\n"...)
	entry.Wrote = secret.NewBytes(content).Digest()
	f.record.Files = append(f.record.Files, entry)
	if parent := gopath.Dir(path); !f.in.HostFacts().Exists(parent) {
		f.files = append(f.files, dir(f.in, name, parent, 0o755))
	}
	f.files = append(f.files, f.file(name+"/clusteradm.conf", path, content))
}

// file keeps mode and owner of what is there.
func (f *fix) file(name, path string, content []byte) plan.Step {
	attr := host.Attr{Mode: 0o644}
	if is, ok := f.in.HostFacts().Files[path]; ok {
		attr = host.Attr{Mode: modeOf(is), UID: is.UID, GID: is.GID}
	}
	return plan.Step{Name: name, Host: f.in.Node.Host, Effect: effect.File{
		Host: f.in.Node.Host, Path: path, Content: secret.NewBytes(content), Attr: attr, Shown: path != cluster.FstabFile}}
}

func (f fix) recordSteps() []plan.Step {
	data, err := json.MarshalIndent(f.record, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("encode record of fixes: %v", err)) // plain values
	}
	return []plan.Step{
		dir(f.in, "dir", "/var/lib/clusteradm", 0o700),
		secretFile(f.in, "fixes.json", cluster.FixesFile, secret.NewBytes(append(data, '\n')), 0o600),
	}
}

// with adds what is not there yet.
func with(list []string, more ...string) []string {
	for _, m := range more {
		if !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	return list
}

func clone(r cluster.Fixes) cluster.Fixes {
	return cluster.Fixes{Modules: slices.Clone(r.Modules), Sysctls: slices.Clone(r.Sysctls), Files: slices.Clone(r.Files),
		Fstab: slices.Clone(r.Fstab), Masks: slices.Clone(r.Masks), Swaps: slices.Clone(r.Swaps)}
}
