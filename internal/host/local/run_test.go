package local_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/local"
)

// lifeline is a FIFO that processes of a command hold open on descriptor 3.
// It ends when the last of them is dead, whoever their parent is by then.
type lifeline struct {
	path    string
	up      chan struct{} // closed when the command wrote its first line
	allDead chan struct{}
}

func newLifeline(t *testing.T) *lifeline {
	t.Helper()
	l := &lifeline{filepath.Join(t.TempDir(), "fifo"), make(chan struct{}), make(chan struct{})}
	if err := syscall.Mkfifo(l.path, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(l.allDead)
		f, err := os.Open(l.path)
		if err != nil {
			return
		}
		defer f.Close()
		r := bufio.NewReader(f)
		if _, err := r.ReadString('\n'); err == nil {
			close(l.up)
		}
		_, _ = io.Copy(io.Discard, r)
	}()
	return l
}

// holding is script with the lifeline open; it says so first.
func (l *lifeline) holding(script string) host.Cmd {
	return shell("exec 3>" + l.path + "; echo up >&3; " + script)
}

// mustEnd fails unless all that held the lifeline are dead.
func (l *lifeline) mustEnd(t *testing.T) {
	t.Helper()
	// If the command was killed before it got there, nobody has opened it.
	if f, err := os.OpenFile(l.path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		f.Close()
	}
	select {
	case <-l.allDead:
	case <-time.After(10 * time.Second):
		t.Error("a process of the group is alive")
	}
}

func machine() *local.Host { return local.New("local", local.Options{}) }

// Children are in the group, also such as ignore being asked to end and such
// as no longer hold the output.
func TestCancelKillsTheGroup(t *testing.T) {
	for name, script := range map[string]string{
		"one":             "exec sleep 60",
		"children":        "sleep 60 & sleep 60 & wait",
		"grandchild":      "sh -c 'sleep 60 & wait' & wait",
		"ignores signals": "trap '' TERM INT HUP; sleep 60 & wait",
		"silent":          "sleep 60 >/dev/null 2>&1 & wait",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLifeline(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			cause := errors.New("the user had enough")
			go func() { <-l.up; cancel(cause) }()
			cmd := l.holding("echo begun; " + script)
			_, err := machine().Run(ctx, cmd)
			if !errors.Is(err, cause) {
				t.Errorf("%v, want the cause", err)
			}
			l.mustEnd(t)
		})
	}
}

func TestTimeoutKillsTheGroup(t *testing.T) {
	t.Parallel()
	l := newLifeline(t)
	cmd := l.holding("sleep 60 & wait")
	cmd.Timeout = 100 * time.Millisecond
	_, err := machine().Run(t.Context(), cmd)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.HasSuffix(err.Error(), ": no result within 100ms: context deadline exceeded") {
		t.Errorf("%v", err)
	}
	l.mustEnd(t)
}

// The deadline passes while a child of an ended command holds the output: the
// wait for that begins with the command's end, so it is the later of the two.
func TestTimeoutKillsChildrenOfAnEndedCommand(t *testing.T) {
	t.Parallel()
	l := newLifeline(t)
	cmd := l.holding("sleep 60 & exit 0")
	cmd.Timeout = 100 * time.Millisecond
	if _, err := machine().WithDrain(150*time.Millisecond).Run(t.Context(), cmd); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	l.mustEnd(t)
}

// Without a deadline an ended command has ended well, and what it left goes on.
func TestChildrenHoldingTheOutputDoNotHoldUp(t *testing.T) {
	t.Parallel()
	l := newLifeline(t)
	res, err := machine().WithDrain(50*time.Millisecond).Run(t.Context(), l.holding("sleep 60 & echo $!"))
	if err != nil {
		t.Fatal(err)
	}
	l.mustGoOn(t, res)
}

// A command may start something that stays, if that lets go of the output.
func TestWhatACommandLeftRunningStays(t *testing.T) {
	t.Parallel()
	l := newLifeline(t)
	cmd := l.holding(`sleep 60 >/dev/null 2>&1 & echo $!`)
	cmd.Timeout = time.Minute
	res, err := machine().Run(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	l.mustGoOn(t, res)
}

// mustGoOn fails unless the process whose number was printed is alive, which
// it then kills.
func (l *lifeline) mustGoOn(t *testing.T, res host.Result) {
	t.Helper()
	select {
	case <-l.allDead:
		t.Error("it was killed although the command ended well")
	default:
	}
	if _, err := machine().Run(t.Context(), host.Cmd{Args: []string{"kill", strings.TrimSpace(string(res.Stdout))}}); err != nil {
		t.Fatal(err)
	}
	l.mustEnd(t)
}

// What was printed before the end of the context is not lost.
func TestCancelledCommandKeepsItsOutput(t *testing.T) {
	l := newLifeline(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { <-l.up; cancel() }()
	cmd := shell("echo out; echo err >&2; exec 3>" + l.path + "; echo up >&3; exec sleep 60")
	res, err := machine().Run(ctx, cmd)
	if !errors.Is(err, context.Canceled) || string(res.Stdout) != "out\n" || string(res.Stderr) != "err\n" {
		t.Errorf("%q, %q, %v", res.Stdout, res.Stderr, err)
	}
}

func TestOutputAtTheLimitIsWhole(t *testing.T) {
	const limit = 1 << 20
	for name, redirect := range map[string]string{"stdout": "", "stderr": " >&2"} {
		res, err := machine().Run(t.Context(), shell(fmt.Sprintf("head -c %d /dev/zero%s", limit, redirect)))
		if err != nil || len(res.Stdout)+len(res.Stderr) != limit {
			t.Errorf("%s: %d bytes, %v", name, len(res.Stdout)+len(res.Stderr), err)
		}
	}
}

// A command is not held up by output that nobody keeps, and how it ended
// matters more than that it said too much.
func TestOverlongOutputOfAFailedCommand(t *testing.T) {
	res, err := machine().Run(t.Context(), shell("head -c 8388608 /dev/zero; exit 4"))
	var exit *host.ExitError
	if !errors.As(err, &exit) || res.Exit != 4 || len(res.Stdout) != 1<<20 {
		t.Errorf("exit code %d, %d bytes, %v", res.Exit, len(res.Stdout), err)
	}
}

func TestStdin(t *testing.T) {
	res, err := machine().Run(t.Context(), host.Cmd{Args: []string{"cat"}})
	if err != nil || len(res.Stdout) > 0 {
		t.Errorf("without any: %q, %v", res.Stdout, err)
	}
	long := bytes.Repeat([]byte("0123456789abcdef"), 1<<14) // more than a pipe holds
	if _, err := machine().Run(t.Context(), host.Cmd{Args: []string{"true"}, Stdin: long}); err != nil {
		t.Errorf("that nobody reads: %v", err)
	}
	res, err = machine().Run(t.Context(), host.Cmd{Args: []string{"cat"}, Stdin: long})
	if err != nil || !bytes.Equal(res.Stdout, long) {
		t.Errorf("%d bytes of %d, %v", len(res.Stdout), len(long), err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("OF_PROCESS", "p")
	show := shell(`echo "$OF_PROCESS $OF_HOST $OF_COMMAND"`)
	run := func(env []string, extra ...string) string {
		t.Helper()
		cmd := show
		cmd.Env = extra
		res, err := local.New("local", local.Options{Env: env}).Run(t.Context(), cmd)
		if err != nil {
			t.Fatal(err)
		}
		return string(res.Stdout)
	}
	shared := append(make([]string, 0, 8), "OF_HOST=h") // room that an append would write to
	for _, test := range []struct {
		env, extra []string
		want       string
	}{
		{nil, nil, "p  \n"},
		{nil, []string{"OF_COMMAND=c"}, "p  c\n"},
		{nil, []string{"OF_PROCESS=changed"}, "changed  \n"},
		{[]string{}, nil, "  \n"},
		{shared, []string{"OF_COMMAND=c"}, " h c\n"},
		{shared, []string{"OF_HOST=changed"}, " changed \n"},
		{shared, nil, " h \n"},
	} {
		if got := run(test.env, test.extra...); got != test.want {
			t.Errorf("%v and %v: %q, want %q", test.env, test.extra, got, test.want)
		}
	}
	if room := shared[:2][1]; room != "" {
		t.Errorf("the environment of the host was written to: %q", room)
	}
}

func TestProgramsThatCannotStart(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for program, want := range map[string]error{
		"clusteradm-no-such-program": fs.ErrNotExist,
		filepath.Join(dir, "none"):   fs.ErrNotExist,
		plain:                        fs.ErrPermission,
	} {
		res, err := machine().Run(t.Context(), host.Cmd{Args: []string{program, "arg"}})
		if !errors.Is(err, want) || !strings.HasPrefix(err.Error(), "run "+program+" arg: ") || strings.Count(err.Error(), program) != 1 {
			t.Errorf("%v", err)
		}
		var exit *host.ExitError
		if errors.As(err, &exit) || res.Exit != 0 {
			t.Errorf("%s ran: %v", program, err)
		}
	}
}

// Arguments are words, whatever is in them.
func TestNoShell(t *testing.T) {
	want := []string{"a b", "$HOME", "`id`", "x;y", "*", "", "'\""}
	res, err := machine().Run(t.Context(), host.Cmd{Args: append([]string{"printf", `%s\n`}, want...)})
	if err != nil || string(res.Stdout) != strings.Join(want, "\n")+"\n" {
		t.Errorf("%q, %v", res.Stdout, err)
	}
}

// A stream that breaks off or is cancelled leaves the old file alone.
func TestInterruptedUpload(t *testing.T) {
	root := t.TempDir()
	h := local.New("local", local.Options{Root: root})
	if err := h.WriteFiles(t.Context(), []host.File{{Path: "/x", Content: []byte("old"), Attr: here(0o600)}}); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("connection lost")
	ctx, cancel := context.WithCancel(t.Context())
	for name, test := range map[string]struct {
		ctx  context.Context
		rest io.Reader
		want error
	}{
		"broken":    {t.Context(), readerFunc(func([]byte) (int, error) { return 0, broken }), broken},
		"cancelled": {ctx, readerFunc(func(p []byte) (int, error) { cancel(); return copy(p, "more"), nil }), context.Canceled},
	} {
		err := h.Upload(test.ctx, "/x", io.MultiReader(strings.NewReader("begin"), test.rest), here(0o644), "")
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if content, err := h.ReadFile(t.Context(), "/x"); err != nil || string(content) != "old" {
			t.Errorf("%s: %q, %v", name, content, err)
		}
		if names := entries(t, root); len(names) != 1 {
			t.Errorf("%s leaves %v", name, names)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestOpenEndsWithTheContext(t *testing.T) {
	h := local.New("local", local.Options{Root: t.TempDir()})
	if err := h.WriteFiles(t.Context(), []host.File{{Path: "/x", Content: []byte("content"), Attr: here(0o600)}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := h.Open(ctx, "/x")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := io.ReadFull(stream, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if n, err := stream.Read(make([]byte, 3)); n > 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d, %v", n, err)
	}
}
