package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/clusteradm/clusteradm/internal/etcd"
)

// callTimeout bounds one call to one member; a member that serves answers in
// milliseconds, but for one that has just lost its leader.
const callTimeout = 2 * time.Second

// tries is how often a member is asked whose answer was lost.
const tries = 2

// learn adds where members say that they are asked, after what is known.
func (c *Client) learn(urls []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range urls {
		if !slices.Contains(c.endpoints, u) {
			c.endpoints = append(c.endpoints, u)
		}
	}
}

func (c *Client) each(ctx context.Context, call func(context.Context, *grpc.ClientConn) error) error {
	c.mu.Lock()
	endpoints := slices.Clone(c.endpoints)
	c.mu.Unlock()
	return c.asked(ctx, endpoints, c.config.Timeout, call)
}

// of makes a call to one member.
func (c *Client) of(ctx context.Context, m etcd.Member, call func(context.Context, *grpc.ClientConn) error) error {
	return c.asked(ctx, m.ClientURLs, c.config.Timeout, call)
}

// asked makes a call to the first member that answers, within a time if that is
// not 0. What a member refuses, another would refuse too, but for a learner,
// which answers for itself alone.
func (c *Client) asked(ctx context.Context, endpoints []string, within time.Duration, call func(context.Context, *grpc.ClientConn) error) error {
	var silent []error
	for _, endpoint := range endpoints {
		conn, err := c.conn(endpoint)
		if err != nil {
			silent = append(silent, err)
			continue
		}
		for range tries {
			err = bounded(ctx, within, conn, call)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err == nil {
				return nil
			}
			if answered(err, "rpc not supported for learner") {
				break
			}
			if !lost(err) {
				return errors.New(status.Convert(err).Message())
			}
		}
		silent = append(silent, fmt.Errorf("%s: %s", endpoint, status.Convert(err).Message()))
	}
	return errors.Join(append([]error{etcd.ErrUnavailable}, silent...)...)
}

func bounded(ctx context.Context, within time.Duration, conn *grpc.ClientConn, call func(context.Context, *grpc.ClientConn) error) error {
	if within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, within)
		defer cancel()
	}
	return call(ctx, conn)
}

// answered reports that etcd's answer was this one; the text is its API
// (v3rpc/rpctypes/error.go).
func answered(err error, text string) bool {
	return err != nil && status.Convert(err).Message() == "etcdserver: "+text
}

// lost reports an error that says nothing of the request.
func lost(err error) bool {
	code := status.Code(err)
	return code == codes.Unavailable && !refusal(err) || code == codes.DeadlineExceeded
}

// refusal tells etcd's own "unhealthy cluster" from a member that is not there:
// both have the code Unavailable.
func refusal(err error) bool {
	return answered(err, "unhealthy cluster")
}

func (c *Client) conn(endpoint string) (*grpc.ClientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn, ok := c.conns[endpoint]; ok {
		return conn, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("endpoint %q is no URL", endpoint)
	}
	trust := insecure.NewCredentials()
	if u.Scheme == "https" {
		if c.tls == nil {
			return nil, fmt.Errorf("endpoint %s: there is no certificate to ask it with", endpoint)
		}
		config := c.tls.Clone()
		config.ServerName = u.Hostname()
		trust = credentials.NewTLS(config)
	}
	quick := backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.5, MaxDelay: c.config.Timeout / 4}
	conn, err := grpc.NewClient("passthrough:///"+u.Host, grpc.WithTransportCredentials(trust), grpc.WithNoProxy(),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: quick, MinConnectTimeout: c.config.Timeout}),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return c.config.Dial(ctx, "tcp", addr) }))
	if err != nil {
		return nil, err
	}
	c.conns[endpoint] = conn
	return conn, nil
}
