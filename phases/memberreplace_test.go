package phases_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/etcd/etcdtest"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/lease"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/phases"
)

const oldMember = 1

// etcdKubelet is a kubelet that runs the etcd of the manifest that there is: on
// old data, or as the learner that was added for it.
func etcdKubelet(r *rig, m *hosttest.Machine) {
	if !r.world.Runs(context.Background(), "etcd") {
		return
	}
	manifest, _ := m.Content("/etc/kubernetes/manifests/etcd.yaml")
	flags, err := manifests.Flags([]byte(manifest))
	if err != nil {
		panic(err)
	}
	if _, ok := m.Content("/var/lib/etcd/member/wal/0.wal"); !ok {
		if flags["initial-cluster-state"] != "existing" || strings.Count(flags["initial-cluster"], "=") != len(members(r)) {
			panic("an etcd without data founds a cluster of its own")
		}
		m.Put("/var/lib/etcd/member/wal/0.wal", "new", 0o600)
		r.world.EtcdCluster.Start("cp1", "https://192.0.2.10:2380", "https://192.0.2.10:2379")
	}
	etcdRuns(r, true)
}

// etcdRuns has the runtime run etcd's container, or not any more.
func etcdRuns(r *rig, runs bool) {
	r.world.Containers.AddSandbox(cri.Sandbox{ID: "1", Namespace: "kube-system", Name: "etcd-cp1", Ready: runs})
	r.world.Containers.AddContainer(cri.Container{ID: "c1", SandboxID: "1", Namespace: "kube-system", Pod: "etcd-cp1", Name: "etcd", Running: runs})
}

// replaceRig is a control plane whose member, one of three, leads and is
// corrupt.
func replaceRig(t *testing.T) *rig {
	r := newRig(t, "cp1", func(r *rig, m *hosttest.Machine) { etcdKubelet(r, m) })
	m := r.world.Machine
	r.world.EtcdCluster = etcdtest.New(
		etcd.Member{ID: oldMember, Name: "cp1", PeerURLs: []string{"https://192.0.2.10:2380"}},
		etcd.Member{ID: 2, Name: "cp2", PeerURLs: []string{"https://192.0.2.11:2380"}},
		etcd.Member{ID: 3, Name: "cp3", PeerURLs: []string{"https://192.0.2.12:2380"}})
	r.world.EtcdCluster.Raise(etcd.Alarm{Member: oldMember, Kind: etcd.Corrupt})
	pod, err := manifests.Etcd(r.loaded.Cluster, r.loaded.Node, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Put("/etc/kubernetes/manifests/etcd.yaml", string(pod), 0o600)
	m.Put("/etc/kubernetes/manifests/kube-apiserver.yaml", "", 0o600)
	m.Put("/var/lib/etcd/member/wal/0.wal", "old", 0o600)
	m.OnChange(func(path string) {
		if path != "/etc/kubernetes/manifests/etcd.yaml" {
			return
		}
		if _, there := m.Content(path); there {
			etcdKubelet(r, m)
		} else {
			etcdRuns(r, false)
		}
	})
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		r.world.Containers.AddContainer(cri.Container{ID: name, Namespace: "kube-system", Pod: name + "-cp1", Name: name, Running: true})
	}
	r.world.Store.Down(false)
	for _, verb := range []string{"enable", "restart"} {
		if _, err := m.Run(t.Context(), host.Cmd{Args: []string{"systemctl", verb, "kubelet.service"}}); err != nil {
			t.Fatal(err)
		}
	}
	r.input = func(ctx context.Context) (plan.Input, error) { return replaceInput(ctx, r) }
	return r
}

func members(r *rig) []etcd.Member {
	list, _ := r.world.EtcdCluster.Members(context.Background())
	return list
}

// replaceInput is the command's, which is told once to replace the member.
func replaceInput(ctx context.Context, r *rig) (plan.Input, error) {
	f, err := facts.GatherEtcd(ctx, host.AsReader(r.world.Machine))
	if err != nil {
		return plan.Input{}, err
	}
	seen, stayed, err := etcd.Look(ctx, r.world.EtcdCluster)
	if err != nil {
		return plan.Input{}, err
	}
	in := plan.Input{Cluster: r.loaded.Cluster, Node: r.loaded.Node, Etcd: plan.Etcd{Seen: seen, Alarms: stayed}}
	record := f.Replacement
	for _, s := range seen {
		if s.ID == oldMember {
			in.Etcd.Alarms = append(in.Etcd.Alarms, etcd.Alarm{Member: oldMember, Kind: etcd.Corrupt})
			if record == nil {
				record = &cluster.Replacement{ID: oldMember, Name: "cp1", Aside: "/var/lib/etcd/member.replaced-1", Manifest: f.Manifest}
			}
		}
	}
	if record != nil {
		in.Etcd.Member = etcd.Member{ID: record.ID, Name: record.Name}
		in.Etcd.Replace = &plan.Replacing{Replacement: *record, PeerURL: "https://192.0.2.10:2380", DataDir: "/var/lib/etcd", Old: f.Old, Kept: f.Kept,
			APIServer: "https://192.0.2.10:6443", Turn: true, Now: func() time.Time { return now }}
	}
	return in, nil
}

// An API server that the kubelet is about to end, since it was without etcd for
// long, lives and is not ready: it is not what a replacement ends with.
func TestReplacementEndsWithAReadyAPIServer(t *testing.T) {
	r := replaceRig(t)
	in, err := r.input(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Build("member-replace", phases.MemberReplace(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	var waits []string
	for _, g := range p.Groups {
		for _, s := range g.Steps {
			for _, c := range s.Until {
				waits = append(waits, c.Name)
			}
		}
	}
	if all := strings.Join(waits, "\n"); !strings.Contains(all, "https://192.0.2.10:6443/readyz") {
		t.Errorf("it waits for\n%s", all)
	}
}

func TestMemberReplace(t *testing.T) {
	r := replaceRig(t)
	old, _ := r.world.Machine.Content("/etc/kubernetes/manifests/etcd.yaml")
	if _, err := r.apply(t.Context(), "member-replace", phases.MemberReplace()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/var/lib/etcd/member/wal/0.wal": "new", "/var/lib/etcd/member.replaced-1/wal/0.wal": "old"} {
		if data, _ := r.world.Machine.Content(path); data != want {
			t.Errorf("%s holds %q, want %q", path, data, want)
		}
	}
	seen, stayed, err := etcd.Look(t.Context(), r.world.EtcdCluster)
	if err != nil || len(stayed) != 0 {
		t.Errorf("alarms stayed: %v, %v", stayed, err)
	}
	if tally := etcd.Count(seen); tally.Voters != 3 || tally.Healthy != 3 {
		t.Errorf("there are %s", tally)
	}
	if leader, _ := etcd.Leader(seen); leader == oldMember || seen[0].ID == oldMember {
		t.Errorf("the old member is there, or leads: %+v", seen)
	}
	manifest, _ := r.world.Machine.Content("/etc/kubernetes/manifests/etcd.yaml")
	was, is := flagsOf(t, old), flagsOf(t, manifest)
	if is["initial-cluster"] != "cp2=https://192.0.2.11:2380,cp3=https://192.0.2.12:2380,cp1=https://192.0.2.10:2380" {
		t.Errorf("it was told of %s", is["initial-cluster"])
	}
	for name, value := range was {
		if name != "initial-cluster" && is[name] != value {
			t.Errorf("--%s was %q and is %q", name, value, is[name])
		}
	}
}

// Its turn is waited for as a join's, and given back once somebody answers.
func TestMemberReplaceTakesTurns(t *testing.T) {
	r := replaceRig(t)
	in, err := r.input(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Build("member-replace", phases.MemberReplace(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	waits := func(step string) error {
		for _, g := range p.Groups {
			for _, s := range g.Steps {
				if s.Name == step {
					return s.Needs[0].Check(t.Context(), r.world)
				}
			}
		}
		t.Fatalf("there is no step %s", step)
		return nil
	}
	if err := waits("turn"); err != nil {
		t.Errorf("nobody has it: %v", err)
	}
	r.world.Store.Put(lease.Object(lease.EtcdJoin, "cp9", now))
	if err := waits("turn"); !errors.Is(err, plan.ErrNotYet) || !strings.Contains(err.Error(), "cp9") {
		t.Errorf("it is another's: %v", err)
	}
	r.world.Store.Down(true)
	if err := waits("turn-over"); !errors.Is(err, plan.ErrNotYet) {
		t.Errorf("nobody answers: %v", err)
	}
}

func flagsOf(t *testing.T, manifest string) map[string]string {
	t.Helper()
	flags, err := manifests.Flags([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	return flags
}

// A machine that lost its disk has nothing to set aside, and the data that the
// new member took in are never set aside for those of the old one.
func TestMemberReplaceWithoutData(t *testing.T) {
	r := replaceRig(t)
	if err := r.world.Machine.Remove(t.Context(), "/var/lib/etcd/member"); err != nil {
		t.Fatal(err)
	}
	begun := r.input
	r.input = func(ctx context.Context) (plan.Input, error) {
		in, err := begun(ctx)
		if in.Etcd.Replace != nil {
			in.Etcd.Replace.Aside = ""
			f, factsErr := facts.GatherEtcd(ctx, host.AsReader(r.world.Machine))
			if factsErr != nil {
				return in, factsErr
			}
			in.Etcd.Replace.Old = f.Old
		}
		return in, err
	}
	r.world.Through = host.FailAfter(r.world.Machine, 8)
	_, _ = r.apply(t.Context(), "member-replace", phases.MemberReplace())
	r.world.Through = r.world.Machine
	if _, err := r.apply(t.Context(), "member-replace", phases.MemberReplace()); err != nil {
		t.Fatal(err)
	}
	if data, _ := r.world.Machine.Content("/var/lib/etcd/member/wal/0.wal"); data != "new" {
		t.Errorf("the data are %q", data)
	}
	if bytes.Contains([]byte(r.world.Machine.Snapshot(journals)), []byte("replaced-")) {
		t.Error("something was set aside")
	}
}
