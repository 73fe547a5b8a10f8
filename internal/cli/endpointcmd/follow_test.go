package endpointcmd

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/plan"
)

func backendsAt(list ...string) []netip.AddrPort {
	var out []netip.AddrPort
	for _, s := range list {
		out = append(out, netip.MustParseAddrPort(s+":6443"))
	}
	return out
}

// A control plane that restarts is off the list for a while and is not
// forgotten; one that stays away is.
func TestBackendsAreKeptForAWhile(t *testing.T) {
	f := &follower{named: map[netip.AddrPort]time.Time{}}
	start := time.Date(2026, 11, 27, 18, 0, 0, 0, time.UTC)
	has := backendsAt("192.0.2.10") // what the file had when the process started
	for _, c := range []struct {
		after       time.Duration
		names, want []netip.AddrPort
	}{
		{0, backendsAt("192.0.2.11"), backendsAt("192.0.2.10", "192.0.2.11")},
		{keep - time.Second, backendsAt("192.0.2.12"), backendsAt("192.0.2.10", "192.0.2.11", "192.0.2.12")},
		{keep, backendsAt("192.0.2.11"), backendsAt("192.0.2.11", "192.0.2.12")},
		{keep + time.Second, backendsAt("192.0.2.11"), backendsAt("192.0.2.11", "192.0.2.12")},
		{3 * keep, backendsAt("192.0.2.11"), backendsAt("192.0.2.11")},
		{3*keep + time.Second, backendsAt("192.0.2.10"), backendsAt("192.0.2.10", "192.0.2.11")}, // back after all
	} {
		got := f.backends(start.Add(c.after), has, c.names)
		slices.SortFunc(got, netip.AddrPort.Compare)
		if !slices.Equal(got, c.want) {
			t.Errorf("after %s: %v, want %v", c.after, got, c.want)
		}
		has = got
	}
}

// A haproxy that does not take its configuration, or does not run, keeps no
// other command from the machine for long.
func TestARoundThatFailedIsNotTriedAtOnce(t *testing.T) {
	now := time.Date(2026, 11, 27, 18, 0, 0, 0, time.UTC)
	change := func(verb plan.Verb) []engine.StepChange {
		return []engine.StepChange{{Change: plan.Change{Verb: verb}}}
	}
	f := &follower{}
	if due, err := f.due(now, change(plan.Update)); !due || err != nil {
		t.Errorf("a change is due: %t, %v", due, err)
	}
	for _, verb := range []plan.Verb{plan.None, plan.Unknown} {
		if due, err := f.due(now, change(verb)); due || err != nil {
			t.Errorf("verb %q is due: %t, %v", verb, due, err)
		}
	}
	f.failed, f.until = errors.New("it does not reload"), now.Add(pause)
	if due, err := f.due(now.Add(pause-time.Second), change(plan.Update)); due || err == nil {
		t.Errorf("it is tried again: %t, %v", due, err)
	}
	if due, _ := f.due(now.Add(pause), change(plan.Update)); !due {
		t.Error("it is never tried again")
	}
}
