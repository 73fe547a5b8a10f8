package nodes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Cmd is a program to be started inside a node. It is an exec.Cmd, save that
// Start forks from a thread that has joined the node: there is no nsenter and
// no other wrapper between, so Process.Pid is the program's own number on this
// machine and Process.Kill is a SIGKILL of the program itself.
//
// SysProcAttr.Pdeathsig must not be set: the thread ends after Start, and the
// kernel takes a parent's thread for the parent.
type Cmd struct {
	*exec.Cmd
	node *Node
}

// Command prepares a program of the node, found in the node's PATH.
func (n *Node) Command(ctx context.Context, argv ...string) *Cmd {
	cmd := exec.CommandContext(ctx, "/") // a path, so that it is not looked up on this machine
	cmd.Path, cmd.Args, cmd.Err = argv[0], argv, nil
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + nodePath, "HOME=/root", "USER=root", "LANG=C.UTF-8", "TERM=" + os.Getenv("TERM")}
	return &Cmd{Cmd: cmd, node: n}
}

const nodePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Start starts the program in all of the node's namespaces and its cgroups.
func (c *Cmd) Start() error {
	init, err := c.node.cgroup().init()
	if err != nil {
		return err
	}
	var result error
	onOwnThread(func() {
		group, err := enter(init, c.node.cgroup())
		if err != nil {
			result = err
			return
		}
		if group != nil {
			defer group.Close()
			if c.SysProcAttr == nil {
				c.SysProcAttr = &syscall.SysProcAttr{}
			}
			c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, int(group.Fd())
		}
		if c.Path, result = lookPath(c.Path); result == nil {
			result = c.Cmd.Start()
		}
	})
	if result != nil {
		return fmt.Errorf("start %s on %s: %w", c.Args[0], c.node.Name(), result)
	}
	return nil
}

// Run starts the program and waits for it.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the program and returns what it wrote to stdout.
func (c *Cmd) Output() ([]byte, error) {
	var stdout bytes.Buffer
	c.Stdout = &stdout
	err := c.Run()
	return stdout.Bytes(), err
}

// CombinedOutput runs the program and returns all that it wrote.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}

// Result is what a finished program left.
type Result struct {
	Stdout, Stderr string
	Exit           int // -1 when a signal ended it
}

// Run runs a program in the node. The error says that it could not be run or
// was cut off; a program that ran and failed is told by Exit alone.
func (n *Node) Run(ctx context.Context, stdin io.Reader, argv ...string) (Result, error) {
	cmd := n.Command(ctx, argv...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	err := cmd.Run()
	result := Result{Stdout: stdout.String(), Stderr: stderr.String(), Exit: -1}
	if cmd.ProcessState != nil {
		result.Exit = cmd.ProcessState.ExitCode()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		err = nil
	}
	return result, err
}

// Output runs a program that must succeed and returns its stdout.
func (n *Node) Output(ctx context.Context, argv ...string) (string, error) {
	r, err := n.Run(ctx, nil, argv...)
	if err == nil && r.Exit != 0 {
		err = fmt.Errorf("run %s on %s: exit %d: %s", strings.Join(argv, " "), n.Name(), r.Exit, strings.TrimSpace(r.Stderr))
	}
	return r.Stdout, err
}

// onOwnThread runs f on a thread that ends with it, so that whatever f joined
// is left with the thread. The process's main thread is never used: it does
// not end, and /proc/self speaks of it.
func onOwnThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		if unix.Gettid() == unix.Getpid() {
			onOwnThread(f) // while this one is held, the next is another
			runtime.UnlockOSThread()
			return
		}
		f()
	}()
	<-done
}

// enter moves the calling thread into the node. Cgroups of version 2 take
// whole processes only: theirs is returned, for the kernel to fork into.
func enter(init int, c cgroup) (group *os.File, err error) {
	list, err := hierarchies()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil && group != nil {
			group.Close()
		}
	}()
	// Where the node's own root is (systemd-nspawn puts the node one level down
	// in some hierarchies), or the program would see itself at "/..".
	own, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", init))
	if err != nil {
		return nil, fmt.Errorf("join cgroup: %w", err)
	}
	for _, h := range list {
		dir := c.path(h)
		if strings.Contains(cgroupPath(string(own), h), "/"+c.node+"/payload") {
			dir = filepath.Join(dir, "payload")
		}
		if h.v2 {
			group, err = os.Open(dir)
		} else {
			err = os.WriteFile(filepath.Join(dir, "tasks"), []byte(strconv.Itoa(unix.Gettid())), 0)
		}
		if err != nil {
			return group, fmt.Errorf("join cgroup: %w", err)
		}
	}
	var namespaces []*os.File
	defer func() {
		for _, f := range namespaces {
			f.Close()
		}
	}()
	// The mount namespace last: it takes away this machine's /proc.
	for _, ns := range []string{"cgroup", "ipc", "uts", "net", "pid", "mnt"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", init, ns))
		if err != nil {
			return group, fmt.Errorf("open namespace: %w", err)
		}
		namespaces = append(namespaces, f)
	}
	// A thread shares root and working directory with its process until now,
	// and the kernel lets no sharer change its mount namespace.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return group, fmt.Errorf("unshare file system attributes: %w", err)
	}
	for _, f := range namespaces {
		if err := unix.Setns(int(f.Fd()), 0); err != nil {
			return group, fmt.Errorf("join %s: %w", f.Name(), err)
		}
	}
	return group, nil
}

// Dial connects as a program of the node does: from its network, to its own
// loopback addresses too. The address is an IP address with a port.
func (n *Node) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	var result error
	onOwnThread(func() {
		ns, err := os.Open("/run/netns/" + n.lab.state.netns(n.Name()))
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			result = fmt.Errorf("dial from %s: %w", n.Name(), err)
			return
		}
		// One address, so that the socket is made by this very thread.
		conn, result = new(net.Dialer).DialContext(ctx, network, address)
	})
	return conn, result
}

// lookPath is exec.LookPath for the root the thread is in.
func lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(nodePath) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}
