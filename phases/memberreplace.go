package phases

import (
	"context"
	"fmt"
	"path"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	quorum "github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/manifests"
)

// rebuilt is why a replacement is not taken back: the way on is to run it again.
const rebuilt = "the old member is gone from its cluster; go on with: clusteradm etcd member replace NAME"

// syncWithin is how long a new member has to start and to take in the data of
// the cluster, which can be gigabytes.
const syncWithin = 10 * time.Minute

// MemberReplace rebuilds the member of this machine: it leaves its cluster, its
// data are set aside, and an empty one takes its place and its data from the
// others. What cannot be told any more once the member is gone is recorded
// first, so that an interrupted run goes on.
func MemberReplace() []plan.Phase {
	phase := func(name, short string, steps func(plan.Input) []plan.Step) plan.Phase {
		return plan.Phase{Name: name, Short: short, Example: "clusteradm etcd member replace cp1",
			Plan: func(in plan.Input) ([]plan.Group, error) {
				if in.Etcd.Replace == nil {
					return nil, nil
				}
				return serial(steps(in)...), nil
			}}
	}
	return []plan.Phase{
		phase("record", "Record which member is replaced", recordReplacement),
		phase("leave", "Remove the member from its cluster, after another leads", leaveEtcd),
		phase("stop", "Stop etcd and set its data aside", stopEtcd),
		phase("rejoin", "Start an empty member and have it take in the data", rejoinEtcd),
		phase("done", "Forget the record once the member serves", replacementDone),
	}
}

func recordReplacement(in plan.Input) []plan.Step {
	content, err := in.Etcd.Replace.Encode()
	if err != nil {
		panic("phases: " + err.Error()) // numbers and text
	}
	return []plan.Step{
		dir(in, "dir", path.Dir(cluster.ReplacementFile), 0o700),
		secretFile(in, "record", cluster.ReplacementFile, secret.NewBytes(content), 0o600),
	}
}

// leaveEtcd takes the turn first: a member that was added and has not started
// yet would be taken for an orphan by whoever joins meanwhile.
func leaveEtcd(in plan.Input) []plan.Step {
	r := in.Etcd.Replace
	var steps []plan.Step
	if r.Turn {
		steps = append(steps, takeTurn(in, r.Name, r.Now, rebuilt))
	}
	if r.ID == 0 {
		return steps
	}
	for _, s := range leaves(in, quorum.Replace) {
		s.NoUndo = rebuilt
		steps = append(steps, s)
	}
	return steps
}

// stopEtcd has the kubelet end etcd and sees that it has: one that has not seen
// yet that the manifest is gone would start etcd again, on a directory without
// data, and an etcd that founded its cluster would found another. A kubelet that
// is stopped for that loses minutes: started again, without the API server that
// needs this etcd, it waits before it starts any pod.
func stopEtcd(in plan.Input) []plan.Step {
	h, r := in.Node.Host, in.Etcd.Replace
	if !r.Old {
		return nil
	}
	steps := []plan.Step{
		{Name: "manifest", Host: h, NoUndo: rebuilt, Effect: effect.Tree{Host: h, Path: etcdManifest}, Until: []plan.Condition{ended(in)}},
		{Name: "pod", Host: h, NoUndo: rebuilt, Effect: effect.PodGone{Host: h, Name: manifests.EtcdName, Grace: 10 * time.Second}},
	}
	if r.Aside != "" {
		steps = append(steps, plan.Step{Name: "data", Host: h, NoUndo: rebuilt, Effect: effect.Aside{Host: h, Path: r.DataDir + "/member", To: r.Aside}})
	}
	return steps
}

// endWithin is how long a kubelet has to see that a manifest is gone, and to end
// its pod: it looks every 20 seconds at the latest, and gives the pod 30.
const endWithin = time.Minute

// ended is that the kubelet has ended etcd; a kubelet that does not run or hangs
// never does.
func ended(in plan.Input) plan.Condition {
	return plan.Condition{Name: "the kubelet to end etcd", Within: endWithin, Warn: true, Hint: "journalctl -u kubelet -n 50",
		Check: func(ctx context.Context, v plan.View) error {
			done, err := effect.PodEnded(ctx, v, in.Node.Host, manifests.EtcdName)
			if err != nil {
				return err
			}
			if !done {
				return fmt.Errorf("%w: it runs", plan.ErrNotYet)
			}
			return nil
		}}
}

func rejoinEtcd(in plan.Input) []plan.Step {
	h, r := in.Node.Host, in.Etcd.Replace
	steps := []plan.Step{
		{Name: "learner", Host: h, NoUndo: rebuilt, Needs: []plan.Condition{held(in)}, Effect: effect.EtcdLearner{Host: h, PeerURL: r.PeerURL}},
		{Name: "manifest", Host: h, NoUndo: rebuilt, Effect: effect.EtcdPod{Host: h, Path: etcdManifest, PeerURL: r.PeerURL, Render: render(r)}},
		{Name: "kubelet", Host: h, NoUndo: rebuilt, Effect: effect.Unit{Host: h, Name: "kubelet.service"}}, // if it had to be stopped
		{Name: "voter", Host: h, NoUndo: rebuilt, Needs: []plan.Condition{started(in)}, Effect: effect.EtcdVoter{Host: h, PeerURL: r.PeerURL}},
	}
	if r.Turn {
		steps = append(steps, giveTurnBack(in, r.Name, r.Now, rebuilt))
	}
	return steps
}

// render is the manifest of the new member: that of the old one, told of the
// members that there are. Once it has data, it stays as it is.
func render(r *plan.Replacing) func([]quorum.Member) (secret.Bytes, error) {
	return func(members []quorum.Member) (secret.Bytes, error) {
		if r.Kept != nil {
			return secret.NewBytes(r.Kept), nil
		}
		content, err := manifests.Rejoin(r.Manifest, initialCluster(members, r.Name, r.PeerURL))
		return secret.NewBytes(content), err
	}
}

// replacementDone verifies before it forgets.
func replacementDone(in plan.Input) []plan.Step {
	h, r := in.Node.Host, in.Etcd.Replace
	until := []plan.Condition{started(in), held(in)}
	if r.APIServer != "" {
		// The kubelet ends one that was without etcd for long: it lives on until
		// then, and is not ready.
		until = append(until, healthy(in, "the API server", plan.Probe{URL: r.APIServer + "/livez"}),
			healthy(in, "the API server", plan.Probe{URL: r.APIServer + "/readyz"}))
	}
	return []plan.Step{
		{Name: "serves", Host: h, Effect: effect.Await{What: "etcd member"}, Until: until},
		{Name: "record", Host: h, NoUndo: rebuilt, Effect: effect.Tree{Host: h, Path: cluster.ReplacementFile}},
	}
}

// started is that the new member runs and answers.
func started(in plan.Input) plan.Condition {
	return needsKubelet(in, plan.Condition{Name: "the new member to start", Within: syncWithin, Hint: "tail -n 20 /var/log/pods/kube-system_etcd-*/etcd/*.log",
		Check: func(ctx context.Context, v plan.View) error {
			r := v.Etcd(in.Node.Host)
			members, err := r.Members(ctx)
			if err != nil {
				return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
			}
			m, ok := effect.MemberAt(members, in.Etcd.Replace.PeerURL)
			if !ok {
				return fmt.Errorf("etcd has no member at %s: somebody has removed it", in.Etcd.Replace.PeerURL)
			}
			if m.Name == "" {
				return fmt.Errorf("%w: it has not told its name to the others", plan.ErrNotYet)
			}
			if _, err := r.Status(ctx, m); err != nil {
				return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
			}
			return nil
		}})
}
