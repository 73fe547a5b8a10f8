package hosttest

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/host"
)

// Unit is a systemd unit of the machine.
type Unit struct {
	Name    string // with its suffix, "kubelet.service"
	Enabled bool
	Active  bool
	// Properties are further ones that systemctl show prints.
	Properties map[string]string
	// OnStart models what a start leaves behind. An error is a failed start.
	OnStart func(*Machine) error
	// Failing has its process die after each start, this often so far, and Log
	// is what it said.
	Failing int
	Log     string
}

type unit struct {
	Unit
	started time.Time
}

// AddUnit installs a unit.
func (m *Machine) AddUnit(u Unit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	added := &unit{Unit: u}
	if u.Active {
		added.started = m.clock()
	}
	m.units[u.Name] = added
}

// unit is one that is installed, or whose file is there.
func (m *Machine) unit(name string) *unit {
	if m.units[name] == nil && m.tree["/etc/systemd/system/"+name] != nil {
		m.units[name] = &unit{Unit: Unit{Name: name}}
	}
	return m.units[name]
}

// systemctl interprets the verbs that clusteradm uses.
func (m *Machine) systemctl(cmd host.Cmd) (host.Result, error) {
	if len(cmd.Args) < 2 {
		return host.Result{}, notUnderstood(cmd)
	}
	verb, args := cmd.Args[1], cmd.Args[2:]
	if verb == "daemon-reload" {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.loaded, m.dropIns = m.clock(), m.dropInFiles()
		return host.Result{}, nil
	}
	if verb == "show" {
		return m.show(cmd, args)
	}
	if len(args) != 1 {
		return host.Result{}, notUnderstood(cmd)
	}
	m.mu.Lock()
	u := m.unit(args[0])
	enabled, active := u != nil && u.Enabled, u != nil && u.Active
	m.mu.Unlock()
	switch verb {
	case "is-active":
		if active {
			return printed("active\n")
		}
		return host.Result{Exit: 3, Stdout: []byte("inactive\n")}, nil
	case "is-enabled":
		switch {
		case u == nil:
			return exited(1, "Failed to get unit file state for %s: No such file or directory", args[0])
		case enabled:
			return printed("enabled\n")
		}
		return host.Result{Exit: 1, Stdout: []byte("disabled\n")}, nil
	case "enable", "start", "restart", "stop":
		if u == nil {
			return exited(5, "Unit %s not found.", args[0])
		}
		return m.control(verb, u)
	}
	return host.Result{}, notUnderstood(cmd)
}

func (m *Machine) control(verb string, u *unit) (host.Result, error) {
	m.mu.Lock()
	switch verb {
	case "enable":
		u.Enabled = true
	case "stop":
		u.Active = false
	}
	start := verb == "restart" || verb == "start" && !u.Active
	if start {
		u.Active, u.started = true, m.clock()
	}
	m.mu.Unlock()
	if !start || u.OnStart == nil {
		return host.Result{}, nil
	}
	if err := u.OnStart(m); err != nil {
		m.mu.Lock()
		u.Active = false
		m.mu.Unlock()
		return exited(1, "Job for %s failed: %v", u.Name, err)
	}
	return host.Result{}, nil
}

// show prints the properties asked for, as --timestamp=us+utc has them.
func (m *Machine) show(cmd host.Cmd, args []string) (host.Result, error) {
	var properties []string
	var names []string
	for _, arg := range args {
		if list, ok := strings.CutPrefix(arg, "--property="); ok {
			properties = strings.Split(list, ",")
		} else if !strings.HasPrefix(arg, "-") {
			names = append(names, arg)
		} else if arg != "--timestamp=us+utc" {
			return host.Result{}, notUnderstood(cmd)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var blocks []string
	for _, name := range names {
		suffix, pattern := strings.CutPrefix(name, "*")
		if !pattern {
			blocks = append(blocks, m.properties(name, properties))
			continue
		}
		for _, each := range slices.Sorted(maps.Keys(m.units)) {
			if strings.HasSuffix(each, suffix) {
				blocks = append(blocks, m.properties(each, properties))
			}
		}
	}
	return printed("%s", strings.Join(blocks, "\n"))
}

// properties are lines of a unit.
func (m *Machine) properties(name string, asked []string) string {
	u := m.unit(name)
	values := map[string]string{"LoadState": "not-found", "ActiveState": "inactive"}
	if u != nil {
		values = map[string]string{"LoadState": "loaded", "UnitFileState": "disabled", "ActiveState": "inactive"}
		if u.Enabled {
			values["UnitFileState"] = "enabled"
		}
		values["Result"], values["SubState"], values["NRestarts"], values["ExecMainStatus"] = "success", "dead", "0", "0"
		if u.Failing > 0 {
			values["ActiveState"], values["SubState"], values["Result"], values["ExecMainStatus"] = "activating", "auto-restart", "exit-code", "1"
			values["NRestarts"] = strconv.Itoa(u.Failing - 1)
		} else if u.Active {
			values["ActiveState"], values["SubState"] = "active", "running"
			values["ExecMainStartTimestamp"] = u.started.UTC().Format("Mon 2006-01-02 15:04:05.000000 UTC")
		}
	}
	if u != nil {
		values["DropInPaths"], values["NeedDaemonReload"] = m.loadedDropIns(name)
		maps.Copy(values, u.Properties)
	}
	values["Id"] = name
	var out strings.Builder
	for _, p := range asked {
		fmt.Fprintf(&out, "%s=%s\n", p, values[p])
	}
	return out.String()
}

// dropInFiles are the administrator's drop-ins of all units.
func (m *Machine) dropInFiles() []string {
	var files []string
	for p := range m.tree {
		if ok, _ := path.Match("/etc/systemd/system/*.d/*.conf", p); ok {
			files = append(files, p)
		}
	}
	slices.Sort(files)
	return files
}

// loadedDropIns are those that systemd read at its last daemon-reload, and
// whether they are others now, as it says itself.
func (m *Machine) loadedDropIns(unit string) (paths, reload string) {
	of := func(files []string) []string {
		return slices.DeleteFunc(slices.Clone(files), func(p string) bool { return path.Dir(p) != "/etc/systemd/system/"+unit+".d" })
	}
	loaded, now := of(m.dropIns), of(m.dropInFiles())
	changed := func(p string) bool { return m.tree[p] != nil && m.tree[p].changed.After(m.loaded) }
	if !slices.Equal(loaded, now) || slices.ContainsFunc(now, changed) {
		return strings.Join(loaded, " "), "yes"
	}
	return strings.Join(loaded, " "), "no"
}

// Fail has the process of a unit die again, as often as is said since it was
// started.
func (m *Machine) Fail(name string, times int, log string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.units[name].Failing, m.units[name].Log = times, log
}

func (m *Machine) journalctl(cmd host.Cmd) (host.Result, error) {
	name, ok := strings.CutPrefix(cmd.Args[len(cmd.Args)-1], "--unit=")
	if !ok {
		return host.Result{}, notUnderstood(cmd)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if u := m.units[name]; u != nil {
		return printed("%s", u.Log)
	}
	return printed("-- No entries --\n")
}
