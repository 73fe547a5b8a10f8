package cli_test

import (
	"context"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cri/criserver"
	"github.com/clusteradm/clusteradm/internal/cri/critest"
)

const (
	containerdSocket = "/var/run/containerd/containerd.sock"
	crioSocket       = "/var/run/crio/crio.sock"
)

// runtime has a container runtime listen on socket.
func (r *rig) runtime(socket string) *critest.Runtime {
	runtime := critest.New()
	r.sockets[socket] = criserver.Serve(r.t, &criserver.Server{Runtime: runtime})
	r.machine.Put(socket, "", 0o660)
	return runtime
}

// controlPlane are the images of initConfig, in kubeadm's order.
var controlPlane = []string{
	"registry.k8s.io/kube-apiserver:v1.36.3", "registry.k8s.io/kube-controller-manager:v1.36.3", "registry.k8s.io/kube-scheduler:v1.36.3",
	"registry.k8s.io/kube-proxy:v1.36.3", "registry.k8s.io/coredns/coredns:v1.14.2", "registry.k8s.io/pause:3.10.2", "registry.k8s.io/etcd:3.6.8-0",
}

func count(runtime *critest.Runtime) int {
	return strings.Count(runtime.Snapshot(), "image ")
}

func TestInitPullsImagesFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	runtime := r.runtime(containerdSocket)
	runtime.AddImage(controlPlane[0])
	dry := r.run("init", "--config", "c.yaml", "--dry-run").is(t, 0, "pull     preflight/image-etcd@cp1: "+controlPlane[6])
	if strings.Contains(dry.out, "image-kube-apiserver") || count(runtime) != 1 {
		t.Errorf("a dry run pulled, or says so of what is there:\n%s%s", dry.out, runtime.Snapshot())
	}
	first := r.run("init", "--config", "c.yaml")
	first.is(t, 0, "preflight: pulled "+controlPlane[6]+" (", "init: done")
	if count(runtime) != len(controlPlane) || strings.Contains(first.stderr, "pulled "+controlPlane[0]) {
		t.Errorf("the images are\n%s%s", runtime.Snapshot(), first.stderr)
	}
	// Images are never taken back, so they are in no journal.
	if strings.Contains(r.journal(), "image-") {
		t.Errorf("the journal has an image:\n%s", r.journal())
	}
	runtime.Pullable = map[string]bool{} // no registry
	again := r.run("init", "--config", "c.yaml").is(t, 0, "nothing to change")
	if strings.Contains(again.stderr, "pull") {
		t.Errorf("what is there was pulled again:\n%s", again.stderr)
	}
}

func TestFailedPullsAreFindings(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	runtime := r.runtime(containerdSocket)
	runtime.Pullable = map[string]bool{controlPlane[0]: true, controlPlane[1]: true}
	start := r.machine.Snapshot(journals)
	failed := r.run("init", "--config", "c.yaml").is(t, 4, "fails 5 of the checks", "[ERROR ImagePull] pull image "+controlPlane[2]+": ", "[ERROR ImagePull] pull image "+controlPlane[6]+": ",
		"hint: clusteradm config images pull   # ImagePull", "--ignore-preflight-errors=ImagePull")
	if r.machine.Snapshot(journals) != start || r.journal() != "" {
		t.Error("the machine was changed")
	}
	if count(runtime) != 2 || strings.Contains(failed.stderr, "stopped part-way") {
		t.Errorf("not all were tried: %s\n%s", runtime.Snapshot(), failed.stderr)
	}
	lines := objects(t, r.run("init", "phase", "preflight", "--config", "c.yaml", "-o", "json").is(t, 4).out)
	last := lines[len(lines)-1]
	if findings, ok := last["findings"].([]any); !ok || len(findings) != 5 || last["code"] != 4.0 {
		t.Errorf("the last line is %v", last)
	}
	r.run("init", "--config", "c.yaml", "--ignore-preflight-errors=imagepull").is(t, 0, "[WARNING ImagePull] pull image "+controlPlane[2], "init: done")
}

// Interrupted while it pulls, init has changed nothing that could be gone on
// with or rolled back.
func TestPullingIsInterrupted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	runtime := r.runtime(containerdSocket)
	ctx, cancel := context.WithCancel(t.Context())
	runtime.Pulling = func(pull context.Context, _ string) { cancel(); <-pull.Done() }
	start := r.machine.Snapshot(journals)
	stopped := r.with(ctx, "init", "--config", "c.yaml").is(t, 130, "interrupted", "pull images")
	if strings.Contains(stopped.stderr, "rollback") || r.machine.Snapshot(journals) != start || count(runtime) != 0 {
		t.Errorf("%s\n%s", stopped.stderr, runtime.Snapshot())
	}
}

func TestImagePullPolicy(t *testing.T) {
	t.Parallel()
	policy := func(r *rig, line string) {
		r.files["c.yaml"] = strings.Replace(initConfig, "{name: cp1}", "{name: cp1, "+line+"}", 1)
	}
	r := newRig(t)
	runtime := r.runtime(containerdSocket)
	policy(r, "imagePullPolicy: Never")
	r.run("init", "phase", "preflight", "--config", "c.yaml").is(t, 0)
	if count(runtime) != 0 {
		t.Errorf("Never pulled\n%s", runtime.Snapshot())
	}
	r.run("config", "images", "pull", "--config", "c.yaml").is(t, 0, "pulled   "+controlPlane[6])

	policy(r, "imagePullPolicy: Always, imagePullSerial: true")
	always := r.run("init", "phase", "preflight", "--config", "c.yaml").is(t, 0)
	last := -1
	for _, ref := range controlPlane { // one after the other
		at := strings.Index(always.stderr, "pulled "+ref)
		if at <= last {
			t.Errorf("Always, one by one, said of %s:\n%s", ref, always.stderr)
		}
		last = at
	}
	r.run("init", "--config", "c.yaml", "--dry-run").is(t, 0, "pull     preflight/image-pause@cp1")
	r.run("init", "--config", "c.yaml", "--skip-phases", "preflight", "--dry-run").is(t, 0)
}

func TestConfigImagesPull(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	runtime := r.runtime(crioSocket)
	runtime.AddImage("reg.example.com/k8s/pause:3.10.2")
	args := []string{"config", "images", "pull", "--image-repository", "reg.example.com/k8s", "--kubernetes-version", "v1.36.1", "--feature-gates", "PublicKeysECDSA=true"}
	r.run(args...).is(t, 0, "pulled   reg.example.com/k8s/kube-apiserver:v1.36.1\n", "present  reg.example.com/k8s/pause:3.10.2\n", "pulled   reg.example.com/k8s/coredns:v1.14.2\n")
	if count(runtime) != 7 {
		t.Errorf("the images are\n%s", runtime.Snapshot())
	}
	again := r.run(args...).is(t, 0, "present  reg.example.com/k8s/etcd:3.6.8-0\n")
	if strings.Contains(again.out, "pulled") {
		t.Errorf("pulled twice:\n%s", again.out)
	}
	runtime.Pullable = map[string]bool{}
	failed := r.run(append(args, "-o", "json", "--kubernetes-version", "v1.36.2")...).is(t, 1, "4 of 7 images could not be pulled", "hint: clusteradm config images pull --help")
	lines := objects(t, failed.out)
	result := lines[len(lines)-2]
	images, ok := result["images"].([]any)
	if !ok || result["kind"] != "result" || len(images) != 7 {
		t.Fatalf("the result is %v", result)
	}
	if first := images[0].(map[string]any); first["pulled"] != false || !strings.Contains(first["error"].(string), "not found") {
		t.Errorf("the first image is %v", first)
	}
	if _, failed := images[5].(map[string]any)["error"]; failed {
		t.Errorf("an image that is there failed: %v", images[5])
	}
	r.run("config", "images", "pull", "--feature-gates", "X=y").is(t, 2, `is not NAME=true`)
	r.run("config", "images", "pull", "--config", "none.yaml").is(t, 2, "none.yaml")
	runtime.Down()
	r.run("config", "images", "pull").is(t, 1, "container runtime does not answer on unix://"+crioSocket, "hint: systemctl status crio")
}

func TestSeveralRuntimes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.runtime(containerdSocket)
	crio := r.runtime(crioSocket)
	r.run("init", "--config", "c.yaml").is(t, 2, "nodeRegistration.criSocket: is required", containerdSocket+", "+crioSocket, "--cri-socket=unix://"+containerdSocket)
	r.run("config", "images", "pull").is(t, 2, "criSocket: is required")
	r.run("init", "--config", "c.yaml", "--cri-socket", crioSocket).is(t, 0, "init: done")
	if count(crio) != len(controlPlane) {
		t.Errorf("pulled elsewhere:\n%s", crio.Snapshot())
	}
}
