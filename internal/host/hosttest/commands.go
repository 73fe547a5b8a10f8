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
	case "swapon":
		return (*Machine).swapon, nil
	case "uname":
		return (*Machine).uname, nil
	case "stat":
		return (*Machine).statFilesystems, nil
	case "getent":
		return (*Machine).getent, nil
	case "umount":
		return (*Machine).umount, nil
	case "ip":
		return (*Machine).ip, nil
	case "nft":
		return (*Machine).nft, nil
	default:
		return m.firewallProgram(name)
	}
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

// statFilesystems prints one large filesystem for all paths that exist.
func (m *Machine) statFilesystems(cmd host.Cmd) (host.Result, error) {
	if len(cmd.Args) < 6 || cmd.Args[1] != "-f" || cmd.Args[2] != "-c" || cmd.Args[3] != "%S %b %a %c %d %n" || cmd.Args[4] != "--" {
		return host.Result{}, notUnderstood(cmd)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var res host.Result
	for _, p := range cmd.Args[5:] {
		if _, _, err := m.find(p, true); err != nil {
			res.Exit = 1
			continue
		}
		res.Stdout = fmt.Appendf(res.Stdout, "4096 10485760 5242880 2621440 1310720 %s\n", p)
	}
	return res, nil
}

// getent knows the machine's own name, as systemd's resolver does.
func (m *Machine) getent(cmd host.Cmd) (host.Result, error) {
	switch {
	case len(cmd.Args) != 3 || cmd.Args[1] != "ahosts":
		return host.Result{}, notUnderstood(cmd)
	case cmd.Args[2] != m.name:
		return host.Result{Exit: 2}, nil
	}
	return printed("192.0.2.10      STREAM %s\n", m.name)
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

// modprobe makes /sys/module/NAME, as loading does, and what the module brings.
func (m *Machine) modprobe(cmd host.Cmd) (host.Result, error) {
	args := cmd.Args[1:]
	unload := len(args) == 2 && args[0] == "-r"
	if unload {
		args = args[1:]
	}
	if len(args) != 1 || strings.HasPrefix(args[0], "-") {
		return host.Result{}, notUnderstood(cmd)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	name := strings.ReplaceAll(args[0], "-", "_")
	_, n, _ := m.resolve("/sys/module/"+name, true)
	if loaded := n != nil; loaded != unload {
		return host.Result{}, nil
	}
	if unload {
		if count, ok := m.tree["/sys/module/"+name+"/refcnt"]; !ok || string(count.content) != "0\n" {
			return exited(1, "modprobe: FATAL: Module %s is in use.", name)
		}
		m.mustRemove("/sys/module/" + name)
	} else {
		m.mustPut("/sys/module/"+name+"/refcnt", "0\n", 0o444)
	}
	m.bring(name, unload)
	return host.Result{}, nil
}

// bring gives or takes what a module is known by.
func (m *Machine) bring(module string, unload bool) {
	const overlay = "nodev\toverlay\n"
	switch {
	case module == "br_netfilter" && unload:
		m.mustRemove("/proc/sys/net/bridge")
	case module == "br_netfilter":
		for _, key := range []string{"iptables", "ip6tables"} {
			m.mustPut("/proc/sys/net/bridge/bridge-nf-call-"+key, "1\n", 0o644)
		}
	case module == "overlay":
		list := string(m.tree["/proc/filesystems"].content)
		if list = strings.ReplaceAll(list, overlay, ""); !unload {
			list += overlay
		}
		m.mustPut("/proc/filesystems", list, 0o444)
	}
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
		} else {
			m.swaps[device] = line
		}
	}
	m.mustPut("/proc/swaps", kept, 0o444)
	return host.Result{}, nil
}

// SwapSpace is the begin of a file or device that is made for swap.
func SwapSpace() string { return strings.Repeat("\x00", 4086) + "SWAPSPACE2" }

// swapon switches on what swapoff switched off before.
func (m *Machine) swapon(cmd host.Cmd) (host.Result, error) {
	args := cmd.Args[1:]
	if len(args) == 3 && args[0] == "-p" {
		args = args[2:]
	}
	if len(args) != 1 || strings.HasPrefix(args[0], "-") {
		return host.Result{}, notUnderstood(cmd)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	line, ok := m.swaps[args[0]]
	_, n, err := m.find("/proc/swaps", true)
	if !ok || err != nil {
		return exited(255, "swapon: cannot open %s: No such file or directory", args[0])
	}
	delete(m.swaps, args[0])
	lines := slices.Collect(strings.Lines(strings.TrimPrefix(string(n.content), swapsHeader) + line))
	slices.Sort(lines)
	m.mustPut("/proc/swaps", swapsHeader+strings.Join(lines, ""), 0o444)
	return host.Result{}, nil
}
