package hosttest

import (
	"errors"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/host"
)

// The programs of --fix and of its undo leave the machine as it was, as the
// real ones do.
func TestModulesAndSwapComeAndGo(t *testing.T) {
	m := New("n1", Options{})
	m.Put("/swap.img", "", 0o600)
	before := m.Snapshot()
	run := func(args ...string) error {
		_, err := m.Run(t.Context(), host.Cmd{Args: args})
		return err
	}
	for _, args := range [][]string{{"modprobe", "overlay"}, {"modprobe", "overlay"}, {"modprobe", "br_netfilter"}, {"swapoff", "/swap.img"}} {
		if err := run(args...); err != nil {
			t.Fatal(err)
		}
	}
	if list, _ := m.Content("/proc/filesystems"); strings.Count(list, "overlay") != 1 {
		t.Errorf("filesystems are %q", list)
	}
	m.Put("/sys/module/overlay/refcnt", "2\n", 0o444)
	var failed *host.ExitError
	if err := run("modprobe", "-r", "overlay"); !errors.As(err, &failed) || !strings.Contains(failed.Stderr, "in use") {
		t.Errorf("unloading what is in use: %v", err)
	}
	m.Put("/sys/module/overlay/refcnt", "0\n", 0o444)
	for _, args := range [][]string{{"modprobe", "-r", "overlay"}, {"modprobe", "-r", "br_netfilter"}, {"modprobe", "-r", "br_netfilter"}, {"swapon", "-p", "3", "/swap.img"}} {
		if err := run(args...); err != nil {
			t.Fatal(err)
		}
	}
	if diff := Diff(before, m.Snapshot()); diff != "" {
		t.Errorf("it is not as before:\n%s", diff)
	}
	if err := run("swapon", "/none"); !errors.As(err, &failed) {
		t.Errorf("switching on what is not there: %v", err)
	}
}

// Healthy, and with what programs say of it.
func TestProgramsOfTheChecks(t *testing.T) {
	m := New("n1", Options{})
	m.Healthy()
	m.AddUnit(Unit{Name: "a.swap", Properties: map[string]string{"What": "/a"}})
	m.AddUnit(Unit{Name: "b.swap", Active: true})
	for line, want := range map[string]string{
		"stat -f -c %S %b %a %c %d %n -- /var/lib /none": "/var/lib\n",
		"getent ahosts n1":                                        "192.0.2.10      STREAM n1\n",
		"systemctl show --property=Id,What *.swap":                "Id=a.swap\nWhat=/a\n\nId=b.swap\nWhat=\n",
		"systemctl show --property=Id,LoadState x.service a.swap": "Id=x.service\nLoadState=not-found\n\nId=a.swap\nLoadState=loaded\n",
	} {
		args := strings.Fields(line)
		if strings.HasPrefix(line, "stat") {
			args = []string{"stat", "-f", "-c", "%S %b %a %c %d %n", "--", "/var/lib", "/none"}
		}
		res, _ := m.Query(t.Context(), host.Cmd{Args: args}) // stat fails for what is not there
		if !strings.HasSuffix(string(res.Stdout), want) {
			t.Errorf("%s printed %q, want %q", line, res.Stdout, want)
		}
	}
	if res, err := m.Query(t.Context(), host.Cmd{Args: []string{"getent", "ahosts", "other"}}); err == nil || res.Exit != 2 {
		t.Errorf("an unknown name: %v, %v", res, err)
	}
}
