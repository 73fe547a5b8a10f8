package phases

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	etcdapi "github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/lease"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/manifests"
)

const (
	// turnWithin is how long a node waits for its turn: others may be before it,
	// each for as long as its etcd takes to start.
	turnWithin = 10 * time.Minute
	// orphanWithin is how long a member may take to start that was added by one
	// who takes no turns: kubeadm writes the manifest right after it.
	orphanWithin = 20 * time.Second
	// servesAfter is how long after it made itself known etcd may take to serve;
	// it needs milliseconds, or else all of its seven seconds.
	servesAfter = time.Second
	// learnerGrace is what a learner has to end: nothing that it holds can be lost.
	learnerGrace = 2 * time.Second
)

// joined is why what was done to etcd's membership is not taken back.
const joined = "this node is joining etcd; leave it with: clusteradm reset"

func stacked(in plan.Input) bool { return in.Node.ControlPlane && in.Cluster.Etcd.External == nil }

func checkEtcd() plan.Phase {
	return plan.Phase{
		Name: "check-etcd", Short: "Check that etcd answers", Example: "clusteradm join phase check-etcd --config join.yaml",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			if !stacked(in) {
				return nil, nil
			}
			return serial(plan.Step{Name: "etcd", Host: in.Node.Host, Effect: effect.Await{What: "etcd"}, Until: []plan.Condition{{
				Name: "etcd to answer", Within: in.Cluster.Timeouts.EtcdCall, Hint: "clusteradm etcd status   # on a control plane",
				Check: func(ctx context.Context, v plan.View) error {
					_, err := members(ctx, v, in)
					return err
				},
			}}}), nil
		},
	}
}

// etcdMember makes the node a member of etcd that has no vote yet, and writes
// its manifest, so that it starts with the kubelet. From here to its vote it is
// this node's turn.
func etcdMember() plan.Phase {
	return plan.Phase{
		Name: "etcd-member", Short: "Add this node to etcd and write its manifest", Example: "clusteradm join phase etcd-member --config join.yaml",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			if !stacked(in) {
				return nil, nil
			}
			var steps []plan.Step
			if in.Join.Etcd.Discard {
				steps = discarded(in)
			}
			if !in.Join.Etcd.Voter {
				steps = append(steps, memberSteps(in)...)
			}
			pod, err := etcdPod(in)
			if err != nil {
				return nil, err
			}
			return serial(append(steps, dir(in, "data-dir", in.Cluster.Etcd.DataDir, 0o700), inUse(in), pod)...), nil
		},
	}
}

// takeTurn is for whoever adds a member: nobody else does meanwhile.
func takeTurn(in plan.Input, holder string, now func() time.Time, noUndo string) plan.Step {
	others := &lease.Watch{Now: now}
	return plan.Step{Name: "turn", Host: in.Node.Host, NoUndo: noUndo, Needs: []plan.Condition{turnComes(holder, others)},
		Effect: effect.Turn{Holder: holder, Now: now, Watch: others}}
}

func giveTurnBack(in plan.Input, holder string, now func() time.Time, noUndo string) plan.Step {
	return plan.Step{Name: "turn-over", Host: in.Node.Host, NoUndo: noUndo, Needs: []plan.Condition{answers(in)},
		Effect: effect.Turn{Holder: holder, Released: true, Now: now}}
}

// discarded has the data go of a member that an earlier join withdrew. The
// kubelet may run its etcd still, or try to; it is ended first, so that the data
// do not go from under it and it makes no new ones. What says that they are
// nobody's goes last, in data-in-use.
func discarded(in plan.Input) []plan.Step {
	h := in.Node.Host
	return []plan.Step{
		{Name: "old-manifest", Host: h, NoUndo: joined, Effect: effect.Tree{Host: h, Path: etcdManifest}, Until: []plan.Condition{ended(in)}},
		{Name: "old-pod", Host: h, NoUndo: joined, Effect: effect.PodGone{Host: h, Name: manifests.EtcdName, Grace: learnerGrace}},
		{Name: "old-data", Host: h, NoUndo: joined, Effect: effect.Tree{Host: h, Path: in.Cluster.Etcd.DataDir, Names: []string{"member"}, Stays: true}},
	}
}

func memberSteps(in plan.Input) []plan.Step {
	peer := manifests.EtcdPeerURL(in.Node)
	step := func(name string, e plan.Effect, needs ...plan.Condition) plan.Step {
		return plan.Step{Name: name, Host: in.Node.Host, Effect: e, Needs: needs, NoUndo: joined}
	}
	orphans := effect.EtcdOrphans{Host: in.Node.Host, Keep: peer}
	steps := []plan.Step{
		takeTurn(in, in.Node.Name, in.Join.Etcd.Now, joined),
		step("orphans", orphans, orphansStart(in, orphans)),
	}
	for _, m := range in.Join.Etcd.Remove {
		name := m.Shown()
		steps = append(steps, step("remove-"+strconv.FormatUint(m.ID, 16), effect.EtcdMember{Host: in.Node.Host, ID: m.ID, Name: name}, silent(in, m)))
	}
	return append(steps, step("learner", effect.EtcdLearner{Host: in.Node.Host, PeerURL: peer}, othersVote(in)))
}

// etcdPod is the member's manifest: one for its first start, or, once it has
// data, the one that it has, with what is configured now.
func etcdPod(in plan.Input) (plan.Step, error) {
	if in.Join.Etcd.Data {
		rendered, err := manifests.Etcd(in.Cluster, in.Node, startedWith(in))
		if err != nil {
			return plan.Step{}, err
		}
		return manifest(in, manifests.EtcdName, rendered)
	}
	return plan.Step{Name: manifests.EtcdName, Host: in.Node.Host, Effect: effect.EtcdPod{
		Host: in.Node.Host, Path: etcdManifest, PeerURL: manifests.EtcdPeerURL(in.Node),
		Render: func(list []etcdapi.Member) (secret.Bytes, error) {
			rendered, err := manifests.Etcd(in.Cluster, in.Node, initialCluster(list, in.Node.Name, manifests.EtcdPeerURL(in.Node)))
			if err != nil {
				return secret.Bytes{}, err
			}
			content, err := patchedPod(in.Node, manifests.EtcdName, rendered)
			return secret.NewBytes(content), err
		},
	}}, nil
}

const etcdManifest = cluster.ManifestsDir + "/" + manifests.EtcdName + ".yaml"

// initialCluster is a membership as a member that starts is told it, self at its
// own address. One that has not started has no name yet; etcd compares only the
// addresses.
func initialCluster(list []etcdapi.Member, self, own string) []manifests.Member {
	var all []manifests.Member
	there := false
	for _, m := range list {
		name := cmp.Or(m.Name, strconv.FormatUint(m.ID, 16))
		if slices.Contains(m.PeerURLs, own) {
			name, there = self, true
		}
		for _, peer := range m.PeerURLs {
			all = append(all, manifests.Member{Name: name, PeerURL: peer})
		}
	}
	if !there {
		all = append(all, manifests.Member{Name: self, PeerURL: own})
	}
	return all
}

// startedWith is the membership that a member was told at its first start. It
// is kept: to write another one would restart etcd for nothing.
func startedWith(in plan.Input) []manifests.Member {
	var all []manifests.Member
	// A manifest that cannot be read is written anew.
	flags, _ := manifests.Flags(in.HostFacts().Manifests[etcdManifest])
	for pair := range strings.SplitSeq(flags["initial-cluster"], ",") {
		if name, peer, ok := strings.Cut(pair, "="); ok {
			all = append(all, manifests.Member{Name: name, PeerURL: peer})
		}
	}
	if len(all) == 0 {
		return initialCluster(nil, in.Node.Name, manifests.EtcdPeerURL(in.Node))
	}
	return all
}

// etcdJoin ends the node's turn with its vote.
func etcdJoin() plan.Phase {
	return plan.Phase{
		Name:    "etcd-join",
		Short:   "Wait for etcd on this node and give it its vote",
		Long:    "The member itself was added before the kubelet's start, so that it starts with it.",
		Example: "clusteradm join phase etcd-join --config join.yaml",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			if !stacked(in) {
				return nil, nil
			}
			var steps []plan.Step
			if !in.Join.Etcd.Voter {
				serves := effect.EtcdServes{Host: in.Node.Host, PeerURL: manifests.EtcdPeerURL(in.Node),
					Addr: strings.TrimPrefix(manifests.EtcdClientURL(in.Node), "https://"), Grace: learnerGrace}
				steps = append(steps, plan.Step{Name: "serves", Host: in.Node.Host, NoUndo: running, Effect: serves,
					Needs: []plan.Condition{announced(in, serves)}, Until: []plan.Condition{answering(in, serves)}})
			}
			return serial(append(steps,
				plan.Step{Name: "vote", Host: in.Node.Host, NoUndo: running, Needs: []plan.Condition{memberStarts(in)},
					Effect: effect.EtcdVoter{Host: in.Node.Host, PeerURL: manifests.EtcdPeerURL(in.Node)}},
				giveTurnBack(in, in.Node.Name, in.Join.Etcd.Now, running),
			)...), nil
		},
	}
}

// Withdraw takes a member back that never started, so that it does not keep
// others from joining, and ends the node's turn. What its etcd may have written,
// or is about to, is marked as nobody's before, which counts only once the
// member is gone. Of data that were there before the join, nothing is said.
func Withdraw(m etcdapi.Member) plan.Phase {
	return plan.Phase{
		Name: "withdraw", Short: "Remove a member from etcd that never started",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			var steps []plan.Step
			if !in.Join.Etcd.Data {
				mark := secretFile(in, "data", path.Join(in.Cluster.Etcd.DataDir, cluster.EtcdGivenUp), secret.NewBytes([]byte(cluster.EtcdWithdrawn)), 0o600)
				mark.NoUndo = joined
				steps = append(steps, mark)
			}
			return serial(append(steps,
				plan.Step{Name: "member", Host: in.Node.Host, NoUndo: joined, Effect: effect.EtcdMember{Host: in.Node.Host, ID: m.ID, Name: in.Node.Name}},
				giveTurnBack(in, in.Node.Name, in.Join.Etcd.Now, joined),
			)...), nil
		},
	}
}

// StartsEtcd reports a step, by its ID, whose failure can be that etcd on the
// node does not start.
func StartsEtcd(step string) bool {
	return strings.HasPrefix(step, "etcd-join/") || strings.HasPrefix(step, "kubelet-start/kubelet@")
}

// Unstarted is this node's member if it was added and never started.
func Unstarted(list []etcdapi.Member, n cluster.Node) (etcdapi.Member, bool) {
	m, ok := effect.MemberAt(list, manifests.EtcdPeerURL(n))
	return m, ok && m.Name == "" && m.Learner
}
