// Package etcd is what clusteradm asks of an etcd cluster and does to it:
// small interfaces in values of its own. internal/etcd/client is the real one,
// etcdtest is the fake.
package etcd

import (
	"context"
	"errors"
)

// ErrUnavailable reports that no member answers.
var ErrUnavailable = errors.New("etcd does not answer")

// Member is one member of the cluster.
type Member struct {
	ID         uint64
	Name       string // empty until it has started
	PeerURLs   []string
	ClientURLs []string
	Learner    bool
}

// Reader asks.
type Reader interface {
	// Members lists the cluster's members. Without a quorum, what a member that
	// answers knew last is told: it takes no quorum to see that there is none.
	Members(ctx context.Context) ([]Member, error)
	// Healthy asks one member itself; nil means that it serves.
	Healthy(ctx context.Context, m Member) error
}

// Writer does.
type Writer interface {
	// RemoveMember removes a member. That it is not there is no error.
	RemoveMember(ctx context.Context, id uint64) error
}

// Client reads and writes.
type Client interface {
	Reader
	Writer
}

// Unavailable is an etcd that nobody connected.
type Unavailable struct{}

var _ Client = Unavailable{}

// Members implements Reader.
func (Unavailable) Members(context.Context) ([]Member, error) { return nil, ErrUnavailable }

// Healthy implements Reader.
func (Unavailable) Healthy(context.Context, Member) error { return ErrUnavailable }

// RemoveMember implements Writer.
func (Unavailable) RemoveMember(context.Context, uint64) error { return ErrUnavailable }
