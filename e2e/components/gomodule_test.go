package components

import (
	"slices"
	"strings"
	"testing"
)

func TestDeriveModuleKubernetes(t *testing.T) {
	const gomod = `// generated
module k8s.io/kubernetes

go 1.26.0

godebug default=go1.26

require (
	k8s.io/api v0.0.0 // indirect
)

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/kubelet => ./staging/src/k8s.io/kubelet // a comment
	example.com/old => example.com/new v1.2.3
)
`
	m, err := deriveModule("k8s.io/kubernetes", "v1.36.3", []byte(gomod), []string{"k8s.io/kubernetes/cmd/kubelet"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"example.com/old => example.com/new v1.2.3",
		"k8s.io/api => k8s.io/api v0.36.3",
		"k8s.io/kubelet => k8s.io/kubelet v0.36.3",
	}
	if !slices.Equal(m.Replaces, want) {
		t.Errorf("replaces: got %q, want %q", m.Replaces, want)
	}
	for _, line := range []string{"go 1.26.0", "godebug default=go1.26", "require k8s.io/kubernetes v1.36.3", "replace k8s.io/api => k8s.io/api v0.36.3"} {
		if !slices.Contains(strings.Split(m.gomod(), "\n"), line) {
			t.Errorf("go.mod lacks %q:\n%s", line, m.gomod())
		}
	}
	if !strings.Contains(m.imports(), `_ "k8s.io/kubernetes/cmd/kubelet"`) {
		t.Errorf("imports: %s", m.imports())
	}
}

func TestDeriveModuleSiblingDirectories(t *testing.T) {
	const gomod = `module go.etcd.io/etcd/server/v3
go 1.25.0
replace go.etcd.io/etcd/api/v3 => ../api
replace go.etcd.io/etcd => ./FORBIDDEN_DEPENDENCY
`
	m, err := deriveModule("go.etcd.io/etcd/server/v3", "v3.6.16", []byte(gomod), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Replaces) != 0 {
		t.Errorf("replaces that point into the repository were kept: %q", m.Replaces)
	}
}

func TestDeriveModuleRefusesWhatItDoesNotKnow(t *testing.T) {
	for version, gomod := range map[string]string{
		"v1.2.3": "replace a b c\n",
		"v2.0.0": "replace k8s.io/api => ./staging/src/k8s.io/api\n",
	} {
		if _, err := deriveModule("x", version, []byte(gomod), nil); err == nil {
			t.Errorf("%s %q was accepted", version, gomod)
		}
	}
}

func TestDropImports(t *testing.T) {
	const source = "import (\n\t_ \"a/b\"\n\t_ \"a/bc\"\n\t\"a/b\"\n)\n"
	if got, want := dropImports(source, []string{"a/b"}), "import (\n\t_ \"a/bc\"\n\t\"a/b\"\n)\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
