package nodes

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/clusteradm/clusteradm/internal/cri/client"
	"github.com/clusteradm/clusteradm/internal/host/local"
)

// Node is one machine of a lab.
type Node struct {
	lab   *Lab
	state nodeState
}

// Name is the node's host name.
func (n *Node) Name() string { return n.state.Name }

// Address is the node's address, reachable from this machine and its lab.
func (n *Node) Address() string { return n.state.Address }

// Root is the node's root directory as seen from this machine, running or not.
func (n *Node) Root() string { return filepath.Join(n.dir(), "root") }

// Console is the file with everything the node wrote to its console.
func (n *Node) Console() string { return filepath.Join(n.dir(), "console.log") }

func (n *Node) dir() string { return n.lab.state.nodeDir(n.state.Name) }
func (n *Node) containerd() string {
	return filepath.Join(n.lab.state.Data, n.state.Name, "containerd")
}
func (n *Node) cgroup() cgroup { return cgroup{n.lab.state.Name, n.state.Name} }

// Running says whether the node is on.
func (n *Node) Running() bool {
	_, err := n.cgroup().init()
	return err == nil
}

// prepare lays out the node's own files and mounts its root.
func (n *Node) prepare(ctx context.Context) error {
	s := n.lab.state
	upper := filepath.Join(n.dir(), "upper")
	for _, d := range []string{upper, filepath.Join(n.dir(), "work"), n.Root(), filepath.Dir(n.containerd())} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("prepare %s: %w", n.Name(), err)
		}
	}
	key := filepath.Join(upper, "etc/ssh/ssh_host_ed25519_key")
	if err := os.MkdirAll(filepath.Dir(key), 0o755); err != nil {
		return fmt.Errorf("prepare %s: %w", n.Name(), err)
	}
	if err := run(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", n.Name(), "-f", key); err != nil {
		return fmt.Errorf("prepare %s: %w", n.Name(), err)
	}
	public, err := os.ReadFile(n.lab.KeyFile() + ".pub")
	if err != nil {
		return fmt.Errorf("prepare %s: %w", n.Name(), err)
	}
	for path, content := range nodeFiles(s, n.state, string(public)) {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(path, "root/") {
			mode = 0o600
		}
		if err := writeFile(filepath.Join(upper, path), content, mode); err != nil {
			return fmt.Errorf("prepare %s: %w", n.Name(), err)
		}
	}
	for path, mode := range map[string]os.FileMode{"root": 0o700, "root/.ssh": 0o700} {
		if err := os.Chmod(filepath.Join(upper, path), mode); err != nil {
			return fmt.Errorf("prepare %s: %w", n.Name(), err)
		}
	}
	if err := copyImages(ctx, s.Images, n.containerd()); err != nil {
		return fmt.Errorf("prepare %s: %w", n.Name(), err)
	}
	options := "lowerdir=" + strings.Join(s.Lower, ":") + ",upperdir=" + upper + ",workdir=" + filepath.Join(n.dir(), "work")
	if err := run(ctx, "mount", "-t", "overlay", "lab-"+s.Name, "-o", options, n.Root()); err != nil {
		return fmt.Errorf("prepare %s: %w", n.Name(), err)
	}
	return nil
}

// nodeFiles are the files in which nodes differ.
func nodeFiles(s *state, n nodeState, key string) map[string]string {
	hosts := "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
	for _, other := range s.Nodes {
		hosts += other.Address + " " + other.Name + "\n"
	}
	return map[string]string{
		"etc/hostname":   n.Name + "\n",
		"etc/machine-id": strings.ReplaceAll(n.UUID, "-", "") + "\n",
		"etc/hosts":      hosts,
		// Nothing answers there, and says so at once: a lab has no outside.
		"etc/resolv.conf":           "nameserver " + s.gateway() + "\n",
		"etc/lab/dmi/product_uuid":  n.UUID + "\n",
		"etc/lab/dmi/product_name":  "clusteradm lab\n",
		"etc/lab/dmi/sys_vendor":    "clusteradm\n",
		"root/.ssh/authorized_keys": key,
	}
}

// copyImages gives a node its containerd root. Layers and blobs are never
// written in place (a container writes to its own upper directory), so they are
// hard links; the databases are copies.
func copyImages(ctx context.Context, from, to string) error {
	if err := run(ctx, "cp", "-al", from, to); err != nil {
		return err
	}
	for _, pattern := range []string{"*/*.db", "*/*/*.db"} {
		matches, err := filepath.Glob(filepath.Join(from, pattern))
		if err != nil {
			return err
		}
		for _, m := range matches {
			rel, _ := filepath.Rel(from, m)
			target := filepath.Join(to, rel)
			if err := os.Remove(target); err != nil {
				return err
			}
			if err := run(ctx, "cp", "-a", m, target); err != nil {
				return err
			}
		}
	}
	return nil
}

// Start switches the node on and waits until its SSH server and its container
// runtime answer. It has no effect on a node that is on.
func (n *Node) Start(ctx context.Context) error {
	if n.Running() {
		return nil
	}
	s := n.lab.state
	if err := s.plug(ctx, n.state); err != nil {
		return err
	}
	c := n.cgroup()
	if err := c.remove(ctx); err != nil {
		return err
	}
	if err := c.create(); err != nil {
		return err
	}
	list, err := hierarchies()
	if err != nil {
		return err
	}
	console, err := os.OpenFile(n.Console(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", n.Name(), err)
	}
	defer console.Close()
	// A shell moves itself into the cgroups and becomes systemd-nspawn there,
	// so that the node's cgroup namespace is rooted in them.
	argv := []string{"-c", `for f in $CGROUPS; do echo $$ > "$f" || exit 1; done; unset CGROUPS; exec "$@"`, "sh",
		"systemd-nspawn", "--quiet", "-D", n.Root(), "--boot", "--register=no", "--keep-unit",
		"--machine=lab-" + s.Name + "-" + n.Name(), "--hostname=" + n.Name(), "--uuid=" + strings.ReplaceAll(n.state.UUID, "-", ""),
		"--network-namespace-path=/run/netns/" + s.netns(n.Name()), "--capability=all", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
		"--bind=/dev/kmsg", "--bind=" + n.containerd() + ":/var/lib/containerd",
		"--system-call-filter=@raw-io bpf keyctl @keyring @module @mount"}
	cmd := exec.Command("/bin/sh", argv...)
	var files []string
	for _, h := range list {
		files = append(files, filepath.Join(c.path(h), "cgroup.procs"))
	}
	// Without the first the kubelet cannot write /proc/sys.
	cmd.Env = []string{"SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes", "SYSTEMD_NSPAWN_LOCK=0", "PATH=" + nodePath, "CGROUPS=" + strings.Join(files, " ")}
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", n.Name(), err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	err = poll(ctx, 2*time.Minute, n.Name()+" to boot", func() error {
		select {
		case err := <-exited:
			return fmt.Errorf("systemd-nspawn ended: %v", err)
		default:
			return n.answers()
		}
	})
	if err != nil {
		text, _ := os.ReadFile(n.Console())
		return fmt.Errorf("start %s: %w\n%s", n.Name(), err, text[max(0, len(text)-1500):])
	}
	return nil
}

// answers asks the SSH server for its greeting and the runtime for what it is.
func (n *Node) answers() error {
	pid, err := n.cgroup().init()
	if err != nil {
		return err
	}
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(n.Address(), "22"), time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	greeting := make([]byte, 4)
	if _, err := io.ReadFull(conn, greeting); err != nil || string(greeting) != "SSH-" {
		return fmt.Errorf("read SSH greeting: %q, %v", greeting, err)
	}
	runtime := client.New(local.New(n.Name(), local.Options{}), fmt.Sprintf("/proc/%d/root/run/containerd/containerd.sock", pid))
	defer runtime.Close()
	_, err = runtime.Info(context.Background()) // bounded by itself
	return err
}

// Answers waits until the node's SSH server and its container runtime answer,
// such as after a restart of the latter: its socket is there before it serves.
func (n *Node) Answers(ctx context.Context) error {
	return poll(ctx, time.Minute, n.Name()+" to answer", n.answers)
}

// Kill is a power loss: every process of the node gets SIGKILL at one moment.
// What was written stays; what the kernel held for it (interfaces, firewall
// rules, mounts) is gone with the next Start.
func (n *Node) Kill(ctx context.Context) error {
	if err := n.cgroup().kill(ctx); err != nil {
		return fmt.Errorf("kill %s: %w", n.Name(), err)
	}
	return nil
}

// Reboot is Kill and Start on the same disk.
func (n *Node) Reboot(ctx context.Context) error {
	if err := n.Kill(ctx); err != nil {
		return err
	}
	return n.Start(ctx)
}

// Renew ends the node and starts it again as it was at first: a new disk, no
// trace of what ran on it. Nodes of one lab are renewed one after another.
func (n *Node) Renew(ctx context.Context) error {
	if err := n.Kill(ctx); err != nil {
		return err
	}
	if err := unmount(n.Root()); err != nil {
		return fmt.Errorf("renew %s: %w", n.Name(), err)
	}
	for _, dir := range []string{filepath.Join(n.dir(), "upper"), filepath.Join(n.dir(), "work"), n.containerd()} {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("renew %s: %w", n.Name(), err)
		}
	}
	if err := n.prepare(ctx); err != nil {
		return err
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	return n.lab.writeKnownHosts()
}

// WriteFile writes a file of the running node.
func (n *Node) WriteFile(ctx context.Context, path string, content []byte, mode os.FileMode) error {
	return n.put(ctx, strings.NewReader(string(content)), path, mode)
}

// CopyFile copies a file of this machine to the running node, with its mode.
func (n *Node) CopyFile(ctx context.Context, from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy to %s: %w", n.Name(), err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("copy to %s: %w", n.Name(), err)
	}
	return n.put(ctx, f, to, info.Mode().Perm())
}

// ReadFile reads a file of the running node.
func (n *Node) ReadFile(ctx context.Context, path string) ([]byte, error) {
	out, err := n.Output(ctx, "cat", path)
	return []byte(out), err
}

// put goes through a program of the node, because a path of the node means
// what it means there only inside its mount namespace. The rename lets a
// running program be replaced.
func (n *Node) put(ctx context.Context, content io.Reader, path string, mode os.FileMode) error {
	const script = `mkdir -p "$(dirname "$1")" && cat > "$1.lab-tmp" && chmod "$2" "$1.lab-tmp" && mv -f "$1.lab-tmp" "$1"`
	r, err := n.Run(ctx, content, "sh", "-c", script, "sh", path, fmt.Sprintf("%o", mode))
	if err == nil && r.Exit != 0 {
		err = fmt.Errorf("exit %d: %s", r.Exit, strings.TrimSpace(r.Stderr))
	}
	if err != nil {
		return fmt.Errorf("write %s on %s: %w", path, n.Name(), err)
	}
	return nil
}
