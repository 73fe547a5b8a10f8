package phases_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/etcd/etcdtest"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/lease"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

func joinControlPlaneRig(t *testing.T) *rig { return controlPlaneRig(t, "cp2", "192.0.2.12") }

// joiners are the PKIs of the nodes that join, by name, all under one set of
// authorities.
var joiners = map[string]*pki.Bundle{}

func joinerPKI(t *testing.T, c *cluster.Cluster, n cluster.Node) (*pki.Bundle, []pki.KubeconfigSpec) {
	t.Helper()
	var kubeconfigs []pki.KubeconfigSpec
	for _, k := range pki.KubeconfigSpecs(c, n) {
		if k.Path != cluster.SuperAdminConf {
			kubeconfigs = append(kubeconfigs, k)
		}
	}
	if joiners[n.Name] == nil {
		found := map[string]secret.Bytes{}
		for _, b := range joiners {
			for _, f := range pki.Files(b) {
				for _, shared := range pki.SharedFiles(c) {
					if f.Path == shared {
						found[f.Path] = f.Content
					}
				}
			}
		}
		bundle, err := pki.Read(found, c)
		if err == nil {
			bundle, err = pki.Ensure(bundle, pki.Tree(c, n), kubeconfigs, now)
		}
		if err != nil {
			t.Fatal(err)
		}
		joiners[n.Name] = bundle
	}
	return joiners[n.Name], kubeconfigs
}

// controlPlaneRig is a machine beside a cluster with one control plane. Its
// kubelet starts the member of the manifest that it finds: only if it is told
// of exactly the members that there are, as etcd would.
func controlPlaneRig(t *testing.T, name, address string) *rig {
	node := cluster.Node{Name: name, Host: name, ControlPlane: true, Address: netip.MustParseAddr(address), BindPort: 6443, CRISocket: "unix:///run/containerd/containerd.sock",
		Taints: []cluster.Taint{{Key: "node-role.kubernetes.io/control-plane", Effect: "NoSchedule"}}}
	const data = "/var/lib/etcd/member/wal/0.wal"
	r := newRig(t, name, func(r *rig, m *hosttest.Machine) {
		manifest, ok := m.Content("/etc/kubernetes/manifests/etcd.yaml")
		if _, started := m.Content(data); !ok || started {
			return
		}
		flags, err := manifests.Flags([]byte(manifest))
		if err != nil || flags["initial-cluster-state"] != "existing" || strings.Count(flags["initial-cluster"], "=") != len(members(r)) {
			panic(fmt.Sprintf("etcd does not start: it is told of %s, and there are %+v", flags["initial-cluster"], members(r)))
		}
		m.Put(data, "its own", 0o600)
		r.world.EtcdCluster.Start(name, manifests.EtcdPeerURL(node), manifests.EtcdClientURL(node))
	})
	r.world.EtcdCluster = etcdtest.New(etcd.Member{ID: 1, Name: "cp1", PeerURLs: []string{"https://192.0.2.10:2380"}, ClientURLs: []string{"https://192.0.2.10:2379"}})
	r.world.Serves = map[string]string{address + ":2379": "/etc/kubernetes/pki/etcd/server.crt"}
	r.world.Store.Down(false)
	c := r.loaded.Cluster
	bundle, kubeconfigs := joinerPKI(t, c, node)
	var files []string
	for _, s := range pki.Tree(c, node) {
		files = append(files, s.KeyPath(), s.CertPath(), s.PublicPath())
	}
	r.input = func(ctx context.Context) (plan.Input, error) {
		f, err := facts.Gather(ctx, host.AsReader(r.world.Machine), c, files, true)
		if err != nil {
			return plan.Input{}, err
		}
		found := map[string]secret.Bytes{}
		for _, file := range pki.Files(bundle) {
			found[file.Path] = file.Content
		}
		maps.Copy(found, f.PKI)
		b, err := pki.Read(found, c)
		if err == nil {
			b, err = pki.Ensure(b, pki.Tree(c, node), kubeconfigs, now)
		}
		if err != nil {
			return plan.Input{}, err
		}
		_, has := r.world.Machine.Content(data)
		own, is := effect.MemberAt(members(r), manifests.EtcdPeerURL(node))
		mark, _ := r.world.Machine.Content(givenUp)
		discard := has && !is && mark == cluster.EtcdWithdrawn
		has = has && !discard
		return plan.Input{Cluster: c, Node: node, PKI: b, Binary: binary, Facts: cluster.Facts{Now: now, Hosts: map[string]cluster.HostFacts{name: f}},
			Join: plan.Join{CA: b.Pairs["ca"].Cert, APIServers: apiServers, CACertPath: "/etc/kubernetes/pki/ca.crt", Joined: f.Exists(cluster.KubeletConf),
				Etcd: plan.JoinEtcd{Data: has, Discard: discard, Voter: has && !own.Learner, Now: func() time.Time { return now }}}}, nil
	}
	return r
}

func (r *rig) joins(t *testing.T) (engine.Result, error) {
	return r.apply(t.Context(), "join", phases.Join())
}

func turn(t *testing.T, r *rig) lease.Turn {
	t.Helper()
	obj, err := r.world.Store.Get(t.Context(), lease.EtcdJoin)
	if err != nil {
		t.Fatal(err)
	}
	return lease.Of(obj)
}

// voters asserts which members etcd has, all with their vote.
func voters(t *testing.T, r *rig, names ...string) {
	t.Helper()
	var have []string
	for _, m := range members(r) {
		if m.Learner {
			t.Errorf("%+v has no vote", m)
		}
		have = append(have, m.Name)
	}
	if strings.Join(have, " ") != strings.Join(names, " ") {
		t.Errorf("etcd has %v, want %v", have, names)
	}
}

func TestJoinOfAControlPlane(t *testing.T) {
	r := joinControlPlaneRig(t)
	if _, err := r.joins(t); err != nil {
		t.Fatal(err)
	}
	voters(t, r, "cp1", "cp2")
	if held := turn(t, r); held.Holder != "" {
		t.Errorf("it is still the turn of %s", held.Holder)
	}
	node, err := r.world.Store.Get(t.Context(), phases.NodeRef("cp2"))
	if err != nil || node.GetLabels()["node-role.kubernetes.io/control-plane"] != "" || len(node.GetLabels()) != 2 {
		t.Errorf("node %v, %v", node, err)
	}
	for path, want := range map[string]string{cluster.KubeletConf: r.loaded.Cluster.KubeletEndpoint(cluster.Node{Address: netip.MustParseAddr("192.0.2.12"), BindPort: 6443}), cluster.SchedulerConf: "https://192.0.2.12:6443"} {
		if text, _ := r.world.Machine.Content(path); !strings.Contains(text, "server: "+want+"\n") {
			t.Errorf("%s does not name %s", path, want)
		}
	}
	for _, path := range []string{cluster.SuperAdminConf, cluster.BootstrapKubeletConf} {
		if _, ok := r.world.Machine.Content(path); ok {
			t.Errorf("there is a %s", path)
		}
	}
}

// A manifest with which the member started is kept, whoever joins later: to
// write another one would restart etcd.
func TestFurtherMembersRestartNoOther(t *testing.T) {
	r := joinControlPlaneRig(t)
	if _, err := r.joins(t); err != nil {
		t.Fatal(err)
	}
	r.world.EtcdCluster.Add(etcd.Member{ID: 9, Name: "cp3", PeerURLs: []string{"https://192.0.2.13:2380"}})
	if result, err := r.joins(t); err != nil || result.Changed != 0 {
		t.Errorf("%d steps changed something, %v", result.Changed, err)
	}
}

// Two that start in the same second: neither fails, neither takes the other's
// member for an orphan.
func TestTwoJoinInTurn(t *testing.T) {
	for _, name := range []string{"cp2", "cp3"} { // outside of the bubble: it makes keys
		controlPlaneRig(t, name, map[string]string{"cp2": "192.0.2.12", "cp3": "192.0.2.13"}[name])
	}
	synctest.Test(t, func(t *testing.T) {
		one, other := controlPlaneRig(t, "cp2", "192.0.2.12"), controlPlaneRig(t, "cp3", "192.0.2.13")
		other.world.Store, other.world.EtcdCluster = one.world.Store, one.world.EtcdCluster
		one.world.EtcdCluster.Unsettle(3) // etcd itself turns them away for a while
		done := make(chan error, 2)
		for _, r := range []*rig{one, other} {
			go func() { _, err := r.joins(t); done <- err }()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if list := members(one); len(list) != 3 || list[0].Learner || list[1].Learner || list[2].Learner {
			t.Errorf("members %+v", list)
		}
	})
}

// Whoever was killed while it was its turn is waited for no longer than the
// turn lasts, and its member no longer than one takes to start.
func TestOrphanOfADeadTurnIsRemoved(t *testing.T) {
	joinControlPlaneRig(t)
	synctest.Test(t, func(t *testing.T) {
		r := joinControlPlaneRig(t)
		r.world.EtcdCluster.Add(etcd.Member{ID: 9, PeerURLs: []string{"https://192.0.2.13:2380"}, Learner: true})
		r.world.EtcdCluster.Fail(9)
		if _, err := r.world.Store.Create(t.Context(), lease.Object(lease.EtcdJoin, "cp3", now)); err != nil {
			t.Fatal(err)
		}
		started := r.ticks()
		if _, err := r.joins(t); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(started); took < lease.Duration+20*time.Second || took > lease.Duration+22*time.Second {
			t.Errorf("it took %s", took)
		}
		voters(t, r, "cp1", "cp2")
	})
}

// ticks has turns end with the time that a test lets pass.
func (r *rig) ticks() (started time.Time) {
	started, plain := time.Now(), r.input
	r.input = func(ctx context.Context) (plan.Input, error) {
		in, err := plain(ctx)
		in.Join.Etcd.Now = func() time.Time { return now.Add(time.Since(started)) }
		return in, err
	}
	return started
}

// etcd whose announcement came to it in the snapshot would serve nobody for
// seven seconds.
func TestLearnerThatServesNobodyIsRestarted(t *testing.T) {
	joinControlPlaneRig(t)
	synctest.Test(t, func(t *testing.T) {
		r := joinControlPlaneRig(t)
		serves := r.world.Serves
		r.world.Serves = nil
		r.world.Containers.AddContainer(cri.Container{ID: "first", Name: "etcd", Pod: "etcd-cp2", Namespace: "kube-system", Running: true, Created: now})
		restarts := 0
		r.world.Containers.Restarted = func(cri.Container) {
			restarts++
			if m, _ := effect.MemberAt(members(r), "https://192.0.2.12:2380"); !m.Learner {
				t.Error("a voter was restarted")
			}
			r.world.Serves = serves
		}
		started := r.ticks()
		if _, err := r.joins(t); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(started); restarts != 1 || took > 2*time.Second {
			t.Errorf("%d restarts, %s", restarts, took)
		}
		voters(t, r, "cp1", "cp2")
	})
}

// Members that stand in the way go under the turn, and only while they are
// still silent.
func TestMembersOfLostMachinesAreRemoved(t *testing.T) {
	for name, c := range map[string]struct {
		sick bool
		want string
	}{"silent": {true, ""}, "back again": {false, "it answers again and is not removed"}} {
		t.Run(name, func(t *testing.T) {
			r := joinControlPlaneRig(t)
			gone := etcd.Member{ID: 9, Name: "cp9", PeerURLs: []string{"https://192.0.2.19:2380"}}
			r.world.EtcdCluster.Add(gone)
			r.world.EtcdCluster.Add(etcd.Member{ID: 10, Name: "cp10", PeerURLs: []string{"https://192.0.2.20:2380"}})
			if c.sick {
				r.world.EtcdCluster.Fail(9)
			}
			plain := r.input
			r.input = func(ctx context.Context) (plan.Input, error) {
				in, err := plain(ctx)
				in.Join.Etcd.Remove = []etcd.Member{gone}
				return in, err
			}
			_, err := r.joins(t)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) || len(members(r)) != 3 {
					t.Errorf("%v, members %+v", err, members(r))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			voters(t, r, "cp1", "cp10", "cp2")
		})
	}
}

// plannedJoin are the steps, by their IDs, of a control plane's join.
func plannedJoin(t *testing.T, change func(*plan.Input)) map[string]plan.Step {
	t.Helper()
	in, err := joinControlPlaneRig(t).input(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	change(&in)
	p, err := plan.Build("join", phases.Join(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	steps := map[string]plan.Step{}
	for _, g := range p.Groups {
		for _, s := range g.Steps {
			steps[s.ID] = s.Step
		}
	}
	return steps
}

// Where nobody here has the authority's key, the kubelet asks for its
// certificate as a worker's does.
func TestControlPlaneOfAnExternalAuthority(t *testing.T) {
	steps := plannedJoin(t, func(in *plan.Input) {
		bundle := *in.PKI
		bundle.Pairs, bundle.Kubeconfigs = maps.Clone(bundle.Pairs), maps.Clone(bundle.Kubeconfigs)
		bundle.Pairs["ca"] = pki.Pair{Cert: bundle.Pairs["ca"].Cert}
		delete(bundle.Kubeconfigs, cluster.KubeletConf)
		in.PKI = &bundle
	})
	for id, want := range map[string]bool{
		"kubelet-start/bootstrap-kubelet.conf@cp2":          true,
		"kubelet-wait-bootstrap/certificate@cp2":            true,
		"kubelet-wait-bootstrap/node@cp2":                   false, // its components are waited for
		"control-plane-prepare/kubeconfig/kubelet.conf@cp2": false,
		"control-plane-prepare/kubeconfig/admin.conf@cp2":   true,
		"control-plane-prepare/download-certs/ca.key@cp2":   false,
	} {
		if _, ok := steps[id]; ok != want {
			t.Errorf("step %s is there: %t", id, ok)
		}
	}
}

func TestControlPlaneOfAnExternalEtcd(t *testing.T) {
	steps := plannedJoin(t, func(in *plan.Input) {
		c := *in.Cluster
		c.Etcd.External = &cluster.ExternalEtcd{Endpoints: []string{"https://192.0.2.50:2379"}, CAFile: "/etc/etcd/ca.crt", CertFile: "/etc/etcd/client.crt", KeyFile: "/etc/etcd/client.key"}
		in.Cluster = &c
		for _, path := range []string{"/etc/etcd/ca.crt", "/etc/etcd/client.crt", "/etc/etcd/client.key"} {
			in.Join.Shared = append(in.Join.Shared, pki.NamedFile{Path: path, Content: secret.NewBytes([]byte(path)), Mode: 0o600})
		}
	})
	files := 0
	for id, s := range steps {
		if id = strings.ReplaceAll(id, "-etc-etcd", ""); strings.Contains(id, "etcd") {
			t.Errorf("there is a step %s", id)
		}
		if f, ok := s.Effect.(effect.File); ok && strings.HasPrefix(f.Path, "/etc/etcd/") {
			files++
		}
	}
	if _, ok := steps["control-plane-prepare/download-certs/dir-etc-etcd@cp2"]; !ok || files != 3 {
		t.Errorf("%d files for the external etcd", files)
	}
}

// Phases of control planes do nothing for a worker.
func TestWorkerHasNothingOfAControlPlane(t *testing.T) {
	in, err := joinRig(t).input(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Build("join", phases.Join(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range p.Groups {
		for _, s := range g.Steps {
			if !strings.HasPrefix(s.ID, "kubelet-") && !strings.HasPrefix(s.ID, "endpoint/") {
				t.Errorf("there is a step %s", s.ID)
			}
		}
	}
}

// A member that never starts does not stay behind: it would keep others from
// joining.
func TestMemberThatNeverStartsIsWithdrawn(t *testing.T) {
	joinControlPlaneRig(t)
	synctest.Test(t, func(t *testing.T) {
		r := joinControlPlaneRig(t)
		r.world.Machine.AddUnit(hosttest.Unit{Name: "kubelet.service", OnStart: func(*hosttest.Machine) error { return nil }})
		started := time.Now()
		_, err := r.joins(t)
		var stopped *engine.StoppedError
		if !errors.As(err, &stopped) || !phases.StartsEtcd(stopped.Step) || time.Since(started) < 4*time.Minute {
			t.Fatalf("after %s: %v", time.Since(started), err)
		}
		in, err := r.input(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		own, ok := phases.Unstarted(members(r), in.Node)
		if !ok {
			t.Fatalf("members %+v", members(r))
		}
		p, err := plan.Build("withdraw", []plan.Phase{phases.Withdraw(own)}, in, nil)
		if err == nil {
			_, err = r.engine().Apply(t.Context(), p)
		}
		if err != nil {
			t.Fatal(err)
		}
		voters(t, r, "cp1")
		if held := turn(t, r); held.Holder != "" {
			t.Errorf("it is still the turn of %s", held.Holder)
		}
		if mark, _ := r.world.Machine.Content(givenUp); mark != cluster.EtcdWithdrawn {
			t.Errorf("the data are marked %q", mark)
		}
	})
}

// withdrawnRig is a machine whose join failed and took its member back, while
// its etcd runs on.
func withdrawnRig(t *testing.T) *rig {
	r := joinControlPlaneRig(t)
	m := r.world.Machine
	m.Put("/var/lib/etcd/member/wal/0.wal", "of a learner", 0o600)
	m.Put("/var/lib/etcd/mine", "not etcd's", 0o600)
	m.Put(givenUp, cluster.EtcdWithdrawn, 0o600)
	m.Put(memberManifest, "of a learner", 0o600)
	etcdRuns(r, true)
	m.OnChange(func(path string) {
		if path == memberManifest {
			etcdRuns(r, false)
		}
	})
	return r
}

// What a member has that was withdrawn goes before the machine joins anew.
func TestDataOfAWithdrawnMemberGo(t *testing.T) {
	r := withdrawnRig(t)
	if _, err := r.joins(t); err != nil {
		t.Fatal(err)
	}
	voters(t, r, "cp1", "cp2")
	for path, want := range map[string]string{"/var/lib/etcd/member/wal/0.wal": "its own", "/var/lib/etcd/mine": "not etcd's", givenUp: ""} {
		if text, _ := r.world.Machine.Content(path); text != want {
			t.Errorf("%s has %q, want %q", path, text, want)
		}
	}
}

const memberManifest = cluster.ManifestsDir + "/etcd.yaml"

const givenUp = "/var/lib/etcd/" + cluster.EtcdGivenUp
