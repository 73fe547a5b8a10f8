package facts_test

import (
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
)

func TestAttributes(t *testing.T) {
	m := hosttest.New("n1", hosttest.Options{})
	if err := m.Mkdir(t.Context(), "/conf", host.Attr{Mode: 0o750}); err != nil {
		t.Fatal(err)
	}
	if err := m.WriteFiles(t.Context(), []host.File{{Path: "/conf/a", Content: []byte("a"), Attr: host.Attr{Mode: 0o640, UID: 7, GID: 8}}}); err != nil {
		t.Fatal(err)
	}
	if err := m.Link(t.Context(), "/conf/link", "a"); err != nil {
		t.Fatal(err)
	}
	f := cluster.HostFacts{Files: map[string]cluster.FileFact{}}
	if err := facts.Attributes(t.Context(), host.AsReader(m), &f, []string{"/conf", "/conf/a", "/conf/link", "/conf/none"}); err != nil {
		t.Fatal(err)
	}
	if a := f.Files["/conf/a"]; a.Mode != 0o640 || a.UID != 7 || a.GID != 8 || a.Target != "" || a.Size != 1 || a.Dir {
		t.Errorf("the file: %+v", a)
	}
	if f.Files["/conf/link"].Target != "a" || !f.Files["/conf"].Dir || f.Exists("/conf/none") {
		t.Errorf("got %+v", f.Files)
	}
}

func TestRuntimeEndpoint(t *testing.T) {
	for path, content := range map[string]string{
		cluster.KubeletInstance: "containerRuntimeEndpoint: unix:///run/crio.sock\n",
		cluster.KubeletConfig:   "kind: KubeletConfiguration\ncontainerRuntimeEndpoint: unix:///run/crio.sock\n",
		cluster.KubeletFlagsEnv: "KUBELET_KUBEADM_ARGS=\"--x --container-runtime-endpoint=unix:///run/crio.sock --y\"\n",
	} {
		m := hosttest.New("n1", hosttest.Options{})
		if got := facts.RuntimeEndpoint(t.Context(), host.AsReader(m)); got != "" {
			t.Errorf("of nothing: %q", got)
		}
		m.Put(path, content, 0o644)
		if got := facts.RuntimeEndpoint(t.Context(), host.AsReader(m)); got != "unix:///run/crio.sock" {
			t.Errorf("%s: %q", path, got)
		}
	}
}
