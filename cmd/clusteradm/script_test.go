package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/clusteradm/clusteradm/internal/cli"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/host/local"
	"github.com/clusteradm/clusteradm/internal/state"
	"github.com/clusteradm/clusteradm/internal/ui"
)

// Scripts run two programs: real is main itself, for what touches no machine,
// and clusteradm is the same on a machine below $WORK/root.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"real": main, "clusteradm": rooted})
}

func rooted() {
	work := os.Getenv("WORK")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Main(ctx, os.Args[1:], &session.Session{
		Streams: ui.System(), Format: "text", Build: session.Build{Version: "v0.0.0", Go: "go", Kubernetes: "v1.36.3"},
		Machine: alone{local.New("cp1", local.Options{Root: filepath.Join(work, "root")})}, Hostname: "cp1",
		Address: func() (netip.Addr, error) { return netip.MustParseAddr("192.0.2.10"), nil },
		Now:     time.Now, Rand: rand.Reader, ReadFile: os.ReadFile, Etcd: session.ConnectEtcd,
		Runs: state.Open(filepath.Join(work, "runs")), LockPath: filepath.Join(work, "lock"),
	})
	stop()
	os.Exit(code)
}

// alone is a machine that nothing answers on.
type alone struct{ *local.Host }

func (alone) DialHost(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
}

// machine is what commands find below the root and in the path.
var machine = map[string]string{
	"root/etc/hostname":                  "cp1\n",
	"root/proc/sys/kernel/hostname":      "cp1\n",
	"root/proc/sys/net/ipv4/ip_forward":  "1\n",
	"root/sys/class/dmi/id/product_uuid": "4c4c4544-0042-3510-8053-b3c04f4d3132\n",
	"root/proc/cpuinfo":                  "processor : 0\nprocessor : 1\n",
	"root/proc/meminfo":                  "MemTotal: 4194304 kB\n",
	"root/proc/self/status":              "Uid:\t0\t0\t0\t0\n",
	"root/proc/swaps":                    "Filename Type Size Used Priority\n",
	"root/var/lib/x":                     "",
	"bin/ss":                             "#!/bin/sh\n",
	"bin/kubelet":                        "#!/bin/sh\necho Kubernetes v1.36.3\n",
	"bin/systemctl":                      "#!/bin/sh\ncase $1 in\nshow) printf 'LoadState=loaded\\nUnitFileState=disabled\\nActiveState=inactive\\n' ;;\n*) echo inactive; exit 3 ;;\nesac\n",
	"root/proc/sys/net/bridge/bridge-nf-call-iptables": "1\n",
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			for name, content := range machine {
				path := filepath.Join(env.WorkDir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					return err
				}
				if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
					return err
				}
			}
			env.Setenv("PATH", filepath.Join(env.WorkDir, "bin")+string(os.PathListSeparator)+env.Getenv("PATH"))
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" { // files are given to root
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "json": jsonLines, "tree": tree, "holds": holds, "lastrun": lastrun},
	})
}

// lastrun sets RUN to the name that the dry run of a rollback has just printed.
func lastrun(ts *testscript.TestScript, _ bool, _ []string) {
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		if rest, ok := strings.CutPrefix(line, "run "); ok {
			id, _, _ := strings.Cut(rest, " ")
			ts.Setenv("RUN", id)
			return
		}
	}
	ts.Fatalf("the last command named no run")
}

// exits CODE PROGRAM [ARGS]: the program ends with that very code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program [args]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// json: every line of the last stdout is a JSON object with a kind.
func jsonLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: json")
	}
	lines := 0
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		var object struct{ Kind string }
		if err := json.Unmarshal([]byte(line), &object); err != nil || object.Kind == "" {
			ts.Fatalf("not an event: %q: %v", line, err)
		}
		lines++
	}
	if lines == 0 {
		ts.Fatalf("there is no line")
	}
}

// tree DIR FILE: all that is below a directory, and when it was written.
func tree(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tree directory file")
	}
	var b strings.Builder
	err := filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %s %s", path, info.Mode(), info.ModTime().Format(time.RFC3339Nano))
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %x", sha256.Sum256(data))
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		ts.Fatalf("%v", err)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b.String()), 0o644))
}

// holds FILE TEXT: waits until a file says so.
func holds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: holds file text")
	}
	for range 500 {
		if data, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && strings.Contains(string(data), args[1]) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s does not hold %q", args[0], args[1])
}
