package phases_test

import (
	"bytes"
	"context"
	"path"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/pki"
)

// renewal is the one that every machine of the matrix is given.
type renewal struct {
	old     *pki.Bundle
	kubelet secret.Bytes // expired
	files   map[string]secret.Bytes
	client  secret.Bytes
}

var theRenewal *renewal

func newRenewal(t *testing.T) *renewal {
	if theRenewal != nil {
		return theRenewal
	}
	t.Helper()
	loaded := load(t)
	old, err := pki.Ensure(nil, pki.Tree(loaded.Cluster, loaded.Node), pki.KubeconfigSpecs(loaded.Cluster, loaded.Node), now)
	if err != nil {
		t.Fatal(err)
	}
	ca := old.Pairs["ca"]
	spec := pki.KubeconfigSpecs(loaded.Cluster, loaded.Node)[2].Client
	pair, err := pki.Issue(spec, ca, now.Add(-400*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	r := &renewal{old: old, kubelet: secret.NewBytes(bytes.Join([][]byte{pair.Cert, pair.Key.Reveal()}, nil)), files: map[string]secret.Bytes{}}
	found := map[string]secret.Bytes{cluster.KubeletClientPEM: r.kubelet}
	for _, f := range pki.Files(old) {
		found[f.Path] = f.Content
	}
	found[cluster.KubeletConf] = pki.EncodeKubeletKubeconfig("kubernetes", "https://192.0.2.10:6443", "cp1", ca.Cert)
	made, err := pki.Renew(found, loaded.Cluster, pki.Renewable(loaded.Cluster), never, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range made.Files {
		r.files[f.Path] = f.Content
	}
	if r.client, _, err = pki.RenewKubelet(found, loaded.Cluster, loaded.Node.Name, now); err != nil || r.client.Empty() {
		t.Fatal("the kubelet's certificate was not renewed", err)
	}
	theRenewal = r
	return r
}

func never(string, secret.Bytes) bool { return false }

// renewRig is a control plane that runs, with a kubelet whose certificate has
// expired.
func renewRig(t *testing.T) *rig {
	renewal := newRenewal(t)
	r := newRig(t, "cp1", func(r *rig, m *hosttest.Machine) { startPods(r, m) })
	loaded, m := r.loaded, r.world.Machine
	for _, f := range pki.Files(renewal.old) {
		m.Put(f.Path, string(f.Content.Reveal()), 0o600)
	}
	m.Put(cluster.KubeletConf, string(pki.EncodeKubeletKubeconfig("kubernetes", "https://192.0.2.10:6443", "cp1", renewal.old.Pairs["ca"].Cert).Reveal()), 0o600)
	m.Put("/var/lib/kubelet/pki/kubelet-client-2025.pem", string(renewal.kubelet.Reveal()), 0o600)
	if err := m.Symlink("kubelet-client-2025.pem", cluster.KubeletClientPEM); err != nil {
		t.Fatal(err)
	}
	for name, render := range map[string]func(*cluster.Cluster, cluster.Node, manifests.Options) ([]byte, error){
		manifests.KubeAPIServer: manifests.APIServer, manifests.KubeControllerManager: manifests.ControllerManager, manifests.KubeScheduler: manifests.Scheduler,
		manifests.EtcdName: func(c *cluster.Cluster, n cluster.Node, _ manifests.Options) ([]byte, error) {
			return manifests.Etcd(c, n, nil)
		},
	} {
		pod, err := render(loaded.Cluster, loaded.Node, manifests.Options{})
		if err != nil {
			t.Fatal(err)
		}
		m.Put(cluster.ManifestsDir+"/"+name+".yaml", string(pod), 0o600)
	}
	r.world.Store.Down(false)
	r.world.Store.Put(kubetest.Object(t, "apiVersion: v1\nkind: Node\nmetadata: {name: cp1}\nstatus: {conditions: [{type: Ready, status: \"True\"}]}\n"))
	r.world.Serves = map[string]string{
		"192.0.2.10:6443": "/etc/kubernetes/pki/apiserver.crt", "127.0.0.1:2379": "/etc/kubernetes/pki/etcd/server.crt",
		"192.0.2.10:2380": "/etc/kubernetes/pki/etcd/peer.crt",
	}
	if _, err := m.Run(t.Context(), host.Cmd{Args: []string{"systemctl", "enable", "kubelet.service"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Run(t.Context(), host.Cmd{Args: []string{"systemctl", "restart", "kubelet.service"}}); err != nil {
		t.Fatal(err)
	}
	r.world.Containers.Restarted = func(cri.Container) { startPods(r, m) }
	r.input = func(ctx context.Context) (plan.Input, error) { return renewalInput(ctx, r, renewal) }
	return r
}

// startPods starts a container for each static pod that has none running.
func startPods(r *rig, m *hosttest.Machine) {
	running := map[string]bool{}
	list, _ := r.world.Containers.Containers(context.Background())
	for _, c := range list {
		running[c.Name] = running[c.Name] || c.Running
	}
	for _, name := range []string{manifests.EtcdName, manifests.KubeAPIServer, manifests.KubeControllerManager, manifests.KubeScheduler} {
		if running[name] {
			continue
		}
		m.Put("/run/clock", "", 0o600)
		info, err := m.Stat(context.Background(), "/run/clock")
		if err != nil {
			panic(err)
		}
		r.world.Containers.AddContainer(cri.Container{ID: name + info.Changed.String(), Name: name, Pod: name + "-cp1", Namespace: "kube-system", Running: true, Created: info.Changed})
	}
}

// renewalInput is what the command makes of what is on the machine, with the
// keys of the one renewal.
func renewalInput(ctx context.Context, r *rig, renewal *renewal) (plan.Input, error) {
	loaded := r.loaded
	h := host.AsReader(r.world.Machine)
	paths := pki.InspectedFiles(loaded.Cluster)
	f, err := facts.Gather(ctx, h, loaded.Cluster, paths, false)
	if err == nil {
		err = facts.Attributes(ctx, h, &f, paths)
	}
	if err != nil {
		return plan.Input{}, err
	}
	written := func(p string, content secret.Bytes) bool { return content.Equal(renewal.files[p]) }
	made, err := pki.Renew(f.PKI, loaded.Cluster, pki.Renewable(loaded.Cluster), written, now)
	if err != nil {
		return plan.Input{}, err
	}
	in := plan.Input{Cluster: loaded.Cluster, Node: loaded.Node, Facts: cluster.Facts{Now: now, Hosts: map[string]cluster.HostFacts{"cp1": f}},
		Certs: plan.Certs{Names: pki.Renewable(loaded.Cluster), Files: made.Files, Broken: true}}
	for i, file := range in.Certs.Files {
		in.Certs.Files[i].Content = renewal.files[file.Path]
	}
	client, _, err := pki.RenewKubelet(f.PKI, loaded.Cluster, loaded.Node.Name, now)
	if !client.Empty() {
		in.Certs.KubeletClient = renewal.client
	}
	return in, err
}

// requestsRig is an empty machine.
func requestsRig(t *testing.T) *rig {
	r := newRig(t, "cp1", func(*rig, *hosttest.Machine) {})
	loaded := r.loaded
	if theRequests == nil {
		made, err := pki.Requests(nil, loaded.Cluster, loaded.Node, cluster.KubernetesDir)
		if err != nil {
			t.Fatal(err)
		}
		theRequests = made
	}
	r.input = func(ctx context.Context) (plan.Input, error) {
		paths := pki.RequestFiles(loaded.Cluster, loaded.Node, cluster.KubernetesDir)
		f, err := facts.Gather(ctx, host.AsReader(r.world.Machine), loaded.Cluster, paths, false)
		if err != nil {
			return plan.Input{}, err
		}
		made, err := pki.Requests(f.PKI, loaded.Cluster, loaded.Node, cluster.KubernetesDir)
		for i, file := range made {
			if data, exists := f.PKI[file.Path]; exists && path.Ext(file.Path) == ".key" && !data.Equal(file.Content) {
				t.Errorf("the key %s is made anew", file.Path)
			}
			made[i].Content = theRequests[i].Content
		}
		return plan.Input{Cluster: loaded.Cluster, Node: loaded.Node, Certs: plan.Certs{Files: made},
			Facts: cluster.Facts{Now: now, Hosts: map[string]cluster.HostFacts{"cp1": f}}}, err
	}
	return r
}

var theRequests []pki.NamedFile
