package nodes

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clusteradm/clusteradm/e2e/components/debian"
)

// hostPackages are what this machine needs to carry a lab.
var hostPackages = []debian.Package{
	{Name: "debootstrap", Provides: "/usr/sbin/debootstrap"},
	{Name: "systemd-container", Provides: "/usr/bin/systemd-nspawn"},
	{Name: "iproute2", Provides: "/usr/sbin/ip"},
	{Name: "nftables", Provides: "/usr/sbin/nft"},
	{Name: "openssh-client", Provides: "/usr/bin/ssh-keygen"},
	{Name: "mount", Provides: "/usr/bin/mount"},
}

// checkHost refuses a machine on which a lab cannot work, naming what lacks.
func checkHost() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("check host: a lab needs root")
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("check host: read capabilities: %w", err)
	}
	for _, c := range []struct {
		bit  uint
		name string
	}{{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}, {unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}, {unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE"}, {unix.CAP_MKNOD, "CAP_MKNOD"}} {
		if data[c.bit/32].Effective&(1<<(c.bit%32)) == 0 {
			return fmt.Errorf("check host: %s is missing: a lab needs it for namespaces, mounts and the nodes' network", c.name)
		}
	}
	filesystems, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return fmt.Errorf("check host: %w", err)
	}
	if !bytes.Contains(filesystems, []byte("\toverlay\n")) {
		return fmt.Errorf("check host: the kernel has no overlay file system")
	}
	if _, err := hierarchies(); err != nil {
		return err
	}
	return nil
}

// run runs a host command; its error carries what the command said.
func run(ctx context.Context, argv ...string) error {
	_, err := output(ctx, argv...)
	return err
}

func output(ctx context.Context, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	// Asked to end and not killed: debootstrap unmounts what it mounted.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		text := strings.TrimSpace(stderr.String())
		return "", fmt.Errorf("run %s: %w: %s", strings.Join(argv, " "), err, text[max(0, len(text)-600):])
	}
	return stdout.String(), nil
}

// poll asks check until it holds. The last reason is part of the error.
func poll(ctx context.Context, within time.Duration, what string, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %w", what, context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}
