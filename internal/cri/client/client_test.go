package client_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/cri/client"
	"github.com/clusteradm/clusteradm/internal/cri/criserver"
	"github.com/clusteradm/clusteradm/internal/cri/critest"
)

// dialer is this machine.
type dialer struct{ dialled *int }

func (d dialer) DialHost(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.dialled != nil {
		*d.dialled++
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

func connect(t *testing.T, socket string) *client.Client {
	t.Helper()
	c := client.New(dialer{}, socket)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestConformance(t *testing.T) {
	critest.RunConformance(t, func(t *testing.T, r *critest.Runtime) cri.Client {
		return connect(t, "unix://"+criserver.Serve(t, &criserver.Server{Runtime: r}))
	})
}

// A runtime from before RuntimeConfig is asked all the same.
func TestOldRuntime(t *testing.T) {
	r := critest.New()
	info, err := connect(t, criserver.Serve(t, &criserver.Server{Runtime: r, Old: true})).Info(t.Context())
	want := r.About
	want.CgroupDriver = ""
	if err != nil || info != want {
		t.Errorf("%+v, %v; want %+v", info, err, want)
	}
}

// unavailable fails the test unless err says so, with a hint.
func unavailable(t *testing.T, err error, hint string, says ...string) {
	t.Helper()
	var gone *client.UnavailableError
	if !errors.As(err, &gone) || !errors.Is(err, cri.ErrUnavailable) {
		t.Fatalf("error is %v, want ErrUnavailable", err)
	}
	if gone.Hint() != hint {
		t.Errorf("the hint is %q, want %q", gone.Hint(), hint)
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	dir := t.TempDir()
	none := filepath.Join(dir, "crio", "crio.sock")
	c := connect(t, "unix://"+none)
	_, err := c.Info(t.Context())
	unavailable(t, err, "systemctl status crio", none, "no such file")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("that the socket is missing cannot be told: %v", err)
	}
	critest.RunUnavailable(t, c)

	stale := filepath.Join(dir, "cri-dockerd.sock")
	listener, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	listener.Close()
	_, err = connect(t, stale).Info(t.Context())
	unavailable(t, err, "systemctl status cri-docker", stale, "refused")
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a refused connection cannot be told: %v", err)
	}

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	critest.RunUnavailable(t, connect(t, file))
}

// One that takes calls, or connections, and says nothing must not hold up a
// preflight check.
func TestAnswersLate(t *testing.T) {
	silent := &criserver.Server{Runtime: critest.New(), Silent: true}
	_, err := connect(t, criserver.Serve(t, silent)).Within(20 * time.Millisecond).Info(t.Context())
	unavailable(t, err, "systemctl status containerd", "no answer within 20ms")

	mute := filepath.Join(t.TempDir(), "containerd.sock")
	listener, err := net.Listen("unix", mute)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, err = connect(t, mute).Within(20*time.Millisecond).HasImage(t.Context(), "pause")
	unavailable(t, err, "systemctl status containerd", mute)
}

// A pull has no bound but its context.
func TestPullEndsWithItsContext(t *testing.T) {
	silent := &criserver.Server{Runtime: critest.New(), Silent: true}
	c := connect(t, criserver.Serve(t, silent)).Within(time.Nanosecond)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := c.PullImage(ctx, "registry.k8s.io/pause:3.10.2")
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, cri.ErrUnavailable) {
		t.Errorf("error is %v, want the context's", err)
	}
}

// What a registry answered is no sign that the runtime is not there.
func TestARegistryFails(t *testing.T) {
	for _, code := range []codes.Code{codes.Unavailable, codes.DeadlineExceeded, codes.NotFound, codes.Unknown} {
		c := connect(t, criserver.Serve(t, &criserver.Server{Runtime: critest.New(), Registry: status.Error(code, "registry r.example.com: 503")}))
		err := c.PullImage(t.Context(), "r.example.com/a:1")
		if err == nil || errors.Is(err, cri.ErrUnavailable) || !strings.Contains(err.Error(), "pull image r.example.com/a:1: ") || !strings.Contains(err.Error(), "503") {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestNoV1(t *testing.T) {
	socket := criserver.Serve(t, &criserver.Server{Runtime: critest.New(), NoV1: true})
	c := connect(t, socket)
	_, err := c.Info(t.Context())
	unavailable(t, err, "grep disabled_plugins /etc/containerd/config.toml", socket, "CRI v1")
	critest.RunUnavailable(t, c)
}

func TestSandboxImage(t *testing.T) {
	for config, want := range map[string]string{
		"": "", "{": "", "null": "", `{"sandboxImage":7}`: "", `{"snapshotter":"overlayfs"}`: "",
		`{"sandboxImage":"registry.k8s.io/pause:3.9","containerd":{}}`: "registry.k8s.io/pause:3.9",
	} {
		if got := client.SandboxImage(config); got != want {
			t.Errorf("%s says %q, want %q", config, got, want)
		}
	}
}

func TestNoSocket(t *testing.T) {
	for _, socket := range []string{"", "tcp://127.0.0.1:1", "run/containerd.sock"} {
		_, err := connect(t, socket).Info(t.Context())
		if err == nil || !strings.Contains(err.Error(), "read CRI socket") {
			t.Errorf("%q: %v", socket, err)
		}
	}
}

// One connection serves all calls, and a runtime that was started again is
// found again.
func TestConnectsWhenAskedAndAgain(t *testing.T) {
	dialled := 0
	path := filepath.Join(t.TempDir(), "cri.sock")
	c := client.New(dialer{&dialled}, path)
	if dialled != 0 {
		t.Error("it connected before it was asked")
	}
	server := &criserver.Server{Runtime: critest.New()}
	stop := server.Listen(t, path)
	for range 5 {
		if _, err := c.Info(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if dialled != 1 {
		t.Errorf("%d connections for five questions", dialled)
	}
	stop()
	if _, err := c.Info(t.Context()); !errors.Is(err, cri.ErrUnavailable) {
		t.Errorf("stopped: %v", err)
	}
	defer server.Listen(t, path)()
	for {
		_, err := c.Info(t.Context())
		if err == nil {
			break
		}
		if t.Context().Err() != nil || !errors.Is(err, cri.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Info(t.Context()); err != nil {
		t.Errorf("after it was closed: %v", err)
	}
	c.Close()
}
