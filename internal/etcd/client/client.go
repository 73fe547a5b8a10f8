// Package client asks and changes a real etcd over its own gRPC calls.
//
// They are few, and they are written out here (wire.go): etcd's generated ones
// cost every command 2.5 ms at its start, clientv3 over them another, and
// that chooses endpoints by itself, where here it matters which member was
// asked. The tests serve the generated ones, so that both agree.
//
// A call takes two seconds at most and is made once more when its answer was
// lost. It does no arithmetic: what a membership may lose is not decided here.
package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// Config says where etcd is and how to be trusted by it.
type Config struct {
	// Endpoints are URLs, asked in this order; those of members that are heard
	// of come after them.
	Endpoints []string
	CA, Cert  []byte // PEM
	Key       secret.Bytes
	Dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	Timeout   time.Duration // of one call; 0 is two seconds
}

// Client is an etcd cluster as seen from one machine.
type Client struct {
	config    Config
	tls       *tls.Config
	mu        sync.Mutex
	endpoints []string
	conns     map[string]*grpc.ClientConn
}

var _ etcd.Client = (*Client)(nil)

// New connects to nothing yet.
func New(c Config) (*Client, error) {
	if c.Timeout == 0 {
		c.Timeout = callTimeout
	}
	client := &Client{config: c, endpoints: slices.Clone(c.Endpoints), conns: map[string]*grpc.ClientConn{}}
	if len(c.CA) == 0 {
		return client, nil
	}
	client.tls = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !client.tls.RootCAs.AppendCertsFromPEM(c.CA) {
		return nil, errors.New("connect to etcd: its certificate authority holds no certificate")
	}
	pair, err := tls.X509KeyPair(c.Cert, c.Key.Reveal())
	if err != nil {
		return nil, fmt.Errorf("connect to etcd: read client certificate: %w", err)
	}
	client.tls.Certificates = []tls.Certificate{pair}
	return client, nil
}

// Close ends all connections.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close() // nothing is lost with it
	}
	c.conns = map[string]*grpc.ClientConn{}
}

// Members implements etcd.Reader. All members that can be reached are tried for
// what the cluster agrees on before one is asked for what it knows by itself.
func (c *Client) Members(ctx context.Context) ([]etcd.Member, error) {
	var members []etcd.Member
	ask := func(linearizable bool) error {
		return c.each(ctx, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
			members, err = invokeMembers(ctx, conn, linearizable)
			return err
		})
	}
	err := ask(true)
	if err != nil && ctx.Err() == nil {
		err = ask(false)
	}
	if err != nil {
		return nil, fmt.Errorf("list etcd members: %w", err)
	}
	for _, m := range members {
		c.learn(m.ClientURLs)
	}
	slices.SortFunc(members, func(a, b etcd.Member) int { return cmp.Compare(a.ID, b.ID) })
	return members, nil
}

// Healthy implements etcd.Reader: a member is well that knows a leader.
func (c *Client) Healthy(ctx context.Context, m etcd.Member) error {
	if len(m.ClientURLs) == 0 {
		return fmt.Errorf("ask etcd member %x: it never started: %w", m.ID, etcd.ErrUnavailable)
	}
	err := c.of(ctx, m, func(ctx context.Context, conn *grpc.ClientConn) error {
		s, err := itself(ctx, conn, m)
		if err == nil && s.Leader == 0 {
			return status.Error(codes.Unavailable, "it has no leader")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("ask etcd member %s: %w", m.Name, err)
	}
	return nil
}

// itself asks a member what it is, and that it is the one that was meant.
func itself(ctx context.Context, conn *grpc.ClientConn, m etcd.Member) (etcd.Status, error) {
	s, err := invokeStatus(ctx, conn)
	if err == nil && s.ID != m.ID {
		err = status.Errorf(codes.Unavailable, "another member answers there, %x", s.ID)
	}
	return s, err
}

// Status implements etcd.Reader.
func (c *Client) Status(ctx context.Context, m etcd.Member) (s etcd.Status, err error) {
	err = c.of(ctx, m, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		s, err = itself(ctx, conn, m)
		return err
	})
	if err != nil {
		return etcd.Status{}, fmt.Errorf("ask etcd member %s: %w", m.Name, err)
	}
	return s, nil
}

// Alarms implements etcd.Reader.
func (c *Client) Alarms(ctx context.Context) (alarms []etcd.Alarm, err error) {
	err = c.each(ctx, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		alarms, err = invokeAlarms(ctx, conn, message(nil).number(1, alarmGet))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list etcd alarms: %w", err)
	}
	slices.SortFunc(alarms, func(a, b etcd.Alarm) int {
		return cmp.Or(cmp.Compare(a.Member, b.Member), cmp.Compare(a.Kind, b.Kind))
	})
	return alarms, nil
}

// RemoveMember implements etcd.Writer.
func (c *Client) RemoveMember(ctx context.Context, id uint64) error {
	err := c.each(ctx, func(ctx context.Context, conn *grpc.ClientConn) error {
		err := invoke(ctx, conn, memberRemove, message(nil).number(1, id), nothing)
		if status.Code(err) == codes.NotFound {
			return nil
		}
		return err
	})
	if refusal(err) {
		err = etcd.ErrUnsettled
	}
	if err != nil {
		return fmt.Errorf("remove etcd member %x: %w", id, err)
	}
	return nil
}

// AddLearner implements etcd.Writer.
func (c *Client) AddLearner(ctx context.Context, peerURLs []string) (etcd.Member, error) {
	var added etcd.Member
	err := c.each(ctx, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		added, err = invokeAdd(ctx, conn, peerURLs)
		return err
	})
	if answered(err, "Peer URLs already exists") {
		members, listErr := c.Members(ctx)
		if listErr != nil {
			return etcd.Member{}, listErr
		}
		for _, m := range members {
			if sameURLs(m.PeerURLs, peerURLs) {
				return m, nil
			}
		}
	}
	switch {
	case answered(err, "too many learner members in cluster"):
		err = etcd.ErrTooManyLearners
	case refusal(err):
		err = etcd.ErrUnsettled
	case err == nil:
		return added, nil
	}
	return etcd.Member{}, fmt.Errorf("add etcd member %s: %w", strings.Join(peerURLs, ","), err)
}

func sameURLs(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// Promote implements etcd.Writer.
func (c *Client) Promote(ctx context.Context, id uint64) error {
	err := c.each(ctx, func(ctx context.Context, conn *grpc.ClientConn) error {
		return invoke(ctx, conn, memberPromote, message(nil).number(1, id), nothing)
	})
	switch {
	case err == nil || answered(err, "can only promote a learner member"): // it has its vote
		return nil
	case answered(err, "can only promote a learner member which is in sync with leader"):
		err = etcd.ErrNotInSync
	case answered(err, "member not found"):
		err = etcd.ErrNotFound
	}
	return fmt.Errorf("promote etcd member %x: %w", id, err)
}

// MoveLeader implements etcd.Writer.
func (c *Client) MoveLeader(ctx context.Context, leader, to etcd.Member) error {
	err := c.of(ctx, leader, func(ctx context.Context, conn *grpc.ClientConn) error {
		return invoke(ctx, conn, moveLeader, message(nil).number(1, to.ID), nothing)
	})
	if err != nil {
		return fmt.Errorf("move the leader of etcd from %s to %s: %w", leader.Name, to.Name, err)
	}
	return nil
}

// Defragment implements etcd.Writer. It takes as long as it takes: a lost
// connection ends it, and the context.
func (c *Client) Defragment(ctx context.Context, m etcd.Member) error {
	err := c.asked(ctx, m.ClientURLs, 0, func(ctx context.Context, conn *grpc.ClientConn) error {
		return invoke(ctx, conn, defragment, nil, nothing)
	})
	if err != nil {
		return fmt.Errorf("defragment etcd member %s: %w", m.Name, err)
	}
	return nil
}

// Disarm implements etcd.Writer.
func (c *Client) Disarm(ctx context.Context, a etcd.Alarm) error {
	kind := uint64(0)
	for number, name := range alarmKinds {
		if name == a.Kind {
			kind = number
		}
	}
	err := c.each(ctx, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := invokeAlarms(ctx, conn, message(nil).number(1, alarmDeactivate).number(2, a.Member).number(3, kind))
		return err
	})
	if err != nil {
		return fmt.Errorf("disarm etcd alarm %s of member %x: %w", a.Kind, a.Member, err)
	}
	return nil
}
