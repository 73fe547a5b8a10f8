package nodes

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// hierarchy is one mounted cgroup tree: a controller of version 1, or version 2.
type hierarchy struct {
	mount string
	v2    bool
}

func hierarchies() ([]hierarchy, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("find cgroups: %w", err)
	}
	defer f.Close()
	var list []hierarchy
	for s := bufio.NewScanner(f); s.Scan(); {
		before, after, _ := strings.Cut(s.Text(), " - ")
		fields := strings.Fields(before)
		kind, _, _ := strings.Cut(after, " ")
		if len(fields) > 4 && strings.HasPrefix(fields[4], "/sys/fs/cgroup") && (kind == "cgroup" || kind == "cgroup2") {
			list = append(list, hierarchy{fields[4], kind == "cgroup2"})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("find cgroups: nothing mounted under /sys/fs/cgroup")
	}
	return list, nil
}

// cgroupPath finds a process's place in one hierarchy in its /proc/PID/cgroup.
// Version 1 mounts are named after their controllers, or after the name= tag.
func cgroupPath(procCgroup string, h hierarchy) string {
	for _, line := range strings.Split(procCgroup, "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		controllers := strings.TrimPrefix(parts[1], "name=")
		if h.v2 && parts[1] == "" || !h.v2 && controllers != "" && controllers == filepath.Base(h.mount) {
			return parts[2]
		}
	}
	return ""
}

// cgroup is a node's place in every hierarchy.
type cgroup struct{ lab, node string }

func (c cgroup) path(h hierarchy) string {
	return filepath.Join(h.mount, "clusteradm-lab", c.lab, c.node)
}

func (c cgroup) create() error {
	list, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range list {
		dir := h.mount
		for _, part := range []string{"clusteradm-lab", c.lab, c.node} {
			parent := dir
			dir = filepath.Join(dir, part)
			if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("make cgroup of %s: %w", c.node, err)
			}
			if h.v2 {
				continue
			}
			// A cpuset takes no process until its cpus and mems are filled in.
			for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
				value, err := os.ReadFile(filepath.Join(parent, file))
				if errors.Is(err, fs.ErrNotExist) {
					break
				}
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, file), value, 0)
				}
				if err != nil {
					return fmt.Errorf("make cgroup of %s: %w", c.node, err)
				}
			}
		}
	}
	return nil
}

// pids are the node's processes as this machine numbers them.
func (c cgroup) pids() ([]int, error) {
	list, err := hierarchies()
	if err != nil {
		return nil, err
	}
	seen := map[int]bool{}
	for _, h := range list {
		err := filepath.WalkDir(c.path(h), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				if errors.Is(err, fs.ErrNotExist) {
					return nil // cgroups come and go while we look
				}
				return err
			}
			if !d.IsDir() {
				return nil
			}
			data, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
			if err != nil {
				return nil
			}
			for _, field := range strings.Fields(string(data)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
					seen[pid] = true
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list processes of %s: %w", c.node, err)
		}
	}
	pids := make([]int, 0, len(seen))
	for pid := range seen {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids, nil
}

// kill ends every process of the node at once and waits until none is left.
func (c cgroup) kill(ctx context.Context) error {
	// PID 1 first: with it the kernel ends the whole PID namespace in one go,
	// as a power loss does; no process sees another die.
	if pid, err := c.init(); err == nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return poll(ctx, 30*time.Second, "the processes of "+c.node+" to end", func() error {
		pids, err := c.pids()
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			if pid != os.Getpid() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		return fmt.Errorf("%d still there: %v", len(pids), pids)
	})
}

// remove deletes the node's cgroups, those of its pods too.
func (c cgroup) remove(ctx context.Context) error {
	list, err := hierarchies()
	if err != nil {
		return err
	}
	// A cgroup stays busy for a moment after its last process was reaped.
	return poll(ctx, 10*time.Second, "the cgroups of "+c.node+" to go", func() error {
		var errs []error
		for _, h := range list {
			var dirs []string
			_ = filepath.WalkDir(c.path(h), func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					dirs = append(dirs, path)
				}
				return nil
			})
			slices.Reverse(dirs)
			for _, dir := range dirs {
				if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
					errs = append(errs, err)
				}
			}
		}
		return errors.Join(errs...)
	})
}

// init finds the node's PID 1 as this machine numbers it.
func (c cgroup) init() (int, error) {
	pids, err := c.pids()
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		if ns := nsPIDs(pid); len(ns) == 2 && ns[1] == 1 {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("find PID 1 of %s: the node is not running", c.node)
}

// nsPIDs are a process's numbers from this machine's PID namespace inwards:
// two for a program of the node, three for one in a pod.
func nsPIDs(pid int) []int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil
	}
	for _, line := range strings.Split(string(data), "\n") {
		rest, ok := strings.CutPrefix(line, "NSpid:")
		if !ok {
			continue
		}
		var list []int
		for _, f := range strings.Fields(rest) {
			n, err := strconv.Atoi(f)
			if err != nil {
				return nil
			}
			list = append(list, n)
		}
		return list
	}
	return nil
}
