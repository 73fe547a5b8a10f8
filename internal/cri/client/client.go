// Package client is a container runtime reached through its CRI socket. It
// speaks the CRI of version v1 over gRPC on a connection that the machine
// makes, so that a runtime behind SSH is one like any other.
//
// It connects when it is first asked something, retries nothing, and refuses
// sockets that are not of the machine. Questions end in bounded time; pulls
// end with their context.
package client

import (
	"context"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/host"
)

// maxMessage is what the kubelet accepts; a node with many pods has more to
// say than gRPC's 4 MiB.
const maxMessage = 16 << 20

// timeouts bound calls. Nothing is retried.
type timeouts struct {
	ask  time.Duration // what a runtime knows without looking
	look time.Duration // what it has to look for, maybe while it pulls images
	stop time.Duration // the end of a pod, its network included
}

// Client is the runtime behind one socket.
type Client struct {
	socket string
	dialer host.Dialer
	within timeouts

	mu      sync.Mutex
	conn    *grpc.ClientConn
	dialErr error // of the last attempt to connect
}

var _ cri.Client = (*Client)(nil)

// New returns the runtime behind socket, a path with or without unix://. That
// nobody listens there is told by the first call.
func New(d host.Dialer, socket string) *Client {
	// The first is kubeadm's, the last the kubelet's runtimeRequestTimeout.
	return &Client{socket: socket, dialer: d, within: timeouts{ask: 2 * time.Second, look: 10 * time.Second, stop: 2 * time.Minute}}
}

// Close ends the connection; the next call makes another.
func (c *Client) Close() error {
	c.mu.Lock()
	conn := c.conn
	c.conn = nil
	c.mu.Unlock() // a dial under way takes it
	if conn == nil {
		return nil
	}
	return conn.Close()
}

func (c *Client) connect() (*grpc.ClientConn, error) {
	path, err := cri.SocketPath(c.socket)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		return c.conn, nil
	}
	// A runtime that restarts is back within a second: no backoff of minutes.
	quick := backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second}
	c.conn, err = grpc.NewClient("passthrough:///localhost",
		grpc.WithTransportCredentials(insecure.NewCredentials()), // the socket's mode is what guards it
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			conn, err := c.dialer.DialHost(ctx, "unix", path)
			c.mu.Lock()
			defer c.mu.Unlock()
			c.dialErr = err
			return conn, err
		}),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: quick, MinConnectTimeout: c.within.ask}),
		grpc.WithNoProxy(), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	return c.conn, err
}

// call makes one call that ends within the time given, 0 for with the context
// alone, and types its error. What is the call in words.
func (c *Client) call(ctx context.Context, what string, within time.Duration, f func(context.Context, *grpc.ClientConn) error) error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	bounded, cancel := ctx, context.CancelFunc(func() {})
	if within > 0 {
		bounded, cancel = context.WithTimeout(ctx, within)
	}
	defer cancel()
	if err := f(bounded, conn); err != nil {
		return c.typed(ctx, what, within, err)
	}
	return nil
}

func (c *Client) runtime(conn *grpc.ClientConn) runtime.RuntimeServiceClient {
	return runtime.NewRuntimeServiceClient(conn)
}
