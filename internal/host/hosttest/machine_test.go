package hosttest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
)

func TestConformance(t *testing.T) {
	hosttest.RunConformance(t, func(*testing.T) host.Host { return hosttest.New("fake", hosttest.Options{}) })
}

func TestUnits(t *testing.T) {
	m := hosttest.New("fake", hosttest.Options{})
	started := 0
	m.AddUnit(hosttest.Unit{Name: "kubelet.service", OnStart: func(m *hosttest.Machine) error {
		started++
		m.Put("/var/lib/kubelet/pki/kubelet.crt", "made by the kubelet", 0o644)
		return nil
	}})
	run := func(args ...string) (host.Result, error) {
		return m.Run(t.Context(), host.Cmd{Args: append([]string{"systemctl"}, args...)})
	}
	if _, err := run("is-active", "kubelet.service"); err == nil {
		t.Error("a unit that was not started is active")
	}
	for _, args := range [][]string{{"enable", "kubelet.service"}, {"daemon-reload"}, {"restart", "kubelet.service"}} {
		if _, err := run(args...); err != nil {
			t.Fatal(err)
		}
	}
	res, err := run("show", "--timestamp=us+utc", "--property=LoadState,UnitFileState,ActiveState", "kubelet.service")
	if want := "LoadState=loaded\nUnitFileState=enabled\nActiveState=active\n"; err != nil || string(res.Stdout) != want {
		t.Errorf("show printed %q, %v", res.Stdout, err)
	}
	if _, ok := m.Content("/var/lib/kubelet/pki/kubelet.crt"); !ok || started != 1 {
		t.Errorf("the start was modelled %d times", started)
	}
	var exit *host.ExitError
	if _, err := run("start", "none.service"); !errors.As(err, &exit) || exit.Exit != 5 {
		t.Errorf("start of an unknown unit: %v", err)
	}
}

// A command that the machine does not know must never pass for done.
func TestUnknownCommandsFail(t *testing.T) {
	m := hosttest.New("fake", hosttest.Options{})
	for _, args := range [][]string{{"iptables", "-F"}, {"systemctl", "mask", "x"}, {"systemctl"}} {
		if _, err := m.Run(t.Context(), host.Cmd{Args: args}); err == nil || !strings.Contains(err.Error(), "not understood") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestSnapshotShowsEveryChange(t *testing.T) {
	m := hosttest.New("fake", hosttest.Options{})
	before := m.Snapshot()
	m.Put("/etc/x", "1", 0o644)
	if diff := hosttest.Diff(before, m.Snapshot()); !strings.HasPrefix(diff, "+/etc/x -rw-r--r--") {
		t.Errorf("diff is %q", diff)
	}
	if diff := hosttest.Diff(before, m.Snapshot("/etc/x")); diff != "" {
		t.Errorf("a path that is left out shows: %q", diff)
	}
}
