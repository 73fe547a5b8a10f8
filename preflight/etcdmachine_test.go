package preflight_test

import (
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/preflight"
)

func TestEtcdMachine(t *testing.T) {
	const manifest = cluster.ManifestsDir + "/etcd.yaml"
	file := func(paths ...string) func(*preflight.Subject) {
		return func(s *preflight.Subject) {
			for _, p := range paths {
				s.Facts.Files[p] = cluster.FileFact{Size: 1}
			}
		}
	}
	ours := func(flags ...string) func(*preflight.Subject) {
		return func(s *preflight.Subject) {
			file(manifest, "/var/lib/etcd", cluster.EtcdKubeletDropIn)(s)
			s.Ours = true
			s.Facts.Listeners = []cluster.Listener{{Port: 2379, Process: "etcd"}, {Port: 2380, Process: "etcd"}, {Port: 2381, Process: "etcd"}}
			s.Facts.Manifests = map[string][]byte{manifest: []byte("    - --" + strings.Join(flags, "\n    - --") + "\n")}
		}
	}
	for name, c := range map[string]struct {
		change      func(*preflight.Subject)
		joins       bool
		check, says string
	}{
		"bare":                 {change: func(*preflight.Subject) {}},
		"no forwarding":        {change: func(s *preflight.Subject) { s.Facts.Sysctl = nil; s.Facts.Modules["br_netfilter"] = false }},
		"a kubelet elsewhere":  {change: func(s *preflight.Subject) { s.Facts.Listeners = []cluster.Listener{{Port: 10250, Process: "x"}} }},
		"a small machine":      {change: func(s *preflight.Subject) { s.Facts.CPUs, s.Facts.MemoryBytes = 1, 1<<30 }},
		"the metrics' port":    {func(s *preflight.Subject) { s.Facts.Listeners = []cluster.Listener{{Port: 2381, Process: "x", PID: 7}} }, false, "Port-2381", "x (pid 7)"},
		"data of others":       {file("/var/lib/etcd"), false, "DirAvailable--var-lib-etcd", "not empty"},
		"an etcd of others":    {file(manifest), false, "FileAvailable--etc-kubernetes-manifests-etcd.yaml", "another"},
		"a node":               {file(cluster.KubeletConf), false, "FileAvailable--etc-kubernetes-kubelet.conf", "is a node of a cluster"},
		"a node and ours":      {func(s *preflight.Subject) { s.Ours = true; file(cluster.KubeletConf)(s) }, false, "FileAvailable--etc-kubernetes-kubelet.conf", "is a node of a cluster"},
		"a control plane":      {file(cluster.ManifestsDir + "/kube-apiserver.yaml"), false, "FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml", "is a node"},
		"no kubelet":           {func(s *preflight.Subject) { s.Facts.KubeletVersion = "" }, false, "KubeletVersion", "no kubelet"},
		"a newer kubelet":      {change: func(s *preflight.Subject) { s.Facts.KubeletVersion = "v1.37.0" }},
		"no runtime":           {func(s *preflight.Subject) { s.Facts.Runtime.Answers = false }, false, "CRI", ""},
		"a slow disk":          {func(s *preflight.Subject) { s.Facts.Machine.FsyncMs = []float64{50} }, false, "FsyncLatency", "50.0 ms"},
		"again":                {change: ours("data-dir=/var/lib/etcd", "initial-cluster=cp1=https://192.0.2.10:2380")},
		"other data":           {ours("data-dir=/srv/etcd", "initial-cluster=cp1=https://192.0.2.10:2380"), false, "ClusterSettings", `"/srv/etcd"`},
		"init of one that has": {ours("data-dir=/var/lib/etcd", "initial-cluster=cp1=https://192.0.2.10:2380,e2=https://192.0.2.2:2380"), false, "ClusterSettings", "joined others"},
		"join again":           {change: ours("data-dir=/var/lib/etcd", "initial-cluster=cp1=https://192.0.2.10:2380,e2=https://192.0.2.2:2380"), joins: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := good()
			c.change(&s)
			findings, _ := preflight.Run(preflight.EtcdMachine(s.Cluster, !c.joins), s, nil)
			switch {
			case c.check == "" && len(findings) > 0:
				t.Errorf("it finds %+v", findings)
			case c.check != "" && (len(findings) != 1 || findings[0].Check != c.check || !strings.Contains(findings[0].Message, c.says)):
				t.Errorf("it finds %+v, want %s: %s", findings, c.check, c.says)
			}
		})
	}
}

// The kubelet of an etcd machine has no kubeconfig: as a node it would never
// ask an API server, and a join would wait for it in vain.
func TestAnEtcdMachineIsNoNode(t *testing.T) {
	s := good()
	s.Ours = true
	s.Facts.Files[cluster.EtcdKubeletDropIn] = cluster.FileFact{Size: 1}
	for _, checks := range [][]preflight.Check{initChecks(s), joinChecks(s)} {
		if findings, err := preflight.Run(checks, s, nil); err == nil || !strings.Contains(findings[0].Message, "runs etcd for others") {
			t.Errorf("%v", findings)
		}
	}
}
