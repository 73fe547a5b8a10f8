package hosttest

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/clusteradm/clusteradm/internal/host"
)

// program returns what interprets a command, nil if nothing does, and
// fs.ErrNotExist for one that is known but not installed.
func (m *Machine) program(name string) (Program, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.programs[name]; p != nil {
		return p, nil
	}
	switch name {
	case "systemctl":
		return (*Machine).systemctl, nil
	case "journalctl":
		return (*Machine).journalctl, nil
	case "ss":
		return (*Machine).ss, nil
	case "kubelet":
		if m.kubeletVersion() == "" {
			return nil, fmt.Errorf("no such program: %w", fs.ErrNotExist)
		}
		return (*Machine).kubeletCommand, nil
	case "sysctl":
		return (*Machine).sysctl, nil
	case "modprobe":
		return (*Machine).modprobe, nil
	case "swapoff":
		return (*Machine).swapoff, nil
	case "uname":
		return (*Machine).uname, nil
	}
	return nil, nil
}

func (m *Machine) uname(cmd host.Cmd) (host.Result, error) {
	switch {
	case len(cmd.Args) < 2 || cmd.Args[1] != "-r":
		return host.Result{}, notUnderstood(cmd)
	case len(cmd.Args) > 2:
		return exited(1, "uname: extra operand '%s'", cmd.Args[2])
	}
	return printed("%s\n", m.kernel)
}

func (m *Machine) kubeletCommand(cmd host.Cmd) (host.Result, error) {
	if len(cmd.Args) != 2 || cmd.Args[1] != "--version" {
		return host.Result{}, notUnderstood(cmd)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return printed("Kubernetes %s\n", m.kubeletVersion())
}

// ss lists listening TCP sockets; its switches may be apart or together.
func (m *Machine) ss(cmd host.Cmd) (host.Result, error) {
	given := map[rune]bool{}
	for _, arg := range cmd.Args[1:] {
		letters, ok := strings.CutPrefix(arg, "-")
		if !ok || strings.Trim(letters, "Hltnp") != "" {
			return host.Result{}, notUnderstood(cmd)
		}
		for _, l := range letters {
			given[l] = true
		}
	}
	if !given['H'] || !given['l'] || !given['t'] || !given['n'] {
		return host.Result{}, notUnderstood(cmd)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	for _, l := range m.listeners {
		peer := "0.0.0.0:*"
		if !strings.Contains(l.Addr, ".") {
			peer = l.Addr + ":*"
			if l.Addr != "*" {
				peer = "[::]:*"
			}
		}
		fmt.Fprintf(&b, "LISTEN 0      4096   %s %s", l.Addr+":"+strconv.Itoa(l.Port), peer)
		if given['p'] && l.Process != "" {
			fmt.Fprintf(&b, " users:((%q,pid=%d,fd=3))", l.Process, l.PID)
		}
		b.WriteString("\n")
	}
	return printed("%s", b.String())
}

// sysctl writes below /proc/sys, where others read.
func (m *Machine) sysctl(cmd host.Cmd) (host.Result, error) {
	if len(cmd.Args) < 3 || cmd.Args[1] != "-w" {
		return host.Result{}, notUnderstood(cmd)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out strings.Builder
	for _, arg := range cmd.Args[2:] {
		key, value, ok := strings.Cut(arg, "=")
		if !ok {
			return exited(1, "sysctl: %q must be of the form name=value", arg)
		}
		file := "/proc/sys/" + strings.ReplaceAll(key, ".", "/")
		if _, n, err := m.find(file, true); err != nil || n.mode.IsDir() {
			return exited(1, "sysctl: cannot stat %s: No such file or directory", file)
		}
		m.mustPut(file, value+"\n", 0o644)
		fmt.Fprintf(&out, "%s = %s\n", key, value)
	}
	return printed("%s", out.String())
}

// modprobe makes /sys/module/NAME, which built-in modules have as well.
func (m *Machine) modprobe(cmd host.Cmd) (host.Result, error) {
	if len(cmd.Args) != 2 || strings.HasPrefix(cmd.Args[1], "-") {
		return host.Result{}, notUnderstood(cmd)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	name := strings.ReplaceAll(cmd.Args[1], "-", "_")
	if _, n, _ := m.resolve("/sys/module/"+name, true); n != nil {
		return host.Result{}, nil
	}
	m.mustMkdir("/sys/module/" + name)
	if name == "br_netfilter" {
		for _, key := range []string{"iptables", "ip6tables"} {
			m.mustPut("/proc/sys/net/bridge/bridge-nf-call-"+key, "1\n", 0o644)
		}
	}
	return host.Result{}, nil
}

const swapsHeader = "Filename Type Size Used Priority\n"

func (m *Machine) swapoff(cmd host.Cmd) (host.Result, error) {
	if len(cmd.Args) < 2 || cmd.Args[1] != "-a" && strings.HasPrefix(cmd.Args[1], "-") {
		return host.Result{}, notUnderstood(cmd)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, n, err := m.find("/proc/swaps", true)
	if err != nil {
		return exited(255, "swapoff: /proc/swaps: No such file or directory")
	}
	kept := swapsHeader
	for line := range strings.Lines(strings.TrimPrefix(string(n.content), swapsHeader)) {
		device, _, _ := strings.Cut(line, " ")
		if cmd.Args[1] != "-a" && !slices.Contains(cmd.Args[1:], device) {
			kept += line
		}
	}
	m.mustPut("/proc/swaps", kept, 0o444)
	return host.Result{}, nil
}
