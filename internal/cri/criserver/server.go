// Package criserver serves a critest.Runtime over the CRI, on a socket as real
// runtimes do. It is for tests: the client is held to the same as the fake, in
// front of runtimes of any name, age and mood. It runs no containers.
package criserver

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/cri/critest"
)

// Server is one runtime on one socket. Set its fields before Listen.
type Server struct {
	Runtime *critest.Runtime
	// Old runtimes have no RuntimeConfig call.
	Old bool
	// NoV1 is a runtime without the CRI of version v1: very old, or with its
	// plugin disabled.
	NoV1 bool
	// Silent is one that takes calls and does not answer.
	Silent bool
	// Registry is what becomes of every pull, if it is an error: a status.
	Registry error

	done chan struct{}
}

// Serve serves r until the test ends and returns the path of its socket.
func Serve(t *testing.T, s *Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cri.sock")
	t.Cleanup(s.Listen(t, path))
	return path
}

// Listen serves on path and returns what stops it.
func (s *Server) Listen(t *testing.T, path string) (stop func()) {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s.done = make(chan struct{})
	server := grpc.NewServer()
	if !s.NoV1 {
		runtime.RegisterRuntimeServiceServer(server, &service{Server: s})
		runtime.RegisterImageServiceServer(server, &images{Server: s})
	}
	go func() { _ = server.Serve(listener) }() // ends with Stop
	return sync.OnceFunc(func() { close(s.done); server.Stop() })
}

// answer waits while the server is silent and gives an error its code.
func (s *Server) answer(err error) error {
	if s.Silent {
		<-s.done
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, cri.ErrUnavailable):
		return status.Error(codes.Unavailable, "the runtime is down")
	case errors.Is(err, context.Canceled):
		return status.FromContextError(err).Err()
	}
	return status.Error(codes.Unknown, err.Error())
}

type service struct {
	runtime.UnimplementedRuntimeServiceServer
	*Server
}

func (s *service) Version(ctx context.Context, _ *runtime.VersionRequest) (*runtime.VersionResponse, error) {
	about, err := s.Runtime.Info(ctx)
	return &runtime.VersionResponse{Version: "0.1.0", RuntimeName: about.Name, RuntimeVersion: about.Version, RuntimeApiVersion: about.APIVersion}, s.answer(err)
}

func (s *service) Status(ctx context.Context, _ *runtime.StatusRequest) (*runtime.StatusResponse, error) {
	about, err := s.Runtime.Info(ctx)
	config, _ := json.Marshal(map[string]any{"sandboxImage": about.SandboxImage, "containerd": map[string]any{"snapshotter": "overlayfs"}})
	return &runtime.StatusResponse{Info: map[string]string{"config": string(config)}, Status: &runtime.RuntimeStatus{Conditions: []*runtime.RuntimeCondition{
		{Type: runtime.RuntimeReady, Status: about.Ready, Message: about.NotReady},
		{Type: runtime.NetworkReady, Status: about.NetworkReady},
		{Type: "ContainerdHasNoDeprecationWarnings", Status: false},
	}}}, s.answer(err)
}

func (s *service) RuntimeConfig(ctx context.Context, r *runtime.RuntimeConfigRequest) (*runtime.RuntimeConfigResponse, error) {
	if s.Old {
		return s.UnimplementedRuntimeServiceServer.RuntimeConfig(ctx, r)
	}
	about, err := s.Runtime.Info(ctx)
	driver := runtime.CgroupDriver_SYSTEMD
	if about.CgroupDriver == "cgroupfs" {
		driver = runtime.CgroupDriver_CGROUPFS
	}
	return &runtime.RuntimeConfigResponse{Linux: &runtime.LinuxRuntimeConfiguration{CgroupDriver: driver}}, s.answer(err)
}

func (s *service) ListPodSandbox(ctx context.Context, _ *runtime.ListPodSandboxRequest) (*runtime.ListPodSandboxResponse, error) {
	list, err := s.Runtime.Sandboxes(ctx)
	answer := &runtime.ListPodSandboxResponse{}
	for _, one := range list {
		item := &runtime.PodSandbox{Id: one.ID, CreatedAt: one.Created.UnixNano(), State: runtime.PodSandboxState_SANDBOX_NOTREADY,
			Metadata: &runtime.PodSandboxMetadata{Name: one.Name, Namespace: one.Namespace, Uid: one.UID}}
		if one.Ready {
			item.State = runtime.PodSandboxState_SANDBOX_READY
		}
		answer.Items = append([]*runtime.PodSandbox{item}, answer.Items...) // the order is the runtime's own
	}
	return answer, s.answer(err)
}

func (s *service) ListContainers(ctx context.Context, _ *runtime.ListContainersRequest) (*runtime.ListContainersResponse, error) {
	list, err := s.Runtime.Containers(ctx)
	answer := &runtime.ListContainersResponse{}
	for _, one := range list {
		item := &runtime.Container{Id: one.ID, PodSandboxId: one.SandboxID, CreatedAt: one.Created.UnixNano(), State: runtime.ContainerState_CONTAINER_EXITED,
			Metadata: &runtime.ContainerMetadata{Name: one.Name},
			Labels:   map[string]string{"io.kubernetes.pod.name": one.Pod, "io.kubernetes.pod.namespace": one.Namespace}}
		if one.Running {
			item.State = runtime.ContainerState_CONTAINER_RUNNING
		}
		answer.Containers = append([]*runtime.Container{item}, answer.Containers...)
	}
	return answer, s.answer(err)
}

func (s *service) StopContainer(ctx context.Context, r *runtime.StopContainerRequest) (*runtime.StopContainerResponse, error) {
	if err := s.container(ctx, r.GetContainerId()); err != nil {
		return nil, err
	}
	return &runtime.StopContainerResponse{}, s.answer(s.Runtime.StopContainer(ctx, r.GetContainerId(), time.Duration(r.GetTimeout())*time.Second))
}

// container has some runtimes' answer for one that they do not know.
func (s *service) container(ctx context.Context, id string) error {
	list, err := s.Runtime.Containers(ctx)
	if err != nil {
		return s.answer(err)
	}
	for _, one := range list {
		if one.ID == id {
			return nil
		}
	}
	return status.Error(codes.NotFound, "no such container: "+id)
}

// StopPodSandbox leaves the sandbox there and not ready, as real ones do.
func (s *service) StopPodSandbox(ctx context.Context, r *runtime.StopPodSandboxRequest) (*runtime.StopPodSandboxResponse, error) {
	list, err := s.Runtime.Sandboxes(ctx)
	for _, one := range list {
		if one.ID == r.GetPodSandboxId() {
			one.Ready = false
			s.Runtime.AddSandbox(one)
		}
	}
	return &runtime.StopPodSandboxResponse{}, s.answer(err)
}

// RemovePodSandbox refuses one that was not stopped.
func (s *service) RemovePodSandbox(ctx context.Context, r *runtime.RemovePodSandboxRequest) (*runtime.RemovePodSandboxResponse, error) {
	list, err := s.Runtime.Sandboxes(ctx)
	for _, one := range list {
		if one.ID == r.GetPodSandboxId() && one.Ready {
			return nil, status.Error(codes.FailedPrecondition, "the sandbox still runs")
		}
	}
	if err == nil {
		err = s.Runtime.RemoveSandbox(ctx, r.GetPodSandboxId())
	}
	return &runtime.RemovePodSandboxResponse{}, s.answer(err)
}

type images struct {
	runtime.UnimplementedImageServiceServer
	*Server
}

func (s *images) ImageStatus(ctx context.Context, r *runtime.ImageStatusRequest) (*runtime.ImageStatusResponse, error) {
	ref := r.GetImage().GetImage()
	has, err := s.Runtime.HasImage(ctx, ref)
	answer := &runtime.ImageStatusResponse{}
	if has {
		answer.Image = &runtime.Image{Id: "sha256:0", RepoTags: []string{ref}}
	}
	return answer, s.answer(err)
}

func (s *images) PullImage(ctx context.Context, r *runtime.PullImageRequest) (*runtime.PullImageResponse, error) {
	ref := r.GetImage().GetImage()
	if s.Registry != nil {
		return nil, s.Registry
	}
	return &runtime.PullImageResponse{ImageRef: ref}, s.answer(s.Runtime.PullImage(ctx, ref))
}
