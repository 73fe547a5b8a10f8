package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/clusteradm/clusteradm/internal/host"
)

const (
	outputLimit = 1 << 20
	// drainTime is for children that outlive the command and still hold its
	// output; what they print later is nobody's.
	drainTime = 2 * time.Second
)

// Query runs a command of the read-only table.
func (h *Host) Query(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	if err := cmd.CheckQuery(); err != nil {
		return host.Result{}, err
	}
	return h.run(ctx, cmd)
}

// Run runs any command.
func (h *Host) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	if err := cmd.Check(); err != nil {
		return host.Result{}, err
	}
	return h.run(ctx, cmd)
}

func (h *Host) run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	if cmd.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, cmd.Timeout,
			fmt.Errorf("no result within %s: %w", cmd.Timeout, context.DeadlineExceeded))
		defer cancel()
	}
	if ctx.Err() != nil {
		return host.Result{}, fmt.Errorf("run %s: %w", cmd, context.Cause(ctx))
	}
	var stdout, stderr bounded
	c := exec.CommandContext(ctx, cmd.Args[0], cmd.Args[1:]...)
	c.Stdout, c.Stderr = &stdout, &stderr
	if cmd.Stdin != nil {
		c.Stdin = bytes.NewReader(cmd.Stdin)
	}
	env := h.env
	if env == nil {
		env = os.Environ()
	}
	c.Env = append(env[:len(env):len(env)], cmd.Env...)
	// A group of its own: a cancelled command takes its children along, and an
	// interrupt on the terminal reaches this process alone, which then decides.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return killGroup(c) }
	c.WaitDelay = h.drain

	err := c.Run()
	res := host.Result{Stdout: stdout.bytes(), Stderr: stderr.marked()}
	var exit *exec.ExitError
	switch {
	case err != nil && ctx.Err() != nil:
		if errors.Is(err, exec.ErrWaitDelay) {
			killGroup(c) // its leader had ended, so nobody has killed the rest
		}
		return res, fmt.Errorf("run %s: %w", cmd, context.Cause(ctx))
	case errors.As(err, &exit):
		res.Exit = exitCode(exit)
		return res, cmd.Exited(res)
	case errors.Is(err, exec.ErrNotFound):
		return res, fmt.Errorf("run %s: no such program: %w", cmd, fs.ErrNotExist)
	case errors.Is(err, exec.ErrWaitDelay):
		// It ended well; what it left running is what it was asked for.
	case err != nil:
		return res, failed("run", cmd.String(), err)
	}
	if stdout.dropped > 0 {
		return res, fmt.Errorf("run %s: standard output is %d bytes longer than %d: %w",
			cmd, stdout.dropped, outputLimit, host.ErrTruncated)
	}
	return res, nil
}

func killGroup(c *exec.Cmd) error {
	err := syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// exitCode is what a shell would report: 128 and the signal for a killed one.
func exitCode(err *exec.ExitError) int {
	if ws, ok := err.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return err.ExitCode()
}

// bounded keeps the first outputLimit bytes and counts the rest.
type bounded struct {
	kept    bytes.Buffer
	dropped int
}

func (b *bounded) Write(p []byte) (int, error) {
	keep := min(len(p), outputLimit-b.kept.Len())
	b.kept.Write(p[:keep])
	b.dropped += len(p) - keep
	return len(p), nil
}

func (b *bounded) bytes() []byte { return b.kept.Bytes() }

func (b *bounded) marked() []byte {
	if b.dropped == 0 {
		return b.kept.Bytes()
	}
	return fmt.Appendf(b.kept.Bytes(), "\n[truncated: %d more bytes]\n", b.dropped)
}
