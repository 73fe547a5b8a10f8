package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cli"
	"github.com/clusteradm/clusteradm/internal/cli/session"
)

const committed = "../../docs/reference"

// The reference that is committed is that of the commands that there are.
func TestReferenceIsUpToDate(t *testing.T) {
	want := markdown(cli.New(&session.Session{}))
	found, err := filepath.Glob(filepath.Join(committed, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		if _, ok := want[filepath.Base(path)]; !ok {
			t.Errorf("%s is of no command: run make docs", path)
		}
	}
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(committed, name))
		if err != nil || string(got) != content {
			t.Errorf("docs/reference/%s is stale: run make docs", name)
		}
	}
}

func TestMarkdown(t *testing.T) {
	files := markdown(cli.New(&session.Session{}))
	for file, texts := range map[string][]string{
		"README.md":     {"| [clusteradm join](join.md) | Make this machine a worker or a further control plane of a cluster |", "`-o, --output string` | output format: text or json (default text)"},
		"join.md":       {"# clusteradm join\n", "| `--discovery-token-ca-cert-hash strings` | pin", "sha256:&lt;hex> |", "### clusteradm join phase kubelet-start\n", "Flags: those of `clusteradm join`.", "```\nclusteradm token create --print-join-command\n```\n"},
		"exit-codes.md": {"# clusteradm exit-codes\n\n```\n0    done"},
	} {
		for _, text := range texts {
			if !strings.Contains(files[file], text) {
				t.Errorf("%s lacks %q:\n%s", file, text, files[file])
			}
		}
	}
	for name, content := range files {
		if strings.Count(content, "```")%2 != 0 || strings.Contains(content, "check-etcd") {
			t.Errorf("%s is not well-formed, or shows what is hidden", name)
		}
	}
}

func TestManual(t *testing.T) {
	pages := manual(cli.New(&session.Session{}))
	for file, texts := range map[string][]string{
		"clusteradm-join.8":                {".TH \"CLUSTERADM-JOIN\" 8 ", ".B clusteradm join [api\\-server\\-endpoint] [flags]", ".B \\-\\-token string\n", ".B \\-o, \\-\\-output string\n", ".nf\n  clusteradm token create"},
		"clusteradm-exit-codes.7":          {".SH DESCRIPTION\n"},
		"clusteradm-init-phase.8":          {".BR clusteradm\\-init (8),\n", ".BR clusteradm\\-init\\-phase\\-certs (8)"},
		"clusteradm-token-list.8":          {".B \\-\\-kubeconfig string\n"},
		"clusteradm.8":                     {".BR clusteradm\\-token (8)"},
		"clusteradm-completion.8":          {"bash"},
		"clusteradm-join-phase.8":          {"  kubelet\\-wait\\-bootstrap\n"},
		"clusteradm-init-phase-certs-ca.8": {".SH EXAMPLES\n.nf\nclusteradm init phase certs ca\n.fi\n"},
	} {
		for _, text := range texts {
			if !strings.Contains(pages[file], text) {
				t.Errorf("%s lacks %q:\n%s", file, text, pages[file])
			}
		}
	}
	for name, page := range pages {
		if strings.Count(page, "\n.nf\n") != strings.Count(page, "\n.fi\n") {
			t.Errorf("%s leaves lines unfilled", name)
		}
	}
}

func TestRoff(t *testing.T) {
	if got, want := roff("a-b\\c\n.d\n'e"), "a\\-b\\ec\n\\&.d\n\\&'e"; got != want {
		t.Errorf("roff gave %q, want %q", got, want)
	}
}
