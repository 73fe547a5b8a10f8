package phases

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/clusteradm/clusteradm/internal/effect"
	etcdapi "github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/lease"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
)

// What a join to etcd waits for.

// members are etcd's, waited for while etcd does not answer: it is without a
// leader for a moment when one is lost.
func members(ctx context.Context, v plan.View, in plan.Input) ([]etcdapi.Member, error) {
	list, err := v.Etcd(in.Node.Host).Members(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", plan.ErrNotYet, err)
	}
	return list, nil
}

func turnComes(holder string, others *lease.Watch) plan.Condition {
	return plan.Condition{
		Name: "the turn to join etcd", Within: turnWithin, Hint: "kubectl -n kube-system get lease " + lease.EtcdJoin.Name,
		Check: func(ctx context.Context, v plan.View) error {
			obj, err := v.Kube().Get(ctx, lease.EtcdJoin)
			switch {
			case apierrors.IsNotFound(err):
				return nil
			case transient(err):
				return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
			case err != nil:
				return err
			}
			if turn := lease.Of(obj); turn.Holder != holder && !others.Over(turn) {
				return fmt.Errorf("%w: it is that of %s", plan.ErrNotYet, turn.Holder)
			}
			return nil
		},
	}
}

// answers holds once the API server does: to lose a race for one's own turn is
// only to look once more.
func answers(in plan.Input) plan.Condition {
	return plan.Condition{
		Name: "the API server to answer", Within: in.Cluster.Timeouts.APICall,
		Check: func(ctx context.Context, v plan.View) error {
			_, err := v.Kube().Get(ctx, lease.EtcdJoin)
			if transient(err) {
				return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
			}
			return nil // whatever else it says, it says to the effect
		},
	}
}

func orphansStart(in plan.Input, orphans effect.EtcdOrphans) plan.Condition {
	return plan.Condition{
		Name: "members that were added to etcd to start", Within: orphanWithin, Warn: true,
		Check: func(ctx context.Context, v plan.View) error {
			list, err := members(ctx, v, in)
			if err != nil {
				return err
			}
			if waiting := orphans.Of(list); len(waiting) > 0 {
				return fmt.Errorf("%w: %v has not, and is removed", plan.ErrNotYet, waiting[0].PeerURLs)
			}
			return nil
		},
	}
}

// silent holds for a member that does not answer now either.
func silent(in plan.Input, m etcdapi.Member) plan.Condition {
	return plan.Condition{
		Name: "etcd member " + m.Shown() + " to be given up", Within: in.Cluster.Timeouts.EtcdCall, Hint: "clusteradm etcd status   # on a control plane",
		Check: func(ctx context.Context, v plan.View) error {
			if v.Etcd(in.Node.Host).Healthy(ctx, m) == nil {
				return errors.New("it answers again and is not removed")
			}
			return nil
		},
	}
}

// othersVote holds when no other member is joining: etcd takes in one at a time.
func othersVote(in plan.Input) plan.Condition {
	own := manifests.EtcdPeerURL(in.Node)
	return plan.Condition{
		Name: "other members that join etcd to get their vote", Within: in.Cluster.Timeouts.ControlPlaneHealth, Hint: "clusteradm etcd members   # on a control plane",
		Check: func(ctx context.Context, v plan.View) error {
			list, err := members(ctx, v, in)
			if err != nil {
				return err
			}
			for _, m := range list {
				if _, us := effect.MemberAt([]etcdapi.Member{m}, own); m.Learner && !us {
					return fmt.Errorf("%w: %s has none", plan.ErrNotYet, m.Shown())
				}
			}
			return nil
		},
	}
}

// announced holds when etcd on this node has made itself known and serves, or
// had a moment to.
func announced(in plan.Input, serves effect.EtcdServes) plan.Condition {
	c := memberStarts(in)
	starts, since := c.Check, time.Time{}
	c.Check = func(ctx context.Context, v plan.View) error {
		if err := starts(ctx, v); err != nil || serves.Serves(ctx, v) {
			return err
		}
		now := in.Join.Etcd.Now()
		if since.IsZero() {
			since = now
		}
		if now.Sub(since) < servesAfter {
			return fmt.Errorf("%w: it serves nobody", plan.ErrNotYet)
		}
		return nil
	}
	return c
}

func answering(in plan.Input, serves effect.EtcdServes) plan.Condition {
	return needsKubelet(in, plan.Condition{
		Name: "etcd on this node to serve", Within: in.Cluster.Timeouts.ControlPlaneHealth, Hint: "crictl ps -a --name etcd",
		Check: func(ctx context.Context, v plan.View) error {
			if !serves.Serves(ctx, v) {
				return fmt.Errorf("%w: nobody answers at %s", plan.ErrNotYet, serves.Addr)
			}
			return nil
		},
	})
}

// memberStarts waits for the member to make itself known, and, as the need of
// what gives it its vote, for it to be in sync.
func memberStarts(in plan.Input) plan.Condition {
	own := manifests.EtcdPeerURL(in.Node)
	return needsKubelet(in, plan.Condition{
		Name: "etcd on this node to start and to be in sync", Within: in.Cluster.Timeouts.ControlPlaneHealth,
		Hint: "crictl ps -a --name etcd; journalctl -u kubelet.service -n 50",
		Check: func(ctx context.Context, v plan.View) error {
			list, err := members(ctx, v, in)
			if err != nil {
				return err
			}
			switch m, ok := effect.MemberAt(list, own); {
			case !ok:
				return fmt.Errorf("etcd has no member at %s any more: somebody removed it", own)
			case m.Name == "":
				return fmt.Errorf("%w: it has not started", plan.ErrNotYet)
			}
			return nil
		},
	})
}
