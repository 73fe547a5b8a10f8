package local_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/local"
	"github.com/clusteradm/clusteradm/internal/secret"
)

func shell(script string) host.Cmd { return host.Cmd{Args: []string{"sh", "-c", script}} }

func TestRunPassesStdinAndEnv(t *testing.T) {
	h := local.New("local", local.Options{})
	cmd := shell(`cat; echo " $EXTRA"`)
	cmd.Stdin, cmd.Env = []byte("from stdin"), []string{"EXTRA=from env"}
	if res, err := h.Run(t.Context(), cmd); err != nil || string(res.Stdout) != "from stdin from env\n" {
		t.Errorf("%q, %v", res.Stdout, err)
	}
}

func TestNonZeroExitIsExitErrorWithoutSecrets(t *testing.T) {
	h := local.New("local", local.Options{})
	cmd := shell(`echo out; cat >&2; exit 3`)
	cmd.Stdin = []byte("token abc.secret is bad")
	cmd.Secrets = []secret.String{secret.NewString("abc.secret"), {}}
	res, err := h.Run(t.Context(), cmd)
	var exit *host.ExitError
	if !errors.As(err, &exit) || exit.Exit != 3 || res.Exit != 3 || string(res.Stdout) != "out\n" {
		t.Fatalf("%+v, %v", res, err)
	}
	if strings.Contains(err.Error(), "abc.secret") || exit.Stderr != "token [redacted] is bad" {
		t.Errorf("stderr %q", exit.Stderr)
	}
}

func TestSecretInArgumentsIsRefused(t *testing.T) {
	h := local.New("local", local.Options{})
	cmd := shell("echo abc.secret")
	cmd.Secrets = []secret.String{secret.NewString("abc.secret")}
	res, err := h.Run(t.Context(), cmd)
	if !errors.Is(err, host.ErrSecretInArgs) || strings.Contains(err.Error(), "abc.secret") || len(res.Stdout) > 0 {
		t.Errorf("%q, %v", res.Stdout, err)
	}
}

func TestMissingProgramIsErrNotExist(t *testing.T) {
	h := local.New("local", local.Options{})
	if _, err := h.Run(t.Context(), host.Cmd{Args: []string{"clusteradm-no-such-program"}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := h.Run(t.Context(), host.Cmd{}); err == nil {
		t.Error("a command without a program ran")
	}
}

// The child would hold the output for a minute if only its parent were killed.
func TestTimeoutKillsTheWholeGroup(t *testing.T) {
	h := local.New("local", local.Options{})
	cmd := shell("sleep 60 & wait")
	cmd.Timeout = 50 * time.Millisecond
	begin := time.Now()
	_, err := h.Run(t.Context(), cmd)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no result within 50ms") {
		t.Errorf("%v", err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("took %s: a child was left", took)
	}
}

func TestCancelledContextRunsNothing(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := local.New("local", local.Options{}).Run(ctx, shell("touch "+mark))
	if _, statErr := os.Stat(mark); !errors.Is(err, context.Canceled) || statErr == nil {
		t.Errorf("%v, %v", err, statErr)
	}
}

func TestOverlongOutput(t *testing.T) {
	h := local.New("local", local.Options{})
	res, err := h.Run(t.Context(), shell("head -c 1048577 /dev/zero"))
	if !errors.Is(err, host.ErrTruncated) || len(res.Stdout) != 1<<20 {
		t.Errorf("%d bytes, %v", len(res.Stdout), err)
	}
	res, err = h.Run(t.Context(), shell("head -c 1048577 /dev/zero >&2"))
	if err != nil || !bytes.HasSuffix(res.Stderr, []byte("[truncated: 1 more bytes]\n")) {
		t.Errorf("%v", err)
	}
}

func TestKilledCommandHasTheExitCodeOfAShell(t *testing.T) {
	res, err := local.New("local", local.Options{}).Run(t.Context(), shell("kill -TERM $$"))
	if err == nil || res.Exit != 143 {
		t.Errorf("%d, %v", res.Exit, err)
	}
}

func TestRootAndRelativePaths(t *testing.T) {
	root := t.TempDir()
	h := local.New("local", local.Options{Root: root})
	attr := host.Attr{Mode: 0o600, UID: os.Getuid(), GID: os.Getgid()}
	if err := h.WriteFiles(t.Context(), []host.File{{Path: "/../x", Attr: attr}}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "x")); err != nil {
		t.Error(err)
	}
	if _, err := h.Stat(t.Context(), "x"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("relative path: %v", err)
	}
	if err := h.Remove(t.Context(), "/"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("remove /: %v", err)
	}
	_, err := h.ReadFile(t.Context(), "/none")
	if err == nil || strings.Contains(err.Error(), root) {
		t.Errorf("error shows the root: %v", err)
	}
}

func TestDialUnixUnderRoot(t *testing.T) {
	root := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(root, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := local.New("local", local.Options{Root: root}).DialHost(t.Context(), "unix", "/s")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
