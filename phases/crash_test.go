package phases_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/plan/plantest"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/internal/state"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

// The crash matrix: for every mutation of every list, on the machine and at
// the API server, the process dies there. Then (a) the list applied again
// gives exactly what an uninterrupted run gives, and (b) rolled back instead
// it gives exactly the start, up to the kubelet's first start.

var now = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)

// journals are ours and not what a list is about.
const journals = "/var/lib/clusteradm"

// rig is one machine and cluster and what a list needs to be planned for it.
type rig struct {
	world *plantest.World
	runs  state.Store
	// input plans anew from what is on the machine, as a new process would.
	input  func(ctx context.Context) (plan.Input, error)
	loaded *config.Loaded
}

// rigs has a machine for every list, or several, "list/kind". A list without
// one fails TestCrashMatrix.
var rigs = map[string]func(t *testing.T) *rig{
	"init": initRig, "join": joinRig, "join/control-plane": joinControlPlaneRig, "join/withdrawn": withdrawnRig, "renew": renewRig, "requests": requestsRig, "fix": fixRig, "reset": resetRig,
	"etcdinit":       etcdInitRig,
	"etcdjoin":       etcdJoinRig,
	"member-replace": replaceRig,
	"endpoint":       endpointRig, "endpoint/bare": bareRig,
	"endpoint-follow": followRig,
}

func TestCrashMatrix(t *testing.T) {
	for name := range phases.Lists() {
		if rigs[name] == nil {
			t.Errorf("the list %s is not in the crash matrix", name)
		}
	}
	for kind, build := range rigs {
		t.Run(kind, func(t *testing.T) {
			name, _, _ := strings.Cut(kind, "/")
			list := phases.Lists()[name]
			whole := build(t)
			start := whole.world.Machine.Snapshot(journals)
			if _, err := whole.apply(t.Context(), name, list()); err != nil {
				t.Fatal(err)
			}
			m := matrix{name, list, build, start, whole.snapshot()}

			counter := build(t)
			counting := host.FailAt(counter.world.Machine, 0)
			counter.world.Through = counting
			if _, err := counter.apply(t.Context(), name, list()); err != nil {
				t.Fatal(err)
			}
			mutations, requests := counting.Count(), counter.world.Store.Mutations()
			if least := cmp.Or(map[string]int{"endpoint-follow": 1, "member-replace": 5}[name], 10); mutations+requests < least {
				t.Fatalf("only %d mutations were counted", mutations)
			}
			t.Logf("%d mutations of the machine, %d of the cluster", mutations, requests)
			for k := 1; k <= mutations; k++ {
				before := func(r *rig) { r.world.Through = host.FailAt(r.world.Machine, k) }
				after := func(r *rig) { r.world.Through = host.FailAfter(r.world.Machine, k) }
				m.crash(t, fmt.Sprintf("machine/%d/before", k), before)
				m.crash(t, fmt.Sprintf("machine/%d/after", k), after)
			}
			for k := 1; k <= requests; k++ {
				m.crash(t, fmt.Sprintf("cluster/%d", k), func(r *rig) { r.world.Store.FailAt(k, host.ErrInjected) })
			}
			for k := 1; k <= counter.world.Containers.Removals(); k++ {
				m.crash(t, fmt.Sprintf("runtime/%d", k), func(r *rig) { r.world.Containers.FailAt(k, host.ErrInjected) })
			}
			for k := 1; k <= counter.world.EtcdCluster.Mutations(); k++ {
				lose := func(r *rig) { r.world.EtcdCluster.LoseAnswerAt(k, host.ErrInjected) }
				if !m.survives(t, lose) {
					m.crash(t, fmt.Sprintf("etcd/%d", k), lose)
				}
			}
		})
	}
}

// matrix is one list and what it must end in.
type matrix struct {
	name        string
	list        func() []plan.Phase
	build       func(*testing.T) *rig
	start, want string
}

// survives reports that the run went on: an effect may see by itself that what
// was not answered was done.
func (m matrix) survives(t *testing.T, arm func(*rig)) bool {
	r := m.build(t)
	arm(r)
	if _, err := r.apply(t.Context(), m.name, m.list()); err != nil {
		return false
	}
	if diff := hosttest.Diff(m.want, r.snapshot()); diff != "" {
		t.Errorf("it went on and differs from an uninterrupted run:\n%s", diff)
	}
	return true
}

func (m matrix) crash(t *testing.T, where string, arm func(*rig)) {
	t.Run(where, func(t *testing.T) {
		t.Parallel() // each has machines of its own
		died := func() *rig {
			r := m.build(t)
			arm(r)
			if _, err := r.apply(t.Context(), m.name, m.list()); !errors.Is(err, host.ErrInjected) {
				t.Fatalf("the run ended with %v, want the injected failure", err)
			}
			r.world.Through = r.world.Machine // a new process
			r.world.Containers.FailAt(0, nil)
			return r
		}
		resumed := died()
		if _, err := resumed.apply(t.Context(), m.name, m.list()); err != nil {
			t.Fatalf("again: %v", err)
		}
		if diff := hosttest.Diff(m.want, resumed.snapshot()); diff != "" {
			t.Errorf("resumed, it differs from an uninterrupted run:\n%s", diff)
		}
		if result, err := resumed.apply(t.Context(), m.name, m.list()); err != nil || result.Changed != 0 {
			t.Errorf("a further run changed %d: %v", result.Changed, err)
		}

		back := died()
		journal, err := back.runs.Reopen()
		if err != nil {
			t.Fatal(err)
		}
		if journal == nil {
			t.Fatal("the run changed something and has no journal")
		}
		defer journal.Close()
		_, err = back.engine().Rollback(t.Context(), journal)
		var end *engine.NoWayBackError
		switch {
		case errors.As(err, &end):
			if end.Reason == "" || !kubeletIntended(journal) && m.name != "reset" && m.name != "member-replace" && !strings.HasPrefix(end.Step, "etcd-member/learner@") {
				t.Errorf("rollback stopped early: %v", err)
			}
		case err != nil:
			t.Fatal(err)
		default:
			if diff := hosttest.Diff(m.start, back.world.Machine.Snapshot(journals)); diff != "" {
				t.Errorf("rolled back, it differs from the start:\n%s", diff)
			}
		}
	})
}

// kubeletIntended reports that the run came to the kubelet's configuration,
// with which the kubelet may start, to joining etcd, or to starting what uses
// new certificates or another endpoint: there the way back ends.
func kubeletIntended(journal *state.Run) bool {
	for _, e := range journal.Entries {
		if e.Kind == state.Intent && (strings.HasPrefix(e.Step, "kubelet-start/config.yaml@") || strings.HasPrefix(e.Step, "kubelet/unit@") || strings.HasPrefix(e.Step, "etcd-member/turn@") || strings.HasPrefix(e.Step, "etcd-member/old-") || strings.HasPrefix(e.Step, "load-balancer/") || strings.HasPrefix(e.Step, "remove/") || strings.HasSuffix(e.Step, "/rollout")) {
			return true
		}
	}
	return false
}

func (r *rig) engine() *engine.Engine {
	return &engine.Engine{World: r.world, Sink: event.Discard{}, Now: func() time.Time { return now },
		Begin: func(list string) (*state.Run, error) { return r.runs.Begin(list, now) }}
}

func (r *rig) apply(ctx context.Context, name string, list []plan.Phase) (engine.Result, error) {
	in, err := r.input(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	p, err := plan.Build(name, list, in, nil)
	if err != nil {
		return engine.Result{}, err
	}
	return r.engine().Apply(ctx, p)
}

func (r *rig) snapshot() string {
	return r.world.Machine.Snapshot(journals) + r.world.Store.Snapshot() + r.world.Containers.Snapshot() + r.world.EtcdCluster.Snapshot()
}

func newRig(t *testing.T, name string, started func(*rig, *hosttest.Machine)) *rig {
	if theLoaded == nil {
		theLoaded = load(t)
	}
	m := hosttest.New(name, hosttest.Options{Kubelet: "v1.36.3"})
	r := &rig{world: plantest.New(m), runs: state.Open(t.TempDir()), loaded: theLoaded}
	r.world.Store.Now = func() time.Time { return now }
	r.world.Store.Down(true)
	m.AddUnit(hosttest.Unit{Name: "kubelet.service", OnStart: func(m *hosttest.Machine) error {
		started(r, m)
		return nil
	}})
	return r
}

// theLoaded is the configuration of all machines of the matrix: nothing changes
// it, and reading it was most of making a machine.
var theLoaded *config.Loaded

const initDocs = `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens: [{token: abcdef.0123456789abcdef}]
localAPIEndpoint: {advertiseAddress: 192.0.2.10}
nodeRegistration: {name: cp1}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
networking: {podSubnet: 10.244.0.0/16}
---
apiVersion: clusteradm.io/v1alpha1
kind: Addons
podNetwork: {kind: flannel}
`

func load(t *testing.T) *config.Loaded { return loadDocs(t, initDocs) }

func loadDocs(t *testing.T, docs string) *config.Loaded {
	t.Helper()
	loaded, err := config.Load([]byte(docs), config.Inputs{
		Host: "cp1", Hostname: "cp1", DefaultAddress: netip.MustParseAddr("192.0.2.10"), Now: now, Rand: bytes.NewReader(make([]byte, 64))})
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// initShared is what init --upload-certs shares of entropy, encrypted once for
// all machines.
var initShared plan.Shared

func shared(t *testing.T, b *pki.Bundle) plan.Shared {
	t.Helper()
	key := secret.NewString(strings.Repeat("5a", 32))
	sealed, err := pki.Seal(b, key, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return plan.Shared{Key: key, Sealed: sealed, Owner: cluster.Token{ID: "fedcba", Secret: secret.NewString("0123456789abcdef"), TTL: 2 * time.Hour}}
}

// entropy makes one PKI for all machines of the matrix, so that they can be
// compared byte for byte. That pki.Ensure itself resumes from every prefix is
// pki's own test.
var entropy *pki.Bundle

func initRig(t *testing.T) *rig {
	r := newRig(t, "cp1", func(r *rig, _ *hosttest.Machine) { r.world.Store.Down(false) })
	r.loaded = withEndpoint(t)
	loaded := r.loaded
	specs, kubeconfigs := pki.Tree(loaded.Cluster, loaded.Node), pki.KubeconfigSpecs(loaded.Cluster, loaded.Node)
	if entropy == nil {
		var err error
		if entropy, err = pki.Ensure(nil, specs, kubeconfigs, now); err != nil {
			t.Fatal(err)
		}
		initShared = shared(t, entropy)
	}
	var files []string
	for _, s := range specs {
		files = append(files, s.KeyPath(), s.CertPath(), s.PublicPath())
	}
	r.input = func(ctx context.Context) (plan.Input, error) {
		f, err := facts.Gather(ctx, host.AsReader(r.world.Machine), loaded.Cluster, files, true)
		if err != nil {
			return plan.Input{}, err
		}
		found := map[string]secret.Bytes{}
		for _, file := range pki.Files(entropy) {
			found[file.Path] = file.Content
		}
		maps.Copy(found, f.PKI)
		bundle, err := pki.Read(found, loaded.Cluster)
		if err != nil {
			return plan.Input{}, err
		}
		if bundle, err = pki.Ensure(bundle, specs, kubeconfigs, now); err != nil {
			return plan.Input{}, err
		}
		return plan.Input{Cluster: loaded.Cluster, Node: loaded.Node, PKI: bundle, Binary: binary, Shared: initShared,
			Facts: cluster.Facts{Now: now, Hosts: map[string]cluster.HostFacts{"cp1": f}}}, nil
	}
	return r
}

func joinRig(t *testing.T) *rig {
	node := cluster.Node{Name: "w1", Host: "w1", Address: netip.MustParseAddr("192.0.2.11"), BindPort: 6443, CRISocket: "unix:///run/containerd/containerd.sock"}
	r := newRig(t, "w1", func(r *rig, m *hosttest.Machine) {
		// What the kubelet leaves behind when it got its certificate.
		m.Put(cluster.KubeletConf, "kubelet.conf of the kubelet", 0o600)
		m.Put("/var/lib/kubelet/pki/kubelet-client-2026.pem", "certificate and key", 0o600)
		if err := m.Symlink("kubelet-client-2026.pem", cluster.KubeletClientPEM); err != nil {
			panic(err)
		}
		r.world.Store.Down(false)
		r.world.Store.Put(kubetest.Object(t, "apiVersion: v1\nkind: Node\nmetadata: {name: w1}\nstatus: {conditions: [{type: Ready, status: \"True\"}]}\n"))
	})
	r.loaded = withEndpoint(t)
	loaded := r.loaded
	if joinCA == nil {
		bundle, err := pki.Ensure(nil, pki.Tree(loaded.Cluster, loaded.Node), nil, now)
		if err != nil {
			t.Fatal(err)
		}
		joinCA = bundle.Pairs["ca"].Cert
	}
	r.input = func(ctx context.Context) (plan.Input, error) {
		f, err := facts.Gather(ctx, host.AsReader(r.world.Machine), loaded.Cluster, nil, true)
		if err != nil {
			return plan.Input{}, err
		}
		return plan.Input{Cluster: loaded.Cluster, Node: node, Facts: cluster.Facts{Now: now, Hosts: map[string]cluster.HostFacts{"w1": f}},
			Binary: binary, Join: plan.Join{CA: joinCA, APIServers: apiServers, CACertPath: "/etc/kubernetes/pki/ca.crt", Joined: f.Exists(cluster.KubeletConf),
				BootstrapKubeconfig: secret.NewBytes([]byte("bootstrap kubeconfig"))}}, nil
	}
	return r
}

var joinCA []byte

const binary = "/usr/local/bin/clusteradm"
