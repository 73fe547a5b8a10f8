package hosttest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/host"
)

func unixSeconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// systemctlCall is a parsed command line.
type systemctlCall struct {
	verb, timestamp    string
	units, properties  []string
	now, quiet, values bool
}

func parseSystemctl(args []string) (c systemctlCall, ok bool) {
	c.timestamp = "pretty"
	for i := 1; i < len(args); i++ {
		arg := args[i]
		name, value, given := strings.Cut(arg, "=")
		switch {
		case arg == "--now":
			c.now = true
		case arg == "--quiet" || arg == "-q":
			c.quiet = true
		case arg == "--value":
			c.values = true
		case name == "--property" && given:
			c.properties = append(c.properties, strings.Split(value, ",")...)
		case name == "--timestamp" && given:
			c.timestamp = value
		case arg == "-p" && i+1 < len(args):
			i++
			c.properties = append(c.properties, strings.Split(args[i], ",")...)
		case strings.HasPrefix(arg, "-p") && len(arg) > 2:
			c.properties = append(c.properties, strings.Split(arg[2:], ",")...)
		case strings.HasPrefix(arg, "-"):
			return c, false
		case c.verb == "":
			c.verb = arg
		default:
			c.units = append(c.units, unitName(arg))
		}
	}
	onlyShow := len(c.properties) > 0 || c.values || c.timestamp != "pretty"
	return c, c.verb == "show" || !onlyShow
}

func (m *Machine) systemctl(cmd host.Cmd) (host.Result, error) {
	c, ok := parseSystemctl(cmd.Args)
	if !ok || (len(c.units) == 0) != (c.verb == "daemon-reload") || c.now && c.verb != "enable" && c.verb != "disable" {
		return host.Result{}, notUnderstood(cmd)
	}
	var res host.Result
	var err error
	switch c.verb {
	case "daemon-reload":
		m.mu.Lock()
		defer m.mu.Unlock()
		m.reload()
	case "enable", "disable":
		if res, err = m.enable(c); res.Exit != 0 || !c.now {
			return res, err
		}
		if c.verb == "enable" {
			return m.startStop(c, false, true)
		}
		return m.startStop(c, true, false)
	case "start":
		return m.startStop(c, false, true)
	case "stop":
		return m.startStop(c, true, false)
	case "restart":
		return m.startStop(c, true, true)
	case "is-active", "is-enabled":
		res = m.is(c)
	case "show":
		res, ok = m.show(c)
	default:
		ok = false
	}
	if !ok {
		return host.Result{}, notUnderstood(cmd)
	}
	return res, nil
}

func (m *Machine) enable(c systemctlCall) (host.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range c.units {
		if m.load(name) == nil {
			return exited(1, "Failed to %s unit: Unit file %s does not exist.", c.verb, name)
		}
	}
	for _, name := range c.units {
		m.load(name).Enabled = c.verb == "enable"
	}
	// systemctl reloads after either, unless told not to.
	m.reload()
	return host.Result{}, nil
}

func (m *Machine) startStop(c systemctlCall, stop, start bool) (host.Result, error) {
	var warnings strings.Builder
	for _, name := range c.units {
		m.mu.Lock()
		u := m.load(name)
		stale := u != nil && m.needReload(u)
		m.mu.Unlock()
		if u == nil {
			verb := "start"
			if !start {
				verb = "stop"
			}
			return exited(5, "Failed to %s %s: Unit %s not %s.", verb, name, name, map[bool]string{true: "found", false: "loaded"}[start])
		}
		if stale {
			fmt.Fprintf(&warnings, "Warning: The unit file, source configuration file or drop-ins of %s changed on disk. Run 'systemctl daemon-reload' to reload units.\n", name)
		}
		if stop {
			if err := m.stop(name); err != nil {
				return exited(1, "%sJob for %s failed: %v", warnings.String(), name, err)
			}
		}
		if start {
			if err := m.start(name); err != nil {
				return exited(1, "%sJob for %s failed: %v", warnings.String(), name, err)
			}
		}
	}
	return host.Result{Stderr: []byte(warnings.String())}, nil
}

// is answers for each unit; one with the answer yes is enough for exit code 0.
func (m *Machine) is(c systemctlCall) host.Result {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out strings.Builder
	yes, no := false, 0
	for _, name := range c.units {
		u := m.load(name)
		var answer string
		switch {
		case c.verb == "is-active" && u == nil:
			answer, no = "inactive", max(no, 4)
		case c.verb == "is-active":
			answer, _ = u.state()
			no = max(no, 3)
		case u == nil:
			answer, no = "not-found", max(no, 4)
		default:
			answer = u.fileState()
			no = max(no, 1)
		}
		yes = yes || answer == "active" || answer == "enabled"
		fmt.Fprintln(&out, answer)
	}
	res := host.Result{Exit: no}
	if yes {
		res.Exit = 0
	}
	if !c.quiet {
		res.Stdout = []byte(out.String())
	}
	return res
}

// show prints the properties asked for, which must be ones it models: real
// systemd leaves out what it doesn't know, and a test would not notice.
func (m *Machine) show(c systemctlCall) (host.Result, bool) {
	if len(c.properties) == 0 {
		return host.Result{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out strings.Builder
	for i, name := range c.units {
		if i > 0 {
			out.WriteString("\n")
		}
		for _, property := range c.properties {
			value, ok := m.property(name, property, c.timestamp)
			if !ok {
				return host.Result{}, false
			}
			if !c.values {
				out.WriteString(property + "=")
			}
			out.WriteString(value + "\n")
		}
	}
	return host.Result{Stdout: []byte(out.String())}, true
}

func (m *Machine) property(name, property, style string) (string, bool) {
	u, load := m.load(name), "loaded"
	if u == nil {
		u, load = &unit{Unit: Unit{Name: name}}, "not-found"
	}
	active, sub := u.state()
	switch property {
	case "Id":
		return name, true
	case "LoadState":
		return load, true
	case "ActiveState":
		return active, true
	case "SubState":
		return sub, true
	case "UnitFileState":
		if load == "not-found" {
			return "", true
		}
		return u.fileState(), true
	case "FragmentPath":
		file, _ := m.fragment(name)
		return file, true
	case "NeedDaemonReload":
		return map[bool]string{true: "yes", false: "no"}[load == "loaded" && m.needReload(u)], true
	case "ActiveEnterTimestamp":
		return timestamp(u.Since, style)
	}
	return "", false
}
