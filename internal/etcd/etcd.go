// Package etcd is what clusteradm asks of an etcd cluster and does to it:
// small interfaces in values of its own. internal/etcd/client is the real one,
// etcdtest is the fake.
package etcd

import (
	"context"
	"errors"
)

// What etcd answers that callers tell apart.
var (
	// ErrUnavailable reports that no member answers.
	ErrUnavailable = errors.New("etcd does not answer")
	// ErrTooManyLearners reports that another member is joining: etcd takes in
	// one at a time (--max-learners).
	ErrTooManyLearners = errors.New("etcd has a learner already")
	// ErrUnsettled reports that a voter was away within the last seconds, or is:
	// etcd takes in nobody before it has been connected to all for five.
	ErrUnsettled = errors.New("etcd has not been connected to all of its voters for long enough")
	// ErrNotInSync reports a learner that lacks too much of the leader's log to
	// be promoted yet.
	ErrNotInSync = errors.New("the learner is not in sync with the leader yet")
	// ErrNotFound reports a member that is not there.
	ErrNotFound = errors.New("etcd has no such member")
)

// Member is one member of the cluster.
type Member struct {
	ID         uint64
	Name       string // empty until it has started
	PeerURLs   []string
	ClientURLs []string
	Learner    bool
}

// Status is what one member says of itself.
type Status struct {
	ID      uint64
	Version string // of the server, "3.6.8"
	Leader  uint64 // whom it follows, itself perhaps; 0 is nobody
	Learner bool
	// Term, Index and Applied are of the raft log: how far it is, and how far
	// what it holds has come into the database.
	Term, Index, Applied uint64
	Size, InUse          int64    // of the database in bytes: the file, and what of it holds data
	Quota                int64    // that the file may not grow past; 0: it does not tell, as before 3.6
	Errors               []string // "NOSPACE"
}

// AlarmKind is what an alarm is about, in etcd's spelling.
type AlarmKind string

// The alarms that etcd has.
const (
	NoSpace AlarmKind = "NOSPACE"
	Corrupt AlarmKind = "CORRUPT"
)

// Alarm is one that is raised for a member.
type Alarm struct {
	Member uint64
	Kind   AlarmKind
}

// Reader asks.
type Reader interface {
	// Members lists the cluster's members. Without a quorum, what a member that
	// answers knew last is told: it takes no quorum to see that there is none.
	Members(ctx context.Context) ([]Member, error)
	// Healthy asks one member itself; nil means that it serves.
	Healthy(ctx context.Context, m Member) error
	// Status asks one member itself what it is.
	Status(ctx context.Context, m Member) (Status, error)
	// Alarms lists the alarms that are raised.
	Alarms(ctx context.Context) ([]Alarm, error)
}

// Writer does.
type Writer interface {
	// RemoveMember removes a member. That it is not there is no error.
	RemoveMember(ctx context.Context, id uint64) error
	// AddLearner adds a member that does not vote yet and returns it. One that is
	// there with these very peer URLs is returned as it is: the answer to an
	// earlier call may have been lost. ErrTooManyLearners while another joins,
	// ErrUnsettled soon after another got its vote.
	AddLearner(ctx context.Context, peerURLs []string) (Member, error)
	// Promote gives a learner its vote; one that has it is no error.
	// ErrNotInSync until it has caught up, ErrNotFound when it is not there.
	Promote(ctx context.Context, id uint64) error
	// MoveLeader has the leader hand over to another voter.
	MoveLeader(ctx context.Context, leader, to Member) error
	// Defragment frees what a member's database file holds without use; the
	// member answers nobody meanwhile.
	Defragment(ctx context.Context, m Member) error
	// Disarm takes an alarm back. That it is not raised is no error.
	Disarm(ctx context.Context, a Alarm) error
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

// Status implements Reader.
func (Unavailable) Status(context.Context, Member) (Status, error) {
	return Status{}, ErrUnavailable
}

// Alarms implements Reader.
func (Unavailable) Alarms(context.Context) ([]Alarm, error) { return nil, ErrUnavailable }

// RemoveMember implements Writer.
func (Unavailable) RemoveMember(context.Context, uint64) error { return ErrUnavailable }

// AddLearner implements Writer.
func (Unavailable) AddLearner(context.Context, []string) (Member, error) {
	return Member{}, ErrUnavailable
}

// Promote implements Writer.
func (Unavailable) Promote(context.Context, uint64) error { return ErrUnavailable }

// MoveLeader implements Writer.
func (Unavailable) MoveLeader(context.Context, Member, Member) error { return ErrUnavailable }

// Defragment implements Writer.
func (Unavailable) Defragment(context.Context, Member) error { return ErrUnavailable }

// Disarm implements Writer.
func (Unavailable) Disarm(context.Context, Alarm) error { return ErrUnavailable }
