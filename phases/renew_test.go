package phases_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

// renewPlan is the plan on the matrix's control plane, for some names.
func renewPlan(t *testing.T, change func(*plan.Input)) (*plan.Plan, *rig) {
	t.Helper()
	r := renewRig(t)
	in, err := r.input(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&in)
	}
	p, err := plan.Build("renew", phases.Renew(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p, r
}

func pods(p *plan.Plan) map[string]effect.StaticPod {
	found := map[string]effect.StaticPod{}
	for _, g := range p.Groups {
		for _, s := range g.Steps {
			if pod, ok := s.Effect.(effect.StaticPod); ok {
				found[pod.Name] = pod
			}
		}
	}
	return found
}

func only(names ...string) func(*plan.Input) {
	return func(in *plan.Input) {
		in.Certs.Names = names
		in.Certs.KubeletClient = in.Certs.KubeletConf
	}
}

// Every certificate that can be renewed has its user.
func TestWhatUsesACertificateIsRestarted(t *testing.T) {
	for name, want := range map[string]string{
		"admin.conf": "", "super-admin.conf": "", "etcd-healthcheck-client": "",
		"apiserver": "kube-apiserver", "apiserver-etcd-client": "kube-apiserver", "apiserver-kubelet-client": "kube-apiserver",
		"front-proxy-client": "kube-apiserver", "etcd-server": "etcd", "etcd-peer": "etcd",
		"controller-manager.conf": "kube-controller-manager", "scheduler.conf": "kube-scheduler",
	} {
		p, _ := renewPlan(t, only(name))
		found := pods(p)
		if len(found) > 1 || want != "" && found[want].Name != want || want == "" && len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
		kubelet := len(steps(p, "kubelet")) > 0
		if kubelet != (want != "") {
			t.Errorf("%s: the kubelet is looked at: %t", name, kubelet)
		}
		if once := strings.HasSuffix(name, ".conf") && want != ""; once != (len(found[want].Inputs) > 0) {
			t.Errorf("%s: read at the start: %v", name, found[want].Inputs)
		}
	}
	if names := pki.Renewable(&cluster.Cluster{}); len(names) != 11 {
		t.Errorf("%d names, and 11 are told above", len(names))
	}
}

func TestServedCertificatesAreLookedAtWhereTheyAre(t *testing.T) {
	p, _ := renewPlan(t, nil)
	found := pods(p)
	want := []effect.Serving{{Path: "/etc/kubernetes/pki/etcd/server.crt", Addr: "127.0.0.1:2379"}, {Path: "/etc/kubernetes/pki/etcd/peer.crt", Addr: "192.0.2.10:2380"}}
	if got := found["etcd"].Serving; !slices.Equal(got, want) {
		t.Errorf("etcd: %v", got)
	}
	if got := found["kube-apiserver"].Serving; len(got) != 1 || got[0].Addr != "192.0.2.10:6443" {
		t.Errorf("kube-apiserver: %v", got)
	}
	for _, name := range []string{"kube-controller-manager", "kube-scheduler"} {
		if got := found[name].Serving; len(got) > 0 {
			t.Errorf("%s serves a certificate of its own making: %v", name, got)
		}
	}
	for text, want := range map[string]string{
		"bind-address=192.0.2.7 advertise-address=192.0.2.8 secure-port=7443": "192.0.2.7:7443",
		"bind-address=0.0.0.0 advertise-address=fd00::1":                      "[fd00::1]:6443",
		"": "127.0.0.1:6443",
	} {
		flags := map[string]string{}
		for _, f := range strings.Fields(text) {
			name, value, _ := strings.Cut(f, "=")
			flags[name] = value
		}
		if got := phases.ServedCertificates("kube-apiserver", flags)[0].Addr; got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// The controller manager and the scheduler get a new process each, the API
// server and etcd keep theirs.
func TestOnlyWhatReadsOnceIsRestarted(t *testing.T) {
	r := renewRig(t)
	stopped := []string{}
	restart := r.world.Containers.Restarted
	r.world.Containers.Restarted = func(c cri.Container) { stopped = append(stopped, c.Name); restart(c) }
	if _, err := r.apply(t.Context(), "renew", phases.Renew()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(stopped, " "); got != "kube-controller-manager kube-scheduler" {
		t.Errorf("restarted: %s", got)
	}
}

// A process that was stopped just before the run died is started by the next.
func TestRenewStartsWhatDoesNotRun(t *testing.T) {
	r := renewRig(t)
	r.world.Containers.Restarted = func(cri.Container) { panic("died") }
	func() {
		defer func() { _ = recover() }()
		_, _ = r.apply(t.Context(), "renew", phases.Renew())
	}()
	m := r.world.Machine
	r.world.Containers.Restarted = func(cri.Container) { startPods(r, m) }
	if _, err := r.apply(t.Context(), "renew", phases.Renew()); err != nil {
		t.Fatal(err)
	}
	if result, err := r.apply(t.Context(), "renew", phases.Renew()); err != nil || result.Changed > 0 {
		t.Errorf("a further run changed %d, %v", result.Changed, err)
	}
}

// Mode and owner stay: a component may have been given its files.
func TestRenewedFilesKeepTheirOwner(t *testing.T) {
	p, _ := renewPlan(t, func(in *plan.Input) {
		f := in.Facts.Hosts["cp1"]
		f.Files["/etc/kubernetes/pki/etcd/server.key"] = cluster.FileFact{Mode: 0o640, UID: 7, GID: 8}
		delete(f.Files, "/etc/kubernetes/pki/etcd/server.crt")
	})
	files := steps(p, "files")
	if attr := files["etcd/server.key"].Effect.(effect.File).Attr; attr.Mode != 0o640 || attr.UID != 7 || attr.GID != 8 {
		t.Errorf("the key: %+v", attr)
	}
	if attr := files["etcd/server.crt"].Effect.(effect.File).Attr; attr.Mode != 0o644 || attr.UID != 0 {
		t.Errorf("a new file: %+v", attr)
	}
	for _, s := range files {
		if s.NoUndo != "" || s.Effect.(effect.File).Keep || s.Effect.(effect.File).Shown {
			t.Errorf("%s: %+v", s.ID, s.Step)
		}
	}
}

// The kubelet is restarted for a certificate that clusteradm put there, also
// by the run after the one that did; one that it rotated itself is its own.
func TestKubeletIsRestartedForWhatWasPutThere(t *testing.T) {
	r := renewRig(t)
	if _, err := r.apply(t.Context(), "renew", phases.Renew()); err != nil {
		t.Fatal(err)
	}
	inputs := func() []string {
		in, err := r.input(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan.Build("renew", phases.Renew(), in, nil)
		if err != nil {
			t.Fatal(err)
		}
		return steps(p, "kubelet")["unit"].Effect.(effect.Unit).Inputs
	}
	if got := inputs(); len(got) != 1 || got[0] != "/var/lib/kubelet/pki/kubelet-client-init.pem" {
		t.Errorf("after the renewal: %v", got)
	}
	rotate(t, r.world.Machine)
	if got := inputs(); len(got) != 0 {
		t.Errorf("after it rotated: %v", got)
	}
}

func rotate(t *testing.T, m *hosttest.Machine) {
	t.Helper()
	data, _ := m.Content("/var/lib/kubelet/pki/kubelet-client-init.pem")
	m.Put("/var/lib/kubelet/pki/kubelet-client-2027.pem", data, 0o600)
	if err := m.Link(t.Context(), cluster.KubeletClientPEM, "kubelet-client-2027.pem"); err != nil {
		t.Fatal(err)
	}
}
