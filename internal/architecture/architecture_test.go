// Package architecture_test holds the rules of the project's structure that a
// compiler does not know. Each rule has its reason.
package architecture_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/clusteradm/clusteradm/"

type pkg struct {
	ImportPath string
	Doc        string
	GoFiles    []string
	Name       string
	Imports    []string
	Deps       []string
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Doc,Name,GoFiles,Imports,Deps"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	return pkgs
}

// pure packages decide; what they import cannot do.
func TestPhasesCannotDo(t *testing.T) {
	forbidden := []string{"os", "os/exec", "net/http", "github.com/spf13/cobra", "k8s.io/client-go", "golang.org/x/crypto/ssh", "go.etcd.io"}
	for _, p := range list(t, "../../phases/...", "../../preflight/...", "../../manifests/...", "../../addons/...", "../../internal/plan", "../../internal/cluster/...", "../../internal/patch", "../../internal/procfs", "../../internal/diagnosis", "../../internal/lease") {
		for _, i := range p.Imports {
			for _, f := range forbidden {
				if i == f || strings.HasPrefix(i, f+"/") && f != "os" {
					t.Errorf("%s imports %s: deciding and doing are apart", p.ImportPath, i)
				}
			}
		}
	}
}

// What decides must not even reach, through another package, what acts; and
// what is an interface for the rest is wired to the real thing by commands.
func TestOnlyCommandsWire(t *testing.T) {
	doers := []string{"internal/host/local", "internal/kube/client", "internal/cri/client", "internal/etcd/client",
		"internal/engine", "internal/world", "internal/facts", "internal/discovery"}
	for _, p := range list(t, "../../...") {
		name := strings.TrimPrefix(p.ImportPath, module)
		if slices.Contains(doers, name) || strings.HasPrefix(name, "internal/cli") || strings.HasPrefix(name, "cmd/") ||
			strings.HasPrefix(name, "e2e/") || name == "internal/reference" {
			continue
		}
		for _, doer := range doers {
			if slices.Contains(p.Deps, module+doer) {
				t.Errorf("%s depends on %s; internal/cli wires it to those who see its interface", name, doer)
			}
		}
	}
}

// Fakes answer what a test put into them; nobody must get such an answer.
func TestNoFakesInTheBinary(t *testing.T) {
	fakes := []string{"internal/host/hosttest", "internal/kube/kubetest", "internal/cri/critest", "internal/cri/criserver", "internal/etcd/etcdtest", "internal/plan/plantest"}
	for _, p := range list(t, "../../cmd/clusteradm") {
		for _, d := range p.Deps {
			if slices.Contains(fakes, strings.TrimPrefix(d, module)) || d == "testing" {
				t.Errorf("clusteradm depends on %s, which is for tests", d)
			}
		}
	}
}

func TestOneImporter(t *testing.T) {
	rules := []struct{ prefix, owner, why string }{
		{"k8s.io/client-go", "internal/kube/client", "everything else speaks in apimachinery's types"},
		{"k8s.io/cri-api", "internal/cri", "everything else speaks in internal/cri's values"},
		{"go.etcd.io/etcd", "internal/etcd/client", "its generated calls cost every command 2.5 ms; the client writes out what it needs"},
		{"github.com/cloudflare/cfssl", "pki", "its logger is global and its weight is ours to watch"},
	}
	for _, p := range list(t, "../../...") {
		for _, rule := range rules {
			if strings.HasPrefix(p.ImportPath+"/", module+rule.owner+"/") || strings.HasPrefix(p.ImportPath, module+"e2e/") {
				continue
			}
			for _, i := range p.Imports {
				if strings.HasPrefix(i, rule.prefix+"/") {
					t.Errorf("%s imports %s; only %s may: %s", p.ImportPath, i, rule.owner, rule.why)
				}
			}
		}
	}
}

// Rendering must not learn where it will be used.
func TestRenderersImportOnlyTheModel(t *testing.T) {
	allowed := []string{module + "internal/cluster", module + "internal/secret"}
	for _, p := range list(t, "../../pki", "../../manifests", "../../addons") {
		for _, i := range p.Imports {
			if strings.HasPrefix(i, module) && !slices.Contains(allowed, i) {
				t.Errorf("%s imports %s; it may import %v", p.ImportPath, i, allowed)
			}
		}
	}
}

// Each of these costs start-up time on every command.
func TestStartUpStaysLight(t *testing.T) {
	heavy := map[string]string{
		"k8s.io/client-go/kubernetes":            "the typed clientset registers every API group at start",
		"k8s.io/kubectl":                         "brings cli-runtime and its dependencies",
		"go.etcd.io/etcd":                        "registers all of its messages at start",
		"sigs.k8s.io/controller-runtime":         "is for controllers",
		"github.com/google/go-containerregistry": "is for the lab only",
	}
	for _, p := range list(t, "../../cmd/clusteradm") {
		for _, d := range p.Deps {
			for prefix, why := range heavy {
				if d == prefix || strings.HasPrefix(d, prefix+"/") && !strings.HasPrefix(d, "k8s.io/client-go/kubernetes/scheme") {
					t.Errorf("clusteradm depends on %s, which %s", d, why)
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range list(t, "../../...") {
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		for _, vague := range []string{"util", "utils", "common", "helpers", "types", "misc"} {
			if p.Name == vague {
				t.Errorf("%s: the name %s says nothing", p.ImportPath, vague)
			}
		}
	}
}
