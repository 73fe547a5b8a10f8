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
	err := cmd.Run()
	wall := time.Since(started)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintf(os.Stderr, "run %s: %v\n", os.Args[1], err)
		os.Exit(126)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	err = json.NewEncoder(report).Encode(map[string]int64{
		"start": started.UnixNano(), "wall": int64(wall), "peak": usage.Maxrss * 1024, "exit": int64(cmd.ProcessState.ExitCode()),
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "write report: %v\n", err)
		os.Exit(126)
	}
}
