package hosttest

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// furnish puts there what a fresh machine has.
func (m *Machine) furnish() {
	m.tree["/"] = &node{mode: fs.ModeDir | 0o755, mtime: m.clock(), changed: m.clock()}
	for _, dir := range []string{
		"/etc/systemd/system", "/run", "/usr/bin", "/usr/local/bin", "/usr/lib/systemd/system",
		"/opt", "/var/lib", "/var/log", "/tmp", "/root", "/sys/module",
	} {
		m.mustMkdir(dir)
	}
	for key, value := range map[string]string{
		"net/ipv4/ip_forward": "0", "net/ipv6/conf/all/forwarding": "0", "vm/overcommit_memory": "0",
		"kernel/panic": "0", "kernel/panic_on_oops": "0", "fs/inotify/max_user_instances": "128",
	} {
		m.mustPut("/proc/sys/"+key, value+"\n", 0o644)
	}
	m.mustPut(mountInfo, "1 0 0:1 / / rw - ext4 /dev/root rw\n", 0o444)
	m.mustPut("/proc/filesystems", "nodev\tproc\n", 0o444)
	m.mustPut("/proc/swaps", swapsHeader+"/swap.img file 4194304 0 -2\n", 0o444)
}

func (m *Machine) mustMkdir(p string) {
	if _, _, err := m.mkdirAll(p); err != nil {
		panic(fmt.Sprintf("hosttest: make directory %s: %v", p, err))
	}
}

func (m *Machine) mustPut(p, content string, mode fs.FileMode) {
	m.mustMkdir(path.Dir(p))
	at, n, err := m.resolve(p, true)
	if err != nil || n != nil && n.mode.IsDir() {
		panic(fmt.Sprintf("hosttest: put %s: is a directory or %v", p, err))
	}
	m.put(at, &node{mode: mode.Perm(), content: []byte(content)})
}

// mustRemove removes a path with all below it.
func (m *Machine) mustRemove(p string) {
	for _, child := range m.children(p) {
		m.mustRemove(child)
	}
	delete(m.tree, p)
}

// Put writes a file of root's behind clusteradm's back, as an administrator or
// a component would, with the directories that it needs. It follows links and
// panics where that can't be.
func (m *Machine) Put(p, content string, mode fs.FileMode) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mustPut(p, content, mode)
}

// Content returns what is in a file and whether it is there.
func (m *Machine) Content(p string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, n, err := m.find(p, true)
	if err != nil || !n.mode.IsRegular() {
		return "", false
	}
	return string(n.content), true
}

// Symlink makes a symbolic link, in place of a file or link that is there.
func (m *Machine) Symlink(target, p string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mustMkdir(path.Dir(p))
	at, n, err := m.resolve(p, false)
	if err != nil {
		return fmt.Errorf("link %s: %w", p, err)
	}
	if n != nil && n.mode.IsDir() {
		return fmt.Errorf("link %s: %w", p, fs.ErrExist)
	}
	m.put(at, &node{mode: fs.ModeSymlink | 0o777, target: target})
	return nil
}

// Listener is a listening TCP socket, as ss shows it.
type Listener struct {
	Addr    string // "127.0.0.1", "0.0.0.0", "*", "[::]"
	Port    int
	Process string
	PID     int
}

// Listen adds a listener.
func (m *Machine) Listen(l Listener) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listeners = append(m.listeners, l)
}

// Unlisten removes the listeners of a process.
func (m *Machine) Unlisten(process string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := m.listeners[:0:0]
	for _, l := range m.listeners {
		if l.Process != process {
			kept = append(kept, l)
		}
	}
	m.listeners = kept
}

const kubeletMark = "#!fake kubelet "

// KubeletBinary returns the content of a fake kubelet. A machine with it at
// /usr/local/bin/kubelet or /usr/bin/kubelet answers kubelet --version with
// version, so that installing and upgrading binaries can be tested.
func KubeletBinary(version string) []byte { return []byte(kubeletMark + version + "\n") }

// kubeletVersion is that of the first binary in PATH, else the Options'.
func (m *Machine) kubeletVersion() string {
	for _, dir := range []string{"/usr/local/bin/", "/usr/bin/"} {
		_, n, err := m.find(dir+"kubelet", true)
		if err != nil || n.mode&0o111 == 0 {
			continue
		}
		if version, ok := strings.CutPrefix(string(n.content), kubeletMark); ok {
			return strings.TrimSpace(version)
		}
	}
	return m.kubelet
}
