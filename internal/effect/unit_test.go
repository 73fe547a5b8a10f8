package effect_test

import (
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/plan/plantest"
)

// systemd is a machine whose systemctl prints what is given, and whose input
// was changed at the given time.
func systemd(t *testing.T, output string, changed time.Time) *world {
	t.Helper()
	m := hosttest.New("n1", hosttest.Options{Clock: func() time.Time { return changed }})
	m.AddProgram("systemctl", func(_ *hosttest.Machine, cmd host.Cmd) (host.Result, error) {
		if got := strings.Join(cmd.Args, " "); !strings.Contains(got, " --timestamp=us+utc ") || !strings.HasSuffix(got, " kubelet.service") {
			t.Errorf("systemd is asked %s", got)
		}
		return host.Result{Stdout: []byte(output)}, nil
	})
	m.Put(path, "input", 0o644)
	return &world{plantest.New(m)}
}

func properties(unitFile, active, started string) string {
	return "LoadState=loaded\nActiveState=" + active + "\nUnitFileState=" + unitFile + "\nExecMainStartTimestamp=" + started + "\n"
}

// A restart is due when an input changed later than the start, to the
// microsecond that systemd gives.
func TestUnitRestartIsDue(t *testing.T) {
	at := func(micro int) time.Time { return now.Add(time.Duration(micro) * time.Microsecond) }
	const fraction, whole = "Sat 2026-11-21 06:00:00.000005 UTC", "Sat 2026-11-21 06:00:00 UTC"
	for name, c := range map[string]struct {
		started string
		changed time.Time
		want    plan.Verb
	}{
		"before the start":                 {fraction, at(4), plan.None},
		"at the start":                     {fraction, at(5), plan.None},
		"after the start":                  {fraction, at(6), plan.Restart},
		"before a start without fraction":  {whole, at(-1), plan.None},
		"after a start without fraction":   {whole, at(1), plan.Restart},
		"a day before, another local time": {fraction, at(0).Add(-24 * time.Hour).In(time.FixedZone("", 3600)), plan.None},
		"an hour later":                    {"Sat 2026-11-21 06:00:00.999999 UTC", at(0).Add(time.Hour), plan.Restart},
	} {
		t.Run(name, func(t *testing.T) {
			w := systemd(t, properties("enabled", "active", c.started), c.changed)
			u := effect.Unit{Host: "n1", Name: "kubelet.service", Inputs: []string{conf + "/none", path}}
			change := look(t, w, u)
			if change.Verb != c.want {
				t.Errorf("%+v, want %q", change, c.want)
			}
			if c.want == plan.Restart && !strings.Contains(change.Summary, path) {
				t.Errorf("%q does not name the input", change.Summary)
			}
		})
	}
}

func TestUnitState(t *testing.T) {
	const started = "Sat 2026-11-21 06:00:00.000005 UTC"
	for name, c := range map[string]struct {
		output string
		want   plan.Verb
	}{
		"active":                      {properties("enabled", "active", started), plan.None},
		"not enabled":                 {properties("disabled", "active", started), plan.Update},
		"enabled until the next boot": {properties("enabled-runtime", "active", started), plan.Update},
		"never started":               {properties("enabled", "inactive", ""), plan.Start},
		"failed":                      {properties("enabled", "failed", started), plan.Start},
		"waiting for its restart":     {properties("enabled", "activating", started), plan.Start},
	} {
		t.Run(name, func(t *testing.T) {
			w := systemd(t, c.output, now)
			if got := look(t, w, effect.Unit{Host: "n1", Name: "kubelet.service"}); got.Verb != c.want {
				t.Errorf("%+v, want %q", got, c.want)
			}
		})
	}
	for name, output := range map[string]string{
		"unknown to systemd":   "LoadState=not-found\nActiveState=inactive\nUnitFileState=\nExecMainStartTimestamp=\n",
		"no time":              properties("enabled", "active", ""),
		"a time of older ones": properties("enabled", "active", "Sat 2026-11-21 07:00:00 CET"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := effect.Unit{Host: "n1", Name: "kubelet.service"}.Observe(t.Context(), systemd(t, output, now))
			if err == nil || !strings.Contains(err.Error(), "kubelet.service") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestUnitIsReloadedBeforeItStarts(t *testing.T) {
	w := newWorld(t)
	unit(false, false)(t, w)
	log := &host.Log{}
	w.Through = host.Record(w.Machine, log)
	converge(t, w, effect.Unit{Host: "n1", Name: "kubelet.service"})
	want := "run systemctl enable kubelet.service\nrun systemctl daemon-reload\nrun systemctl restart kubelet.service\n"
	if log.String() != want {
		t.Errorf("it ran\n%s", log)
	}
}

func TestUnitFailing(t *testing.T) {
	const journal = "Started kubelet.\nfirst\nsecond\n\nkubelet.service: Main process exited\nthird\nfourth\n"
	for name, c := range map[string]struct {
		shown, journal string
		want           string // empty: it does not fail
	}{
		"runs":                  {"ActiveState=active\nSubState=running\nResult=success\nNRestarts=7\n", journal, ""},
		"is being started":      {"ActiveState=activating\nSubState=start\nResult=success\nNRestarts=3\n", journal, ""},
		"failed once":           {"ActiveState=activating\nSubState=auto-restart\nResult=exit-code\nNRestarts=0\n", journal, ""},
		"was stopped":           {"ActiveState=inactive\nSubState=dead\nResult=success\nNRestarts=0\n", journal, ""},
		"failed twice":          {"ActiveState=activating\nSubState=auto-restart\nResult=exit-code\nNRestarts=1\nExecMainStatus=255\n", journal, "(exit-code, status 255)\n  | second\n  | third\n  | fourth"},
		"was given up":          {"ActiveState=failed\nSubState=failed\nResult=start-limit-hit\nNRestarts=5\nExecMainStatus=1\n", "", "(start-limit-hit, status 1)"},
		"says why, then usage":  {"ActiveState=failed\nResult=exit-code\nExecMainStatus=1\n", "E1127 06:00:00 x.go:1] why\nUsage:\n  kubelet\nErrors\n", "status 1)\n  | E1127 06:00:00 x.go:1] why"},
		"says a lot in no time": {"ActiveState=failed\nResult=oom-kill\nExecMainStatus=9\n", strings.Repeat("x", 500), strings.Repeat("x", 300) + "…"},
	} {
		m := hosttest.New("n1", hosttest.Options{})
		m.AddProgram("systemctl", func(*hosttest.Machine, host.Cmd) (host.Result, error) {
			return host.Result{Stdout: []byte(c.shown)}, nil
		})
		m.AddProgram("journalctl", func(*hosttest.Machine, host.Cmd) (host.Result, error) {
			return host.Result{Stdout: []byte(c.journal)}, nil
		})
		err := effect.UnitFailing(t.Context(), m, "kubelet.service")
		if (err != nil) != (c.want != "") || err != nil && !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A unit whose file an earlier step writes is started by then: a dry run shows
// both.
func TestUnitWhoseFileIsToBeWritten(t *testing.T) {
	w := newWorld(t)
	u := effect.Unit{Host: "n1", Name: "ours.service", Inputs: []string{"/etc/systemd/system/ours.service"}}
	if got := look(t, w, u); got.Verb != plan.Start {
		t.Errorf("%+v", got)
	}
	u.Inputs = []string{"/etc/systemd/system/ours.service.d/more.conf"}
	if _, err := u.Observe(t.Context(), w); err == nil {
		t.Error("a drop-in makes no unit")
	}
}
