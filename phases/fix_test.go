package phases_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/phases"
)

const fstab = "UUID=1 / ext4 defaults 0 1\n/swap.img none swap sw 0 0\n# /dev/sdb none swap sw 0 0\n/dev/sdc none swap noauto 0 0\n"

// fixRig is a machine that needs everything that --fix does.
func fixRig(t *testing.T) *rig {
	r := newRig(t, "cp1", func(*rig, *hosttest.Machine) {})
	loaded := r.loaded
	m := r.world.Machine
	m.Put(cluster.FstabFile, fstab, 0o640)
	m.Put("/swap.img", hosttest.SwapSpace(), 0o600)
	m.Put("/dev/zram0", hosttest.SwapSpace(), 0o600)
	m.Put("/proc/swaps", "Filename Type Size Used Priority\n/dev/zram0 partition 8 0 100\n/swap.img file 4194304 0 -2\n", 0o444)
	m.AddUnit(hosttest.Unit{Name: "swap.img.swap", Properties: map[string]string{"What": "/swap.img", "FragmentPath": "/run/systemd/generator/swap.img.swap", "SourcePath": cluster.FstabFile}})
	m.AddUnit(hosttest.Unit{Name: "dev-zram0.swap", Properties: map[string]string{"What": "/dev/zram0", "FragmentPath": "/run/systemd/generator/dev-zram0.swap"}})
	m.Put("/etc/modules-load.d/modules.conf", "", 0o644)
	m.Put("/etc/sysctl.d/99-clusteradm.conf", "vm.swappiness = 1", 0o600) // somebody's
	r.input = func(ctx context.Context) (plan.Input, error) {
		f, err := facts.Gather(ctx, host.AsReader(m), loaded.Cluster, nil, true)
		return plan.Input{Cluster: loaded.Cluster, Node: loaded.Node, Facts: cluster.Facts{Now: now, Hosts: map[string]cluster.HostFacts{"cp1": f}}}, err
	}
	return r
}

// unfix is what reset appends.
func (r *rig) unfix(t *testing.T) (kept []string) {
	t.Helper()
	in, err := r.input(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kept = phases.Kept(in)
	list := []plan.Phase{{Name: "unfix", Plan: func(in plan.Input) ([]plan.Group, error) { return phases.Unfix(in), nil }}}
	if _, err := r.apply(t.Context(), "unfix", list); err != nil {
		t.Fatal(err)
	}
	if in, err = r.input(t.Context()); err != nil || len(phases.Unfix(in)) > 0 {
		t.Errorf("there is still something to take back: %v, %v", phases.Unfix(in), err)
	}
	return kept
}

func TestFixDoesWhatIsSafe(t *testing.T) {
	r := fixRig(t)
	if _, err := r.apply(t.Context(), "fix", phases.Fix()); err != nil {
		t.Fatal(err)
	}
	in, err := r.input(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := in.HostFacts()
	if len(f.Swaps) > 0 || !f.Modules["overlay"] || !f.Modules["br_netfilter"] || f.Sysctl[cluster.ForwardIPv4] != "1" {
		t.Errorf("swaps %v, modules %v, sysctls %v", f.Swaps, f.Modules, f.Sysctl)
	}
	for path, want := range map[string]string{
		cluster.FstabFile:       "UUID=1 / ext4 defaults 0 1\n#clusteradm-fix# /swap.img none swap sw 0 0\n# /dev/sdb none swap sw 0 0\n/dev/sdc none swap noauto 0 0\n",
		cluster.ModulesLoadFile: "# Written by clusteradm --fix; taken back by clusteradm reset.\noverlay\nbr_netfilter\n",
		cluster.SysctlFile: "vm.swappiness = 1\n# Written by clusteradm --fix; taken back by clusteradm reset.\n" +
			"net.bridge.bridge-nf-call-ip6tables = 1\nnet.bridge.bridge-nf-call-iptables = 1\nnet.ipv4.ip_forward = 1\n",
	} {
		if got, _ := r.world.Machine.Content(path); got != want {
			t.Errorf("%s is\n%s", path, got)
		}
	}
	for _, line := range []string{"/etc/systemd/system/dev-zram0.swap Lrwxrwxrwx 0:0 -> /dev/null", "/etc/fstab -rw-r-----", "/var/lib/clusteradm/fixes.json -rw-------"} {
		if !strings.Contains(r.world.Machine.Snapshot(), line) {
			t.Errorf("the machine has no %s", line)
		}
	}
}

// Whatever moment it dies at: going on and taking back gives the machine as it
// was, and so does taking back at once.
func TestFixIsTakenBackFromEveryMoment(t *testing.T) {
	start := fixRig(t).world.Machine.Snapshot(journals)
	for k := 0; ; k++ {
		ended := false
		for _, again := range []bool{true, false} {
			r := fixRig(t)
			failing := host.FailAt(r.world.Machine, k)
			r.world.Through = failing
			_, err := r.apply(t.Context(), "fix", phases.Fix())
			ended = ended || err == nil && k > 0
			r.world.Through = r.world.Machine
			if again {
				if _, err := r.apply(t.Context(), "fix", phases.Fix()); err != nil {
					t.Fatal(err)
				}
			}
			if kept := r.unfix(t); len(kept) > 0 {
				t.Errorf("dead at %d, again %t: kept %v", k, again, kept)
			}
			if diff := hosttest.Diff(start, r.world.Machine.Snapshot(journals)); diff != "" {
				t.Errorf("dead at %d, again %t:\n%s", k, again, diff)
			}
			if _, ok := r.world.Machine.Content(cluster.FixesFile); ok {
				t.Errorf("dead at %d: the record is still there", k)
			}
		}
		if ended {
			return
		}
	}
}

func TestWhatOthersChangedSinceStays(t *testing.T) {
	r := fixRig(t)
	if _, err := r.apply(t.Context(), "fix", phases.Fix()); err != nil {
		t.Fatal(err)
	}
	m := r.world.Machine
	m.Put("/proc/sys/net/ipv4/ip_forward", "2\n", 0o644)
	m.Put(cluster.ModulesLoadFile, "overlay\nmine\n", 0o644)
	m.Put(cluster.FstabFile, "UUID=1 / ext4 defaults 0 1\n/dev/new none swap sw 0 0\n", 0o640)
	m.Put(cluster.UnitsDir+"/dev-zram0.swap", "", 0o644)
	if err := m.Remove(t.Context(), cluster.UnitsDir+"/dev-zram0.swap"); err != nil {
		t.Fatal(err)
	}
	m.Put(cluster.UnitsDir+"/dev-zram0.swap", "[Swap]", 0o644)
	m.Put("/sys/module/overlay/refcnt", "3\n", 0o444)
	kept := r.unfix(t)
	if len(kept) != 4 {
		t.Errorf("kept %q", kept)
	}
	for path, want := range map[string]string{
		"/proc/sys/net/ipv4/ip_forward": "2\n", cluster.ModulesLoadFile: "overlay\nmine\n", cluster.UnitsDir + "/dev-zram0.swap": "[Swap]",
		cluster.FstabFile: "UUID=1 / ext4 defaults 0 1\n/dev/new none swap sw 0 0\n", cluster.SysctlFile: "vm.swappiness = 1", "/sys/module/overlay/refcnt": "3\n",
	} {
		if got, _ := m.Content(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

// What was right before is neither recorded nor taken back; what the user
// ignores by its name is left alone.
func TestFixLeavesAloneWhatIsRight(t *testing.T) {
	for name, c := range map[string]struct {
		before func(r *rig)
		ignore []string
		want   []string // of the record
	}{
		"all":                  {func(*rig) {}, nil, []string{"overlay", "br_netfilter", cluster.BridgeIPv4, cluster.BridgeIPv6, cluster.ForwardIPv4, "/swap.img", "/dev/zram0"}},
		"ignored all":          {func(*rig) {}, []string{"all"}, []string{"overlay", "br_netfilter", cluster.BridgeIPv4, cluster.BridgeIPv6, cluster.ForwardIPv4, "/swap.img", "/dev/zram0"}},
		"swap ignored":         {func(*rig) {}, []string{"swap"}, []string{"overlay", "br_netfilter", cluster.BridgeIPv4, cluster.BridgeIPv6, cluster.ForwardIPv4}},
		"no swap, forwarding":  {spoil("/proc/swaps", "Filename\n", "/proc/sys/net/ipv4/ip_forward", "1\n"), nil, []string{"overlay", "br_netfilter", cluster.BridgeIPv4, cluster.BridgeIPv6}},
		"bridge built in, off": {spoil("/proc/sys/net/bridge/bridge-nf-call-iptables", "0\n", "/proc/filesystems", "nodev\toverlay\n"), []string{"Swap", "FileContent--proc-sys-net-ipv4-ip_forward"}, []string{cluster.BridgeIPv4, cluster.BridgeIPv6}},
	} {
		r := fixRig(t)
		c.before(r)
		if strings.HasPrefix(name, "bridge") {
			r.world.Machine.Put("/proc/sys/net/bridge/bridge-nf-call-ip6tables", "0\n", 0o644)
		}
		in, err := r.input(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		in.Node.IgnorePreflight = c.ignore
		p, err := plan.Build("fix", phases.Fix(), in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.engine().Apply(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		after, err := r.input(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		record := after.HostFacts().Fixes
		got = append(got, record.Modules...)
		for _, s := range record.Sysctls {
			got = append(got, s.Name)
		}
		for _, s := range record.Swaps {
			got = append(got, s.Device)
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: recorded %v, want %v", name, got, c.want)
		}
	}
}

func spoil(files ...string) func(*rig) {
	return func(r *rig) {
		for i := 0; i < len(files); i += 2 {
			r.world.Machine.Put(files[i], files[i+1], 0o644)
		}
	}
}

func ExampleFix() {
	for _, p := range phases.Fix() {
		fmt.Println(p.Name)
	}
	// Output:
	// record
	// persist
	// modules
	// sysctls
	// swap
}
