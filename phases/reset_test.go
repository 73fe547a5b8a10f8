package phases_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/phases"
)

const usersRules = `*filter
:FORWARD ACCEPT [0:0]
-A FORWARD -m comment --comment "KUBE-FORWARD is not mine" -j DROP
COMMIT
`

const rulesWithCluster = `*filter
:FORWARD ACCEPT [0:0]
:KUBE-FORWARD - [0:0]
:FLANNEL-FWD - [0:0]
-A FORWARD -j KUBE-FORWARD
-A FORWARD -m comment --comment "KUBE-FORWARD is not mine" -j DROP
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A KUBE-FORWARD -j ACCEPT
COMMIT
`

const etcdManifest = `apiVersion: v1
kind: Pod
spec:
  containers:
  - command:
    - etcd
    - --data-dir=/data/etcd
    - --initial-advertise-peer-urls=https://192.0.2.10:2380
    - --initial-cluster=cp2=https://192.0.2.12:2380,cp1=https://192.0.2.10:2380
    - --listen-client-urls=https://127.0.0.1:2379,https://192.0.2.10:2379
    - --name=cp1
    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
  volumes:
  - {name: etcd-data, hostPath: {path: /data/etcd}}
`

const apiServerManifest = "kind: Pod\nspec:\n  containers:\n  - command: [kube-apiserver, --client-ca-file=/srv/pki/ca.crt]\n"

// users is what is there before a cluster and has to be there after it.
func users(m *hosttest.Machine) {
	for _, p := range []string{"/etc/kubernetes/audit.yaml", "/etc/kubernetes/manifests/mine.yaml", "/srv/pki/mine.crt",
		"/etc/cni/net.d/20-mine.conf", "/opt/cni/bin/bridge", "/var/lib/cni/networks/podman/10.88.0.2", "/root/.kube/config", "/data/lost+found/x"} {
		m.Put(p, "of a user", 0o640)
	}
	for _, p := range []string{"/var/lib/kubelet", "/usr/libexec/x"} {
		m.Put(p+"/x", "", 0o600)
		_ = m.Remove(context.Background(), p+"/x")
	}
	m.Rules("iptables-nft", usersRules)
	m.AddTable("inet mine")
	m.AddLink(hosttest.Link{Name: "docker0", Kind: "bridge"})
	m.AddUnit(hosttest.Unit{Name: "kubelet.service", Enabled: true})
}

// inhabited has on the machine what init, join, the kubelet, kube-proxy and
// flannel leave on a control plane, one of two.
func inhabited(r *rig) {
	m := r.world.Machine
	for p, content := range map[string]string{
		"/etc/kubernetes/manifests/etcd.yaml": etcdManifest, "/etc/kubernetes/manifests/kube-apiserver.yaml": apiServerManifest,
		"/etc/kubernetes/manifests/kube-scheduler.yaml": "", "/etc/kubernetes/manifests/kube-controller-manager.yaml": "",
		"/var/lib/kubelet/instance-config.yaml": "containerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n",
		"/var/lib/kubelet/config.yaml":          "authentication: {x509: {clientCAFile: /srv/pki/ca.crt}}\n", "/var/lib/kubelet/pods/1/etc-hosts": "", "/var/lib/kubelet/device-plugins/kubelet.sock": "",
		"/srv/pki/ca.crt": "", "/srv/pki/ca.key": "", "/srv/pki/sa.pub": "", "/srv/pki/apiserver.csr": "", "/srv/pki/etcd/server.key": "", "/srv/pki/.ca.key.clusteradm-0123456789abcdef": "",
		"/data/etcd/member/wal/0.wal": "", "/run/flannel/subnet.env": "", cluster.FlannelConf: "", cluster.FlannelPlugin: "",
		"/var/lib/cni/networks/cbr0/10.244.0.2": "", "/var/lib/cni/results/cbr0-1-eth0": "", "/var/lib/cni/flannel/1": "", "/etc/kubernetes/tmp/x": "",
		cluster.HAProxyConfig: "", "/etc/clusteradm/keepalived/keepalived.conf": "",
		"/etc/kubernetes/manifests/clusteradm-haproxy.yaml": "", "/etc/kubernetes/manifests/clusteradm-keepalived.yaml": "",
	} {
		m.Put(p, content, 0o600)
	}
	for _, p := range []string{"/usr/libexec/kubernetes/kubelet-plugins/volume/exec"} {
		m.Put(p+"/x", "", 0o600)
		_ = m.Remove(context.Background(), p+"/x")
	}
	for _, conf := range []string{"admin", "super-admin", "kubelet", "bootstrap-kubelet", "controller-manager", "scheduler"} {
		m.Put("/etc/kubernetes/"+conf+".conf", "", 0o600)
	}
	for _, p := range []string{"/var/lib/kubelet/pods/1/volumes/token", "/var/lib/kubelet/pods/1/volumes/claim"} {
		m.Mount(p)
		m.Put(p+"/data", "of a user", 0o600)
	}
	m.Rules("iptables-nft", rulesWithCluster)
	m.AddTable("ip kube-proxy")
	for _, l := range []hosttest.Link{{Name: "cni0", Kind: "bridge"}, {Name: "flannel.1", Kind: "vxlan"}, {Name: "veth1", Kind: "veth", Master: "cni0"}} {
		m.AddLink(l)
	}
	m.AddUnit(hosttest.Unit{Name: "kubelet.service", Enabled: true, Active: true})
	for _, id := range []string{"1", "2"} {
		r.world.Containers.AddSandbox(cri.Sandbox{ID: id, Name: "pod-" + id, Namespace: "kube-system", Ready: true})
		r.world.Containers.AddContainer(cri.Container{ID: "c" + id, SandboxID: id, Running: true})
	}
	r.world.EtcdCluster.Add(etcd.Member{ID: 1, Name: "cp1", PeerURLs: []string{"https://192.0.2.10:2380"}})
	r.world.EtcdCluster.Add(etcd.Member{ID: 2, Name: "cp2", PeerURLs: []string{"https://192.0.2.12:2380"}})
}

// resetRig is a control plane, one of two, on a machine that --fix prepared.
func resetRig(t *testing.T) *rig {
	r := fixRig(t)
	users(r.world.Machine)
	if _, err := r.apply(t.Context(), "fix", phases.Fix()); err != nil {
		t.Fatal(err)
	}
	inhabited(r)
	fixInput := r.input
	r.input = func(ctx context.Context) (plan.Input, error) {
		in, err := fixInput(ctx)
		if err != nil {
			return in, err
		}
		if in.Reset.Remains, err = facts.Remains(ctx, host.AsReader(r.world.Machine)); err != nil {
			return in, err
		}
		in.Reset.CertificatesDir, in.Reset.CleanupTmpDir = in.Reset.Remains.CertificatesDir, true
		if in.Reset.CertificatesDir == "" {
			in.Reset.CertificatesDir = "/etc/kubernetes/pki"
		}
		if e := in.Reset.Remains.Etcd; e != nil {
			if !strings.Contains(r.world.Containers.Snapshot(), "pod-1") {
				e.Unknown = "connection refused" // etcd is that pod
			} else if err := facts.EtcdMembers(ctx, r.world.EtcdCluster, e); err != nil {
				return in, err
			}
			if problem := e.Removal().Problem; problem != "" {
				return in, errors.New("refused: " + problem)
			}
		}
		return in, nil
	}
	return r
}

// A member that got its vote seconds ago is not let go at once: etcd refuses for
// some seconds what could lose its quorum.
func TestResetWaitsForEtcdToLetGo(t *testing.T) {
	r := resetRig(t)
	r.world.EtcdCluster.Unsettle(2)
	if _, err := r.apply(t.Context(), "reset", phases.Reset()); err != nil {
		t.Fatal(err)
	}
	if members := r.world.EtcdCluster.Snapshot(); strings.Contains(members, "cp1") {
		t.Errorf("etcd has\n%s", members)
	}
}

func TestResetLeavesTheMachineAsItWas(t *testing.T) {
	before := fixRig(t)
	users(before.world.Machine)
	r := resetRig(t)
	if _, err := r.apply(t.Context(), "reset", phases.Reset()); err != nil {
		t.Fatal(err)
	}
	if diff := hosttest.Diff(before.world.Machine.Snapshot(journals), r.world.Machine.Snapshot(journals)); diff != "" {
		t.Errorf("it differs from the machine before:\n%s", diff)
	}
	if left := r.world.Containers.Snapshot(); left != "" {
		t.Errorf("the runtime still has\n%s", left)
	}
	if members := r.world.EtcdCluster.Snapshot(); strings.Contains(members, "cp1") || !strings.Contains(members, "cp2") {
		t.Errorf("etcd has\n%s", members)
	}
	if result, err := r.apply(t.Context(), "reset", phases.Reset()); err != nil || result.Changed > 0 {
		t.Errorf("a second reset changed %d: %v", result.Changed, err)
	}
}

// Whatever else fails: no data go while the member is in the cluster, none is
// deleted that is mounted, and the kubelet is stopped before anything it would
// start again.
func TestOrderOfReset(t *testing.T) {
	in, err := resetRig(t).input(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Build("reset", phases.Reset(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for _, g := range p.Groups {
		if g.Mode != plan.Serial {
			t.Error("a group is not serial")
		}
		for _, s := range g.Steps {
			name, _, _ := strings.Cut(s.ID, "@")
			at[name] = len(at) + 1
			if s.NoUndo == "" {
				t.Errorf("%s says not why it is not taken back", s.ID)
			}
		}
	}
	for _, order := range [][]string{
		{"remove-etcd-member/member", "cleanup-node/kubelet", "cleanup-node/etcd-given-up", "cleanup-node/pods", "cleanup-node/api-manifest", "cleanup-node/etcd-data", "cleanup-node/manifests"},
		{"cleanup-node/pods", "cleanup-node/mounts", "cleanup-node/kubelet-dir"},
		{"cleanup-node/pods", "cleanup-node/interfaces", "cleanup-node/flannel-plugin", "cleanup-node/flannel-conf"},
		{"cleanup-node/etcd-certificates", "cleanup-node/certificates", "cleanup-node/kubelet-dir", "cleanup-node/manifests", "cleanup-node/kubeconfigs", "cleanup-node/unfix-record"},
	} {
		for i := 1; i < len(order); i++ {
			if at[order[i-1]] == 0 || at[order[i-1]] >= at[order[i]] {
				t.Errorf("%s (%d) is not before %s (%d)", order[i-1], at[order[i-1]], order[i], at[order[i]])
			}
		}
	}
}

func TestResetKeepsWhatItMayNotRemove(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*plan.Input)
		not    string // a step that is not there
	}{
		"etcd's data without its phase":             {func(in *plan.Input) { in.Reset.KeepEtcdData = true }, "cleanup-node/etcd-data@cp1"},
		"a member without which there is no quorum": {func(in *plan.Input) { in.Reset.Remains.Etcd.Members[1].Err = etcd.ErrUnavailable }, "remove-etcd-member/member@cp1"},
		"pods of a runtime that does not answer":    {func(in *plan.Input) { in.Reset.Remains.Runtime = "down" }, "cleanup-node/pods@cp1"},
		"a plugin that flannel did not bring":       {func(in *plan.Input) { in.Reset.Remains.Flannel = false }, "cleanup-node/flannel-plugin@cp1"},
		"the directory of temporary files":          {func(in *plan.Input) { in.Reset.CleanupTmpDir = false }, "cleanup-node/tmp@cp1"},
	} {
		in, err := resetRig(t).input(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		has := func() bool {
			p, err := plan.Build("reset", phases.Reset(), in, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range p.Groups {
				for _, s := range g.Steps {
					if s.ID == c.not {
						return true
					}
				}
			}
			return false
		}
		if !has() {
			t.Errorf("%s: there is no step %s to begin with", name, c.not)
		}
		if c.change(&in); has() {
			t.Errorf("%s: %s is there", name, c.not)
		}
	}
}

// A volume that cannot be unmounted stops the reset with its data in place.
func TestResetStopsAtABusyMount(t *testing.T) {
	r := resetRig(t)
	r.world.Machine.AddProgram("umount", func(*hosttest.Machine, host.Cmd) (host.Result, error) {
		return host.Result{Exit: 32, Stderr: []byte("umount: target is busy.\n")}, nil
	})
	_, err := r.apply(t.Context(), "reset", phases.Reset())
	var busy *effect.BusyError
	if !errors.As(err, &busy) {
		t.Fatalf("it ended with %v", err)
	}
	if data, ok := r.world.Machine.Content(busy.Point + "/data"); !ok || data != "of a user" {
		t.Errorf("the user's data are gone: %q", data)
	}
	if _, err := r.world.Machine.Stat(t.Context(), cluster.KubeletConf); errors.Is(err, fs.ErrNotExist) {
		t.Error("it went on")
	}
}
