package phases

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/clusteradm/clusteradm/internal/effect"
	quorum "github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// memberGone is why a removal is not taken back.
const memberGone = "a member that was removed comes back by joining, and as another"

// settledWithin is how long the members have to agree again after one of them
// was away.
const settledWithin = time.Minute

// MemberRemove takes a member out of etcd's cluster for good.
func MemberRemove() plan.Phase {
	return plan.Phase{
		Name: "member", Short: "Remove a member from the etcd cluster", Example: "clusteradm etcd member remove cp3",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			steps := leaves(in, quorum.Remove)
			return serial(append(steps, plan.Step{Name: "quorum", Host: in.Node.Host, Effect: effect.Await{What: "etcd quorum"},
				Until: []plan.Condition{held(in)}})...), nil
		},
	}
}

// leaves has a member removed, and led by another before. Alarms that were
// raised for it would stay, and CORRUPT keeps all from writing.
func leaves(in plan.Input, change quorum.Change) []plan.Step {
	h, m := in.Node.Host, in.Etcd.Member
	steps := []plan.Step{
		{Name: "leader", Host: h, Effect: effect.EtcdLeader{Host: h, Not: m.ID}, NoUndo: memberGone, Needs: []plan.Condition{may(in, change, m)}},
		{Name: "remove", Host: h, Effect: effect.EtcdMember{Host: h, ID: m.ID, Name: m.Shown()}, NoUndo: memberGone, Needs: []plan.Condition{may(in, change, m)}},
	}
	return append(steps, disarmed(in, memberGone)...)
}

// MoveLeader has the member lead; without one it has the leader change.
func MoveLeader() plan.Phase {
	return plan.Phase{
		Name: "leader", Short: "Have another member lead etcd", Example: "clusteradm etcd move-leader cp2",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			e := effect.EtcdLeader{Host: in.Node.Host, To: in.Etcd.Member.ID}
			if e.To == 0 {
				e.Not, _ = quorum.Leader(in.Etcd.Seen)
			}
			return serial(plan.Step{Name: "move", Host: in.Node.Host, Effect: e, NoUndo: "who leads changes nothing that is kept"}), nil
		},
	}
}

// Defragment frees what database files hold without use, one member after the
// other. The leader comes last and hands over before: it is away, too, while it
// is defragmented.
func Defragment() plan.Phase {
	return plan.Phase{
		Name: "defrag", Short: "Defragment the databases of etcd's members", Example: "clusteradm etcd defrag --all",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			h := in.Node.Host
			leader, _ := quorum.Leader(in.Etcd.Seen)
			order := slices.Clone(in.Etcd.Defragment)
			slices.SortStableFunc(order, func(a, b quorum.Member) int { return last(a, leader) - last(b, leader) })
			var steps []plan.Step
			for _, m := range order {
				_, other := quorum.Successor(in.Etcd.Seen, m.ID)
				needs := []plan.Condition{may(in, quorum.Defragment, m)}
				if m.ID == leader && other {
					steps = append(steps, plan.Step{Name: "leader", Host: h, Effect: effect.EtcdLeader{Host: h, Not: m.ID}, NoUndo: compacted, Needs: needs})
				}
				steps = append(steps, plan.Step{Name: m.Shown(), Host: h, NoUndo: compacted, Needs: needs, Until: []plan.Condition{held(in)},
					Effect: effect.EtcdDefragmented{Host: h, Member: m, Was: was(in, m), Spare: in.Etcd.Spare}})
			}
			return serial(steps...), nil
		},
	}
}

// compacted is why a defragmentation is not taken back.
const compacted = "a smaller file holds the same data"

func last(m quorum.Member, leader uint64) int {
	if m.ID == leader {
		return 1
	}
	return 0
}

// was is how large a member's database was before.
func was(in plan.Input, m quorum.Member) int64 {
	for _, s := range in.Etcd.Seen {
		if s.ID == m.ID {
			return s.Status.Size
		}
	}
	return 0
}

// Disarm takes alarms back.
func Disarm() plan.Phase {
	return plan.Phase{
		Name: "alarms", Short: "Take alarms of etcd back", Example: "clusteradm etcd alarms disarm",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			return serial(disarmed(in, "etcd raises an alarm by itself")...), nil
		},
	}
}

func disarmed(in plan.Input, noUndo string) []plan.Step {
	var steps []plan.Step
	for _, a := range in.Etcd.Alarms {
		name := fmt.Sprintf("%x", a.Member)
		for _, s := range in.Etcd.Seen {
			if s.ID == a.Member {
				name = s.Shown()
			}
		}
		steps = append(steps, plan.Step{Name: fmt.Sprintf("alarm-%s-%x", a.Kind, a.Member), Host: in.Node.Host, NoUndo: noUndo,
			Effect: effect.EtcdAlarm{Host: in.Node.Host, Alarm: a, Name: name}})
	}
	return steps
}

// may is that the votes allow a change to a member. It is asked again right
// before the change: the plan's own numbers are as old as the plan, and the
// member that was away before this one may still be coming back.
func may(in plan.Input, change quorum.Change, m quorum.Member) plan.Condition {
	return plan.Condition{Name: fmt.Sprintf("the quorum that it takes to %s %s", change, m.Shown()), Within: settledWithin, Hint: "clusteradm etcd status",
		Check: func(ctx context.Context, v plan.View) error {
			seen, _, err := quorum.Look(ctx, v.Etcd(in.Node.Host))
			if err != nil {
				return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
			}
			if verdict := quorum.Simulate(seen, change, m.ID); !verdict.Allowed {
				return fmt.Errorf("%w: %s", plan.ErrNotYet, verdict.Says)
			}
			return nil
		}}
}

// held is that the members agree on a leader.
func held(in plan.Input) plan.Condition {
	return plan.Condition{Name: "a quorum of etcd", Within: settledWithin, Hint: "clusteradm etcd status",
		Check: func(ctx context.Context, v plan.View) error {
			seen, _, err := quorum.Look(ctx, v.Etcd(in.Node.Host))
			if err != nil {
				return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
			}
			if t := quorum.Count(seen); !t.Held() {
				return fmt.Errorf("%w: %s", plan.ErrNotYet, t)
			}
			return nil
		}}
}
