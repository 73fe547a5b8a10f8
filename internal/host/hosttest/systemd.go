package hosttest

import (
	"path"
	"strings"
	"time"
)

// Unit is a systemd unit as a test sets it up or sees it.
type Unit struct {
	Name    string // "kubelet" is kubelet.service
	Enabled bool
	Active  bool
	Failed  bool
	Since   time.Time // ActiveEnterTimestamp
	// OnStart and OnStop model what the unit leaves behind, such as the
	// kubelet's certificates; they run without the machine's lock. A unit whose
	// OnStart returns an error has failed.
	OnStart, OnStop func(*Machine) error
}

// unit is what systemd knows of one. A unit that was not installed by AddUnit
// is there as long as its file is.
type unit struct {
	Unit
	installed bool
	loaded    time.Time // when its file was last read
}

// Where unit files lie, the first one counting.
var unitDirs = [...]string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"}

func unitName(name string) string {
	if path.Ext(name) == "" {
		return name + ".service"
	}
	return name
}

// AddUnit installs a unit, as a package of the distribution would. An active
// one without Since has been so since now.
func (m *Machine) AddUnit(u Unit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u.Name = unitName(u.Name)
	if u.Active && u.Since.IsZero() {
		u.Since = m.clock()
	}
	m.units[u.Name] = &unit{Unit: u, installed: true, loaded: m.clock()}
}

// OnStart sets the hook of a unit whose file may only be written later.
func (m *Machine) OnStart(name string, hook func(*Machine) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.record(unitName(name)).OnStart = hook
}

// OnStop does the same for stopping.
func (m *Machine) OnStop(name string, hook func(*Machine) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.record(unitName(name)).OnStop = hook
}

// record returns the entry of a unit, known or not.
func (m *Machine) record(name string) *unit {
	u := m.units[name]
	if u == nil {
		u = &unit{Unit: Unit{Name: name}}
		m.units[name] = u
	}
	return u
}

// Unit returns a unit and whether systemd knows it.
func (m *Machine) Unit(name string) (Unit, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.load(unitName(name))
	if u == nil {
		return Unit{}, false
	}
	return u.Unit, true
}

// load returns a unit that systemd knows or finds the file of, else nil. One
// that still runs stays known without its file.
func (m *Machine) load(name string) *unit {
	u := m.units[name]
	if fragment, _ := m.fragment(name); fragment != "" {
		u = m.record(name)
		if u.loaded.IsZero() {
			u.loaded = m.clock()
		}
		return u
	}
	if u == nil || !u.installed && !u.Active {
		return nil
	}
	return u
}

// fragment returns the unit's file and when it or a drop-in last changed.
func (m *Machine) fragment(name string) (file string, changed time.Time) {
	for _, dir := range unitDirs {
		if _, n, err := m.find(path.Join(dir, name), true); err == nil {
			file, changed = path.Join(dir, name), n.changed
			break
		}
	}
	for _, dir := range unitDirs {
		dropIns, n, err := m.find(path.Join(dir, name+".d"), true)
		if err != nil {
			continue
		}
		// The directory's own time tells of a drop-in that was removed.
		for _, p := range append(m.children(dropIns), dropIns) {
			if c := m.tree[p].changed; c.After(changed) {
				changed = c
			}
		}
		_ = n
	}
	return file, changed
}

func (m *Machine) needReload(u *unit) bool {
	_, changed := m.fragment(u.Name)
	return changed.After(u.loaded)
}

func (m *Machine) reload() {
	now := m.clock()
	m.loaded = now
	for _, u := range m.units {
		u.loaded = now
	}
}

func (u *unit) state() (active, sub string) {
	switch {
	case u.Active:
		return "active", "running"
	case u.Failed:
		return "failed", "failed"
	}
	return "inactive", "dead"
}

func (u *unit) fileState() string {
	if u.Enabled {
		return "enabled"
	}
	return "disabled"
}

// start and stop are called without the lock, because hooks need it.
func (m *Machine) start(name string) error {
	m.mu.Lock()
	u := m.record(name)
	if u.Active {
		m.mu.Unlock()
		return nil
	}
	u.Active, u.Failed, u.Since = true, false, m.clock()
	hook := u.OnStart
	m.mu.Unlock()
	if hook == nil {
		return nil
	}
	err := hook(m)
	if err != nil {
		m.mu.Lock()
		u.Active, u.Failed = false, true
		m.mu.Unlock()
	}
	return err
}

func (m *Machine) stop(name string) error {
	m.mu.Lock()
	u := m.record(name)
	was := u.Active
	u.Active, u.Failed = false, false
	hook := u.OnStop
	m.mu.Unlock()
	if hook == nil || !was {
		return nil
	}
	return hook(m)
}

// timestamp prints a time as systemctl show --timestamp=style does.
func timestamp(t time.Time, style string) (string, bool) {
	formats := map[string]string{
		"pretty": "Mon 2006-01-02 15:04:05 MST", "utc": "Mon 2006-01-02 15:04:05 MST",
		"us": "Mon 2006-01-02 15:04:05.000000 MST", "us+utc": "Mon 2006-01-02 15:04:05.000000 MST",
		"unix": "@" + strings.TrimSpace(unixSeconds(t)),
	}
	format, ok := formats[style]
	if !ok || t.IsZero() {
		return "", ok
	}
	if style == "unix" {
		return format, true
	}
	return t.UTC().Format(format), true
}
