package phases_test

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

// etcdEntropy is the PKI of all etcd machines of the matrix.
var etcdEntropy *pki.Bundle

// etcdSpecs are the certificates of an etcd machine.
func etcdSpecs(c *cluster.Cluster, n cluster.Node) []pki.Spec {
	var specs []pki.Spec
	for _, s := range pki.Tree(c, n) {
		if strings.Contains(s.Name, "etcd") {
			specs = append(specs, s)
		}
	}
	return specs
}

const (
	etcdPeer   = "https://192.0.2.10:2380"
	etcdClient = "https://192.0.2.10:2379"
)

// etcdRig is a machine whose kubelet starts etcd when it is given what it
// takes for that: the manifest, and no kubeconfig to look for.
func etcdRig(t *testing.T, starts func(r *rig, manifest string)) *rig {
	r := newRig(t, "cp1", func(r *rig, m *hosttest.Machine) {
		manifest, there := m.Content("/etc/kubernetes/manifests/etcd.yaml")
		dropIn, _ := m.Content(cluster.EtcdKubeletDropIn)
		if there && strings.Contains(dropIn, `"KUBELET_KUBECONFIG_ARGS="`) {
			m.Put("/var/lib/etcd/member/wal/0.wal", "", 0o600)
			starts(r, manifest)
		}
	})
	loaded := r.loaded
	specs := etcdSpecs(loaded.Cluster, loaded.Node)
	if etcdEntropy == nil {
		var err error
		if etcdEntropy, err = pki.Ensure(nil, specs, nil, now); err != nil {
			t.Fatal(err)
		}
	}
	r.input = func(ctx context.Context) (plan.Input, error) {
		var files []string
		for _, s := range specs {
			files = append(files, s.KeyPath(), s.CertPath())
		}
		f, err := facts.Gather(ctx, host.AsReader(r.world.Machine), loaded.Cluster, files, true)
		if err != nil {
			return plan.Input{}, err
		}
		found := map[string]secret.Bytes{}
		for _, file := range pki.Files(etcdEntropy) {
			found[file.Path] = file.Content
		}
		maps.Copy(found, f.PKI)
		bundle, err := pki.Read(found, loaded.Cluster)
		if err != nil {
			return plan.Input{}, err
		}
		if bundle, err = pki.Ensure(bundle, specs, nil, now); err != nil {
			return plan.Input{}, err
		}
		_, data := r.world.Machine.Content("/var/lib/etcd/member/wal/0.wal")
		return plan.Input{Cluster: loaded.Cluster, Node: loaded.Node, PKI: bundle, Join: plan.Join{Etcd: plan.JoinEtcd{Data: data}},
			Facts: cluster.Facts{Now: now, Hosts: map[string]cluster.HostFacts{"cp1": f}}}, nil
	}
	return r
}

func etcdInitRig(t *testing.T) *rig {
	return etcdRig(t, func(r *rig, _ string) {
		r.world.EtcdCluster.Add(etcd.Member{ID: 1, Name: "cp1", PeerURLs: []string{etcdPeer}, ClientURLs: []string{etcdClient}})
	})
}

// etcdJoinRig is a machine beside an etcd of one, to which etcd only starts
// when it is told of both.
func etcdJoinRig(t *testing.T) *rig {
	const other = "https://192.0.2.9:2380"
	r := etcdRig(t, func(r *rig, manifest string) {
		if strings.Contains(manifest, "e0="+other) && strings.Contains(manifest, "cp1="+etcdPeer) && strings.Contains(manifest, "initial-cluster-state=existing") {
			r.world.EtcdCluster.Start("cp1", etcdPeer, etcdClient)
		}
	})
	r.world.EtcdCluster.Add(etcd.Member{ID: 1, Name: "e0", PeerURLs: []string{other}, ClientURLs: []string{"https://192.0.2.9:2379"}})
	return r
}

func TestAnEtcdMachineJoinsWithAVote(t *testing.T) {
	r := etcdJoinRig(t)
	if _, err := r.apply(t.Context(), "etcdjoin", phases.EtcdJoin()); err != nil {
		t.Fatal(err)
	}
	members, err := r.world.EtcdCluster.Members(t.Context())
	if err != nil || len(members) != 2 || members[1].Name != "cp1" || members[1].Learner {
		t.Errorf("etcd has %+v: %v", members, err)
	}
	// A third machine joins, and this one's manifest stays: it would restart.
	r.world.EtcdCluster.Add(etcd.Member{ID: 7, Name: "e7", PeerURLs: []string{"https://192.0.2.7:2380"}})
	if result, err := r.apply(t.Context(), "etcdjoin", phases.EtcdJoin()); err != nil || result.Changed > 0 {
		t.Errorf("a second join changed %d: %v", result.Changed, err)
	}
	// Its manifest written by itself is the same: it does not forget the others.
	for _, phase := range phases.EtcdInit() {
		if phase.Name != "etcd" {
			continue
		}
		if result, err := r.apply(t.Context(), "etcdinit", []plan.Phase{phase}); err != nil || result.Changed > 0 {
			t.Errorf("etcd/local changed %d: %v", result.Changed, err)
		}
	}
}

func TestEtcdMachinePullsEtcdAlone(t *testing.T) {
	loaded := load(t)
	facts := cluster.HostFacts{Runtime: cluster.RuntimeFacts{Answers: true}}
	in := plan.Input{Cluster: loaded.Cluster, Node: loaded.Node, Facts: cluster.Facts{Hosts: map[string]cluster.HostFacts{"cp1": facts}}}
	p, err := plan.Build("preflight", phases.EtcdInit()[:1], in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Groups) != 1 || len(p.Groups[0].Steps) != 2 || p.Groups[0].Steps[1].ID != "preflight/image-etcd@cp1" {
		t.Errorf("it pulls %+v", p.Groups)
	}
	in.Node.ImagePullPolicy = "Never"
	if p, err := plan.Build("preflight", phases.EtcdInit()[:1], in, nil); err != nil || len(p.Groups) != 0 {
		t.Errorf("with Never it pulls %+v, %v", p.Groups, err)
	}
}

// Of a control plane an etcd machine has nothing.
func TestAnEtcdMachineHasEtcdAlone(t *testing.T) {
	r := etcdInitRig(t)
	if _, err := r.apply(t.Context(), "etcdinit", phases.EtcdInit()); err != nil {
		t.Fatal(err)
	}
	machine := r.world.Machine.Snapshot(journals)
	for _, not := range []string{"/etc/kubernetes/pki/ca.", "/etc/kubernetes/pki/sa.", "/etc/kubernetes/pki/front-proxy", "/etc/kubernetes/pki/apiserver.", ".conf -", "kube-apiserver"} {
		for line := range strings.Lines(machine) {
			if strings.HasPrefix(line, "/etc/kubernetes") && strings.Contains(line, not) {
				t.Errorf("it has %s", line)
			}
		}
	}
	if members, err := r.world.EtcdCluster.Members(t.Context()); err != nil || len(members) != 1 {
		t.Errorf("etcd has %v: %v", members, err)
	}
}

// A reset takes an etcd machine's kubelet back to what its package made of it.
func TestResetOfAnEtcdMachine(t *testing.T) {
	r := etcdInitRig(t)
	before := r.world.Machine.Snapshot(journals)
	if _, err := r.apply(t.Context(), "etcdinit", phases.EtcdInit()); err != nil {
		t.Fatal(err)
	}
	r.input = func(ctx context.Context) (plan.Input, error) {
		f, err := facts.Gather(ctx, host.AsReader(r.world.Machine), &cluster.Cluster{}, nil, false)
		if err != nil {
			return plan.Input{}, err
		}
		in := plan.Input{Node: cluster.Node{Name: "cp1", Host: "cp1"}, Facts: cluster.Facts{Now: now, Hosts: map[string]cluster.HostFacts{"cp1": f}}}
		in.Reset.CertificatesDir = "/etc/kubernetes/pki"
		in.Reset.Remains, err = facts.Remains(ctx, host.AsReader(r.world.Machine))
		return in, err
	}
	if in, err := r.input(t.Context()); err != nil || !in.Reset.Remains.Node || in.Reset.Remains.CertificatesDir != "/etc/kubernetes/pki" {
		t.Fatalf("the remains are %+v: %v", in.Reset.Remains, err)
	}
	if _, err := r.apply(t.Context(), "reset", phases.Reset()); err != nil {
		t.Fatal(err)
	}
	after := r.world.Machine.Snapshot(journals)
	for line := range strings.Lines(hosttest.Diff(before, after)) {
		// The kubelet's package brings these and enables the unit.
		if !strings.Contains(line, "/var/lib/kubelet ") && !strings.Contains(line, "/etc/kubernetes/manifests ") && !strings.Contains(line, "/etc/kubernetes ") && !strings.Contains(line, "unit kubelet.service") {
			t.Errorf("it differs: %s", line)
		}
	}
	if result, err := r.apply(t.Context(), "reset", phases.Reset()); err != nil || result.Changed > 0 {
		t.Errorf("a second reset changed %d: %v", result.Changed, err)
	}
}
