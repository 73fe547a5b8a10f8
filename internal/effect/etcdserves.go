package effect

import (
	"context"
	"fmt"
	"time"

	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// EtcdServes is a learner that serves clients. etcd does so once it has seen
// its own announcement in the log; if the announcement came to it inside of the
// leader's snapshot instead, as it mostly does when disks are quick, it waits
// seven seconds for nothing and announces itself again
// (etcdserver/server.go, publishV3). A learner, on which nobody counts, is
// restarted: then it has the log. A voter never is, and one that does not run is
// the kubelet's to start.
type EtcdServes struct {
	Host    string
	PeerURL string
	Addr    string        // where it serves clients, host:port
	Grace   time.Duration // between SIGTERM and SIGKILL
}

// servesWithin bounds one look: a port that is open and not served yet says
// nothing at all.
const servesWithin = 300 * time.Millisecond

type etcdServesObserved struct {
	member    etcd.Member
	served    bool
	container string // empty if none runs
}

// Key implements plan.Effect.
func (e EtcdServes) Key() string { return "etcd serving " + e.Addr }

// Observe implements plan.Effect.
func (e EtcdServes) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	members, err := v.Etcd(e.Host).Members(ctx)
	if err != nil {
		return nil, wrapObserve(e, err)
	}
	var o etcdServesObserved
	o.member, _ = MemberAt(members, e.PeerURL)
	o.served = e.Serves(ctx, v)
	// A runtime that does not answer restarts nothing.
	if running, err := Running(ctx, v.Runtime(e.Host), "etcd"); err == nil {
		o.container = running.ID
	}
	return o, ctx.Err()
}

// Serves reports that somebody answers there.
func (e EtcdServes) Serves(ctx context.Context, v plan.View) bool {
	ctx, cancel := context.WithTimeout(ctx, servesWithin)
	defer cancel()
	_, err := v.Served(ctx, e.Host, e.Addr)
	return err == nil
}

// Diff implements plan.Effect.
func (e EtcdServes) Diff(observed plan.Observed) plan.Change {
	o := observed.(etcdServesObserved)
	switch {
	case o.member.Name == "":
		return plan.Change{Verb: plan.Unknown, Summary: "etcd at " + e.PeerURL + " has not started yet"}
	case o.served || !o.member.Learner || o.container == "":
		return plan.Change{}
	}
	return plan.Change{Verb: plan.Restart, Summary: "etcd: it has joined and serves nobody"}
}

// Apply implements plan.Effect.
func (e EtcdServes) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	o := observed.(etcdServesObserved)
	if o.container == "" {
		return nil
	}
	if err := w.RuntimeWriter(e.Host).StopContainer(ctx, o.container, e.Grace); err != nil {
		return fmt.Errorf("restart etcd: %w", err)
	}
	return nil
}
