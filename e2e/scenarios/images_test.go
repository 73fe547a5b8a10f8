//go:build e2e

package scenarios

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/cri/client"
)

// Images are pulled before anything is changed, through the runtime and so
// through its mirrors; what no registry has is a finding with a name. Then the
// client does to real pods what renewal and reset do.
func TestImages(t *testing.T) {
	budget(t, 6*time.Minute)
	ctx := t.Context()
	c := up(t, "images", "cp1")
	cp := c.ControlPlane()
	runtime := client.New(throughStdio{cp}, "unix:///run/containerd/containerd.sock")
	defer runtime.Close()
	info, err := runtime.Info(ctx)
	must(t, err)
	if info.Name != "containerd" || !strings.Contains(info.Version, c.Versions.Containerd) || info.APIVersion != "v1" || !info.Ready || info.CgroupDriver != "cgroupfs" {
		t.Errorf("the runtime says %+v", info)
	}
	t.Logf("the runtime says %+v", info)

	coredns := "registry.k8s.io/coredns/coredns:" + c.Versions.CoreDNSTag()
	images := mirror(t, c, "registry.k8s.io")
	must(t, runtime.Close()) // it was restarted
	forget := func() { do(t)(clusters.Must(ctx, cp, "ctr", "-n", "k8s.io", "images", "rm", "--sync", coredns)) }
	has := func(want bool) {
		t.Helper()
		if got, err := runtime.HasImage(ctx, coredns); err != nil || got != want {
			t.Fatalf("has %s: %t, %v; want %t", coredns, got, err, want)
		}
	}
	has(true)
	forget()
	has(false)
	must(t, c.WriteInitConfig(ctx, cp, "/root/init.yaml", true, ""))
	run := func(code int, args ...string) nodes.Result {
		t.Helper()
		started := time.Now()
		r, err := cp.Run(ctx, nil, append([]string{clusters.Binary}, args...)...)
		must(t, err)
		t.Logf("clusteradm %s: exit %d in %s\n%s%s", strings.Join(args, " "), r.Exit, time.Since(started).Round(time.Millisecond), r.Stdout, r.Stderr)
		if r.Exit != code {
			t.Fatalf("exit %d, want %d", r.Exit, code)
		}
		return r
	}

	// A registry that lacks it: a finding, and nothing was changed.
	r := run(4, "init", "--config", "/root/init.yaml")
	if !strings.Contains(r.Stderr, "[ERROR ImagePull] pull image "+coredns) || !strings.Contains(r.Stderr, "hint: clusteradm config images pull") {
		t.Error("the finding is not named")
	}
	if left := do(t)(clusters.Must(ctx, cp, "sh", "-c", "ls /etc/kubernetes /var/lib/kubelet 2>/dev/null; true")); strings.Contains(left, "pki") || strings.Contains(left, "config.yaml") {
		t.Errorf("something was changed: %s", left)
	}
	r = run(1, "config", "images", "pull", "--config", "/root/init.yaml")
	if !strings.Contains(r.Stdout, "failed   "+coredns) || !strings.Contains(r.Stderr, "1 of 7 images could not be pulled") {
		t.Error("the image is not named")
	}

	// The mirror has it.
	images.push(t, coredns)
	r = run(0, "init", "--config", "/root/init.yaml", "--dry-run")
	if !strings.Contains(r.Stdout, "pull     preflight/image-coredns@cp1: "+coredns) {
		t.Error("the dry run does not say what it would pull")
	}
	has(false)
	r = run(0, "config", "images", "pull", "--config", "/root/init.yaml", "-o", "json")
	lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
	var result struct {
		Kind   string
		Images []struct {
			Image  string
			Pulled bool
		}
	}
	must(t, json.Unmarshal([]byte(lines[len(lines)-1]), &result))
	for _, image := range result.Images {
		if image.Pulled != (image.Image == coredns) {
			t.Errorf("%s: pulled is %t", image.Image, image.Pulled)
		}
	}
	if len(result.Images) != 7 || !images.served("/coredns/coredns/") {
		t.Errorf("%d images; was the registry asked for it: %t", len(result.Images), images.served("/coredns/coredns/"))
	}
	has(true)

	// Without a registry and the image, and told to go on all the same.
	forget()
	images.stop()
	r = run(0, "init", "--config", "/root/init.yaml", "--ignore-preflight-errors=ImagePull")
	if !strings.Contains(r.Stderr, "[WARNING ImagePull] pull image "+coredns) {
		t.Error("the warning is not named")
	}
	pods(t, ctx, runtime)
}

// pods ends a container and a sandbox of the control plane, which the kubelet
// starts again.
func pods(t *testing.T, ctx context.Context, runtime cri.Client) {
	running := func() cri.Container {
		t.Helper()
		containers, err := runtime.Containers(ctx)
		must(t, err)
		for _, one := range containers {
			if one.Name == "kube-scheduler" && one.Running {
				if one.Namespace != "kube-system" || one.Pod != "kube-scheduler-cp1" || one.Created.IsZero() {
					t.Errorf("the container is %+v", one)
				}
				return one
			}
		}
		return cri.Container{}
	}
	sandboxes, err := runtime.Sandboxes(ctx)
	must(t, err)
	for _, pod := range []string{"etcd-cp1", "kube-apiserver-cp1", "kube-controller-manager-cp1", "kube-scheduler-cp1"} {
		if !slices.ContainsFunc(sandboxes, func(s cri.Sandbox) bool {
			return s.Name == pod && s.Namespace == "kube-system" && s.Ready && s.UID != ""
		}) {
			t.Errorf("no sandbox of %s in %+v", pod, sandboxes)
		}
	}
	before := running()
	if before.ID == "" {
		t.Fatal("no scheduler runs")
	}
	replaced := func(what string, old cri.Container, same func(a, b cri.Container) bool) cri.Container {
		t.Helper()
		started := time.Now()
		var now cri.Container
		must(t, clusters.Eventually(ctx, 2*time.Minute, "another scheduler", func() error {
			if now = running(); now.ID == "" || same(now, old) {
				return errors.New("none yet")
			}
			return nil
		}))
		t.Logf("%s: the kubelet has another after %s", what, time.Since(started).Round(100*time.Millisecond))
		return now
	}
	started := time.Now()
	must(t, runtime.StopContainer(ctx, before.ID, 10*time.Second))
	t.Logf("stopped in %s", time.Since(started).Round(time.Millisecond))
	must(t, runtime.StopContainer(ctx, before.ID, 10*time.Second))
	now := replaced("a stopped container", before, func(a, b cri.Container) bool { return a.ID == b.ID })
	if now.SandboxID != before.SandboxID || !now.Created.After(before.Created) {
		t.Errorf("the new container is %+v, the old one was %+v", now, before)
	}
	for range 2 {
		must(t, runtime.RemoveSandbox(ctx, now.SandboxID))
	}
	must(t, runtime.StopContainer(ctx, now.ID, time.Second)) // gone with it
	replaced("a removed sandbox", now, func(a, b cri.Container) bool { return a.SandboxID == b.SandboxID })
}

// throughStdio dials a node's sockets on the standard streams of a program in
// it, as SSH will.
type throughStdio struct{ *nodes.Node }

func (n throughStdio) DialHost(ctx context.Context, _, path string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	cmd := n.Command(context.WithoutCancel(ctx), "socat", "-", "UNIX-CONNECT:"+path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends when ours is closed
		_, _ = io.Copy(stdin, theirs)
		stdin.Close()
	}()
	go func() { // ends when the socket is
		_, _ = io.Copy(theirs, stdout)
		theirs.Close()
		_ = cmd.Wait()
	}()
	return ours, nil
}

// registries is a registry on the lab's bridge that a node's containerd has as
// a mirror.
type registries struct {
	c    *clusters.Cluster
	host string
	stop func()

	mu    sync.Mutex
	asked []string // paths
}

func mirror(t *testing.T, c *clusters.Cluster, of string) *registries {
	t.Helper()
	ctx, cp := t.Context(), c.ControlPlane()
	listener, err := net.Listen("tcp", c.Lab.Gateway()+":0")
	must(t, err)
	r := &registries{c: c, host: listener.Addr().String()}
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodGet || req.Method == http.MethodHead {
			r.mu.Lock()
			r.asked = append(r.asked, req.URL.Path)
			r.mu.Unlock()
		}
		images.ServeHTTP(w, req)
	})}
	go server.Serve(listener)
	r.stop = func() { server.Close() }
	t.Cleanup(r.stop)

	config := "/etc/containerd/config.toml"
	text := do(t)(clusters.Must(ctx, cp, "cat", config))
	must(t, cp.WriteFile(ctx, config, []byte(text+"\n[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = '/etc/containerd/certs.d'\n"), 0o644))
	dir := "/etc/containerd/certs.d/" + of
	do(t)(clusters.Must(ctx, cp, "mkdir", "-p", dir))
	must(t, cp.WriteFile(ctx, dir+"/hosts.toml", fmt.Appendf(nil, "server = 'http://%[1]s'\n[host.'http://%[1]s']\n  capabilities = ['pull', 'resolve']\n", r.host), 0o644))
	do(t)(clusters.Must(ctx, cp, "systemctl", "restart", "containerd"))
	must(t, cp.Answers(ctx))
	return r
}

// push puts an image of the lab's into the registry.
func (r *registries) push(t *testing.T, ref string) {
	t.Helper()
	bundle, err := r.c.Lab.Bundle()
	must(t, err)
	archive := filepath.Join(bundle.Dir, "images", strings.NewReplacer("/", "_", ":", "_").Replace(ref)+".tar")
	image, err := tarball.ImageFromPath(archive, nil)
	must(t, err)
	_, path, _ := strings.Cut(ref, "/")
	to, err := name.ParseReference(r.host+"/"+path, name.Insecure)
	must(t, err)
	must(t, remote.Write(to, image, remote.WithContext(t.Context())))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = nil
}

func (r *registries) served(part string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.asked, func(path string) bool { return strings.Contains(path, part) })
}
