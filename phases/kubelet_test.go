package phases_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

// planned is init's plan for facts that change changes.
func planned(t *testing.T, change func(*plan.Input)) (*plan.Plan, plan.Input) {
	t.Helper()
	loaded := load(t)
	bundle, err := pki.Ensure(nil, pki.Tree(loaded.Cluster, loaded.Node), pki.KubeconfigSpecs(loaded.Cluster, loaded.Node), now)
	if err != nil {
		t.Fatal(err)
	}
	in := plan.Input{Cluster: loaded.Cluster, Node: loaded.Node, PKI: bundle, Facts: cluster.Facts{Now: now,
		Hosts: map[string]cluster.HostFacts{"cp1": {Hostname: "cp1", PKI: map[string]secret.Bytes{}}}}}
	if change != nil {
		change(&in)
	}
	p, err := plan.Build("init", phases.Init(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p, in
}

func steps(p *plan.Plan, phase string) map[string]plan.PlannedStep {
	found := map[string]plan.PlannedStep{}
	for _, g := range p.Groups {
		for _, s := range g.Steps {
			if strings.HasPrefix(s.Phase, phase) {
				found[s.Name] = s
			}
		}
	}
	return found
}

func content(t *testing.T, s plan.PlannedStep) []byte {
	t.Helper()
	f, ok := s.Effect.(effect.File)
	if !ok {
		t.Fatalf("%s is no file", s.ID)
	}
	return f.Content.Reveal()
}

// kubelet.conf always ends as one that refers to the rotating certificate.
func TestKubeletConfRefersToTheRotatingCertificate(t *testing.T) {
	p, in := planned(t, nil)
	made := steps(p, "kubeconfig/kubelet")
	conf, err := pki.DecodeKubeconfig(secret.NewBytes(content(t, made["kubelet.conf"])))
	if err != nil || conf.CertFile != cluster.KubeletClientPEM || len(conf.Cert) > 0 {
		t.Errorf("kubelet.conf refers to %q and embeds %d bytes, %v", conf.CertFile, len(conf.Cert), err)
	}
	embedded, err := pki.DecodeKubeconfig(in.PKI.Kubeconfigs[cluster.KubeletConf])
	if err != nil {
		t.Fatal(err)
	}
	pem := content(t, made["kubelet-client"])
	if !bytes.HasPrefix(pem, embedded.Cert) || !bytes.HasSuffix(pem, embedded.Key.Reveal()) {
		t.Error("the kubelet's first certificate is not the one that was made")
	}

	usable := secret.NewBytes(pem)
	p, _ = planned(t, func(in *plan.Input) {
		// The kubelet has rotated; the embedded kubelet.conf is kubeadm's.
		in.Facts.Hosts["cp1"].PKI[cluster.KubeletClientPEM] = issued(t, in)
	})
	if again := steps(p, "kubeconfig/kubelet"); again["kubelet-client"].Effect != nil {
		t.Error("a certificate that serves is replaced")
	}
	p, _ = planned(t, func(in *plan.Input) {
		in.Facts.Hosts["cp1"].PKI[cluster.KubeletClientPEM] = usable // of another CA
	})
	if again := steps(p, "kubeconfig/kubelet"); again["kubelet-client"].Effect == nil {
		t.Error("the certificate of another cluster is kept")
	}
}

func issued(t *testing.T, in *plan.Input) secret.Bytes {
	t.Helper()
	for _, k := range pki.KubeconfigSpecs(in.Cluster, in.Node) {
		if k.Path == cluster.KubeletConf {
			pair, err := pki.Issue(k.Client, in.PKI.Pairs["ca"], now)
			if err != nil {
				t.Fatal(err)
			}
			return secret.NewBytes(append(slices.Clone(pair.Cert), pair.Key.Reveal()...))
		}
	}
	t.Fatal("there is no kubeconfig of the kubelet")
	return secret.Bytes{}
}

// A packaged kubelet starts by itself once config.yaml is there.
func TestTheWayBackEndsBeforeTheKubeletCanStart(t *testing.T) {
	p, _ := planned(t, nil)
	ended := false
	for _, g := range p.Groups {
		for _, s := range g.Steps {
			if f, ok := s.Effect.(effect.File); ok && f.Path == cluster.KubeletConfig {
				ended = true
			}
			if _, waits := s.Effect.(effect.Await); !waits && ended != (s.NoUndo != "") {
				t.Errorf("%s: NoUndo %q, after config.yaml: %t", s.ID, s.NoUndo, ended)
			}
		}
	}
	if !ended {
		t.Error("there is no config.yaml")
	}
}

// What a diff would show of a manifest can hold credentials.
func TestManifestsAreNotShown(t *testing.T) {
	p, _ := planned(t, nil)
	for name, s := range steps(p, "control-plane") {
		if f, ok := s.Effect.(effect.File); ok && f.Shown {
			t.Errorf("the manifest %s is shown", name)
		}
	}
}

func TestClusterInfoIsOfAdminConf(t *testing.T) {
	loaded := load(t)
	bundle := &pki.Bundle{Kubeconfigs: map[string]secret.Bytes{cluster.AdminConf: pki.EncodeTokenKubeconfig("https://lb.example:6443", nil, secret.NewString("x"))}}
	in := plan.Input{Cluster: loaded.Cluster, Node: loaded.Node, PKI: bundle, Facts: cluster.Facts{Hosts: map[string]cluster.HostFacts{}}}
	for _, phase := range phases.Init() {
		if phase.Name != "bootstrap-token" {
			continue
		}
		if _, err := phase.Plan(in); err == nil || !strings.Contains(err.Error(), "no certificate authority") {
			t.Errorf("an empty authority would be published: %v", err)
		}
	}
}

// A Node that the kubelet has to create itself is left to it.
func TestNodesThatRegisterThemselves(t *testing.T) {
	for name, change := range map[string]func(*plan.Input){
		"cloud-provider": func(in *plan.Input) { in.Node.KubeletArgs = []cluster.Arg{{Name: "cloud-provider", Value: "external"}} },
		"provider-id":    func(in *plan.Input) { in.Node.KubeletArgs = []cluster.Arg{{Name: "provider-id", Value: "x"}} },
		"registerWithTaints": func(in *plan.Input) {
			c := *in.Cluster
			c.Kubelet.YAML = append(slices.Clone(c.Kubelet.YAML), "registerWithTaints: [{key: a, effect: NoSchedule}]\n"...)
			in.Cluster = &c
		},
	} {
		p, _ := planned(t, change)
		node := steps(p, "mark-control-plane")["node"]
		if !node.Effect.(effect.NodeState).Wait || len(node.Needs) != 1 {
			t.Errorf("%s: init would create the Node", name)
		}
	}
	p, _ := planned(t, nil)
	if node := steps(p, "mark-control-plane")["node"]; node.Effect.(effect.NodeState).Wait || len(node.Needs) != 0 {
		t.Error("by default init waits for the kubelet")
	}
}

func TestComponentsAreAskedWhereTheyListen(t *testing.T) {
	p, _ := planned(t, func(in *plan.Input) {
		c := *in.Cluster
		c.Controller.ExtraArgs = []cluster.Arg{{Name: "bind-address", Value: "192.0.2.10"}}
		c.Scheduler.ExtraArgs = []cluster.Arg{{Name: "bind-address", Value: "0.0.0.0"}, {Name: "secure-port", Value: "11111"}}
		in.Cluster = &c
	})
	var names []string
	for _, c := range steps(p, "wait-components")["components"].Until {
		names = append(names, c.Name)
	}
	if all := strings.Join(names, "\n"); !strings.Contains(all, "https://192.0.2.10:10257/healthz") || !strings.Contains(all, "https://127.0.0.1:11111/livez") {
		t.Errorf("asked: %s", all)
	}
}
