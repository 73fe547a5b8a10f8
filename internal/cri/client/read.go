package client

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/clusteradm/clusteradm/internal/cri"
)

// The labels by which a kubelet finds its containers again.
const (
	podNameLabel      = "io.kubernetes.pod.name"
	podNamespaceLabel = "io.kubernetes.pod.namespace"
)

// Info implements cri.Reader.
func (c *Client) Info(ctx context.Context) (cri.Info, error) {
	var version *runtime.VersionResponse
	var state *runtime.StatusResponse
	var driver string
	err := c.call(ctx, "ask the container runtime what it is", c.within.ask, func(ctx context.Context, conn *grpc.ClientConn) error {
		g, ctx := errgroup.WithContext(ctx)
		r := c.runtime(conn)
		g.Go(func() (err error) {
			version, err = r.Version(ctx, &runtime.VersionRequest{})
			return err
		})
		g.Go(func() (err error) {
			state, err = r.Status(ctx, &runtime.StatusRequest{Verbose: true})
			return err
		})
		g.Go(func() (err error) {
			driver, err = cgroupDriver(ctx, r)
			return err
		})
		return g.Wait()
	})
	if err != nil {
		return cri.Info{}, err
	}
	info := cri.Info{Name: version.GetRuntimeName(), Version: version.GetRuntimeVersion(), APIVersion: version.GetRuntimeApiVersion(), CgroupDriver: driver,
		SandboxImage: SandboxImage(state.GetInfo()["config"])}
	for _, condition := range state.GetStatus().GetConditions() {
		switch condition.GetType() {
		case runtime.RuntimeReady:
			if info.Ready = condition.GetStatus(); !info.Ready {
				info.NotReady = strings.TrimPrefix(condition.GetReason()+": "+condition.GetMessage(), ": ")
			}
		case runtime.NetworkReady:
			info.NetworkReady = condition.GetStatus()
		}
	}
	return info, nil
}

// SandboxImage is what the configuration that a runtime tells of itself, in
// JSON, says of its sandboxes' image; empty when it says nothing.
func SandboxImage(config string) string {
	var said struct {
		SandboxImage string `json:"sandboxImage"`
	}
	if json.Unmarshal([]byte(config), &said) != nil {
		return ""
	}
	return said.SandboxImage
}

// cgroupDriver is empty for a runtime from before the call that tells it.
func cgroupDriver(ctx context.Context, r runtime.RuntimeServiceClient) (string, error) {
	config, err := r.RuntimeConfig(ctx, &runtime.RuntimeConfigRequest{})
	if status.Code(err) == codes.Unimplemented || err == nil && config.GetLinux() == nil {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return strings.ToLower(config.GetLinux().GetCgroupDriver().String()), nil
}

// HasImage implements cri.Reader.
func (c *Client) HasImage(ctx context.Context, ref string) (has bool, err error) {
	err = c.call(ctx, "look for image "+ref, c.within.look, func(ctx context.Context, conn *grpc.ClientConn) error {
		answer, err := runtime.NewImageServiceClient(conn).ImageStatus(ctx, &runtime.ImageStatusRequest{Image: &runtime.ImageSpec{Image: ref}})
		has = answer.GetImage() != nil
		return err
	})
	return has, err
}

// Sandboxes implements cri.Reader.
func (c *Client) Sandboxes(ctx context.Context) (list []cri.Sandbox, err error) {
	err = c.call(ctx, "list pod sandboxes", c.within.look, func(ctx context.Context, conn *grpc.ClientConn) error {
		answer, err := c.runtime(conn).ListPodSandbox(ctx, &runtime.ListPodSandboxRequest{})
		for _, s := range answer.GetItems() {
			list = append(list, cri.Sandbox{
				ID: s.GetId(), Name: s.GetMetadata().GetName(), Namespace: s.GetMetadata().GetNamespace(), UID: s.GetMetadata().GetUid(),
				Ready: s.GetState() == runtime.PodSandboxState_SANDBOX_READY, Created: time.Unix(0, s.GetCreatedAt()).UTC(),
			})
		}
		return err
	})
	slices.SortFunc(list, func(a, b cri.Sandbox) int { return strings.Compare(a.ID, b.ID) })
	return list, err
}

// Containers implements cri.Reader. How a container ended would take a call
// for each and is not told.
func (c *Client) Containers(ctx context.Context) (list []cri.Container, err error) {
	err = c.call(ctx, "list containers", c.within.look, func(ctx context.Context, conn *grpc.ClientConn) error {
		answer, err := c.runtime(conn).ListContainers(ctx, &runtime.ListContainersRequest{})
		for _, one := range answer.GetContainers() {
			list = append(list, cri.Container{
				ID: one.GetId(), SandboxID: one.GetPodSandboxId(), Name: one.GetMetadata().GetName(),
				Pod: one.GetLabels()[podNameLabel], Namespace: one.GetLabels()[podNamespaceLabel],
				Running: one.GetState() == runtime.ContainerState_CONTAINER_RUNNING, Created: time.Unix(0, one.GetCreatedAt()).UTC(),
			})
		}
		return err
	})
	slices.SortFunc(list, func(a, b cri.Container) int { return strings.Compare(a.ID, b.ID) })
	return list, err
}
