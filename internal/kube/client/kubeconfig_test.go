package client_test

import (
	"encoding/pem"
	"os/exec"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/kube/client"
)

const kubeconfigText = `apiVersion: v1
kind: Config
current-context: b
clusters:
- {name: one, cluster: {server: "https://one:6443"}}
- name: two
  cluster: {server: "https://two:6443", tls-server-name: api, certificate-authority-data: Q0E=, certificate-authority: /ignored}
contexts:
- {name: a, context: {cluster: one, user: u}}
- {name: b, context: {cluster: two, user: v}}
users:
- {name: u, user: {token: wrong}}
- name: v
  user: {client-certificate-data: Q0VSVA==, client-key: /keys/client.key, token: abcdef.0123456789abcdef}
`

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestFromKubeconfig(t *testing.T) {
	got, err := client.FromKubeconfig([]byte(kubeconfigText))
	if err != nil {
		t.Fatal(err)
	}
	if got.Server != "https://two:6443" || got.ServerName != "api" || string(got.CA) != "CA" || string(got.Cert) != "CERT" ||
		got.Token.Reveal() != canary || got.Files != (client.Files{Key: "/keys/client.key"}) {
		t.Errorf("FromKubeconfig = %+v", got)
	}
}

func TestFromKubeconfigRefuses(t *testing.T) {
	edit := func(old, replacement string) string { return strings.Replace(kubeconfigText, old, replacement, 1) }
	for name, text := range map[string]string{
		"no document":     "\t" + canary,
		"no context":      edit("current-context: b", "current-context: c"),
		"no cluster":      edit("cluster: two, user: v", "cluster: three, user: v"),
		"no user":         edit("cluster: two, user: v", "cluster: two, user: w"),
		"insecure":        edit("tls-server-name: api", "insecure-skip-tls-verify: true"),
		"a program":       edit("client-key: /keys/client.key", "exec: {command: sh}"),
		"basic auth":      edit("client-key: /keys/client.key", "username: x"),
		"broken data":     edit("Q0E=", canary),
		"broken document": kubeconfigText + "  " + canary,
	} {
		_, err := client.FromKubeconfig([]byte(text))
		if err == nil || strings.Contains(err.Error(), canary) || !strings.HasPrefix(err.Error(), "read kubeconfig: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Start-up cost: the typed clientset and its scheme register every API type.
func TestTypedClientsetIsNotLinked(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "k8s.io/client-go/kubernetes") || strings.HasPrefix(line, "k8s.io/api/") {
			t.Errorf("links %s", strings.TrimSpace(line))
		}
	}
}
