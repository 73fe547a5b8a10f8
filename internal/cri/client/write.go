package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// PullImage implements cri.Writer. How long a pull may take nobody knows: it
// ends with its context.
func (c *Client) PullImage(ctx context.Context, ref string) error {
	err := c.pull(ctx, ref)
	var unavailable *UnavailableError
	if !errors.As(err, &unavailable) {
		return err
	}
	// Runtimes hand on what a registry answered, such as that it is overloaded,
	// in the same words in which they are not there themselves.
	if _, err := c.Info(ctx); err != nil {
		return unavailable
	}
	return fmt.Errorf("pull image %s: %s", ref, unavailable.Reason)
}

func (c *Client) pull(ctx context.Context, ref string) error {
	return c.call(ctx, "pull image "+ref, 0, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := runtime.NewImageServiceClient(conn).PullImage(ctx, &runtime.PullImageRequest{Image: &runtime.ImageSpec{Image: ref}})
		return err
	})
}

// StopContainer implements cri.Writer.
func (c *Client) StopContainer(ctx context.Context, id string, grace time.Duration) error {
	return c.call(ctx, "stop container "+id, grace+c.within.look, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := c.runtime(conn).StopContainer(ctx, &runtime.StopContainerRequest{ContainerId: id, Timeout: int64(grace.Seconds())})
		return gone(err)
	})
}

// RemoveSandbox implements cri.Writer.
func (c *Client) RemoveSandbox(ctx context.Context, id string) error {
	return c.call(ctx, "remove pod sandbox "+id, c.within.stop, func(ctx context.Context, conn *grpc.ClientConn) error {
		// A sandbox is not removed while its network is up.
		_, err := c.runtime(conn).StopPodSandbox(ctx, &runtime.StopPodSandboxRequest{PodSandboxId: id})
		if gone(err) != nil {
			return err
		}
		_, err = c.runtime(conn).RemovePodSandbox(ctx, &runtime.RemovePodSandboxRequest{PodSandboxId: id})
		return gone(err)
	})
}

// gone makes nothing of an error that says that the thing is not there.
func gone(err error) error {
	if status.Code(err) == codes.NotFound {
		return nil
	}
	return err
}
