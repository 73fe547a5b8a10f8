// Command stopwatch runs a program and writes what it cost to file descriptor 3
// as JSON. It runs where the program runs, so that entering a node is not part
// of the figure, and it is small: on Linux a program's peak memory starts with
// that of the process it was forked from.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

func main() {
	report := os.NewFile(3, "report")
	if report == nil || len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: stopwatch PROGRAM [ARGUMENT...] 3>REPORT")
		os.Exit(2)
	}
	syscall.CloseOnExec(3) // or what the program leaves running would hold it
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	started := time.Now()
	err := cmd.Start()
	var wall time.Duration
	var own int64
	if err == nil {
		done, sampled := make(chan struct{}), make(chan struct{})
		go func() {
			own = sample(cmd.Process.Pid, done)
			close(sampled)
		}()
		err = cmd.Wait()
		wall = time.Since(started)
		close(done)
		<-sampled
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintf(os.Stderr, "run %s: %v\n", os.Args[1], err)
		os.Exit(126)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	err = json.NewEncoder(report).Encode(map[string]int64{
		"start": started.UnixNano(), "wall": int64(wall), "peak": usage.Maxrss * 1024, "own": own, "exit": int64(cmd.ProcessState.ExitCode()),
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "write report: %v\n", err)
		os.Exit(126)
	}
}

// sample follows the high-water mark of a process's own memory, in bytes.
func sample(pid int, done <-chan struct{}) (peak int64) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return peak
		case <-ticker.C:
		}
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(data)) {
			var kib int64
			if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
				peak = max(peak, kib*1024)
			}
		}
	}
}
