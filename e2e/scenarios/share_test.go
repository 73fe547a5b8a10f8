//go:build e2e

package scenarios

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// Sharing certificates, judged by the real kubeadm: it decrypts what clusteradm
// encrypted, and clusteradm what kubeadm did; and when they are gone, one
// command shares them again.
func TestShare(t *testing.T) {
	budget(t, 5*time.Minute)
	ctx, p := t.Context(), newProof(t, "share")
	if p == nil {
		return
	}
	c := up(t, "share", "cp1", "cp2")
	s := &sharing{t: t, c: c, endpoint: c.ControlPlane().Address() + ":6443"}
	must(t, c.WriteInitConfig(ctx, c.ControlPlane(), "/root/init.yaml", false, "controlPlaneEndpoint: "+s.endpoint+"\n"))
	out := s.clusteradm("init", "--config", "/root/init.yaml", "--upload-certs")
	key := s.keyOf(out)
	s.pin = do(t)(c.Pin(ctx))
	s.downloads(key)
	p.add("kubeadm join phase control-plane-prepare download-certs with a bootstrap token had all 8 files of clusteradm's upload, byte for byte")

	if out := s.clusteradm("init", "phase", "upload-certs", "--config", "/root/init.yaml", "--upload-certs", "--certificate-key", key, "--dry-run"); !strings.Contains(out, "nothing to change") {
		t.Errorf("its own upload is to be changed:\n%s", out)
	}
	text, err := nodes.Kubeadm{Versions: c.Versions, Node: "cp1", Address: c.ControlPlane().Address(), Endpoint: s.endpoint}.InitConfig()
	must(t, err)
	must(t, c.ControlPlane().WriteFile(ctx, "/root/kubeadm.yaml", []byte(text), 0o600))
	out = do(t)(clusters.Must(ctx, c.ControlPlane(), "kubeadm", "init", "phase", "upload-certs", "--upload-certs", "--config", "/root/kubeadm.yaml"))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	theirs := lines[len(lines)-1]
	s.phase(key, "does not decrypt it")
	s.phase(theirs, "nothing to change")
	p.add("of kubeadm init phase upload-certs, clusteradm decrypts each entry with kubeadm's key, finds the same content, and has nothing to change")
	out = s.clusteradm("init", "phase", "upload-certs", "--config", "/root/init.yaml", "--upload-certs")
	lines = strings.Split(strings.TrimSpace(out), "\n")
	s.downloads(lines[len(lines)-1])
	p.add("clusteradm init phase upload-certs takes kubeadm's Secret over; its last line is the key, as kubeadm's is")

	// What expires is deleted with its token by the cluster's own controllers.
	owner := s.kubectl("get", "secret", "kubeadm-certs", "-o", "jsonpath={.metadata.ownerReferences[*].name}")
	s.clusteradm("token", "delete", strings.TrimPrefix(owner, "bootstrap-token-"))
	must(t, clusters.Eventually(ctx, time.Minute, "the shared certificates to go with their token", func() error {
		if out := s.kubectl("get", "secret", "kubeadm-certs", "--ignore-not-found"); out != "" {
			return errors.New(out)
		}
		return nil
	}))
	p.add("without its token the Secret is gone: the garbage collector took it")
	s.downloads(s.keyOf(s.clusteradm("token", "create", "--print-join-command", "--control-plane")))
	p.add("clusteradm token create --print-join-command --control-plane shared them again, and kubeadm downloaded them")
}

// sharing is a cluster and the machine that asks for its certificates.
type sharing struct {
	t             *testing.T
	c             *clusters.Cluster
	endpoint, pin string
}

func (s *sharing) clusteradm(args ...string) string {
	s.t.Helper()
	return do(s.t)(clusters.Must(s.t.Context(), s.c.ControlPlane(), append([]string{clusters.Binary}, args...)...))
}

func (s *sharing) kubectl(args ...string) string {
	s.t.Helper()
	return do(s.t)(s.c.Kubectl(s.t.Context(), append([]string{"-n", "kube-system"}, args...)...))
}

// phase says what clusteradm would do with what is shared, given a key.
func (s *sharing) phase(key, want string) {
	s.t.Helper()
	out := s.clusteradm("init", "phase", "upload-certs", "--config", "/root/init.yaml", "--upload-certs", "--certificate-key", key, "--dry-run")
	if !strings.Contains(out, want) {
		s.t.Errorf("says\n%swant %q", out, want)
	}
}

func (s *sharing) keyOf(out string) string {
	s.t.Helper()
	found := regexp.MustCompile(`--control-plane --certificate-key ([0-9a-f]{64})\n`).FindStringSubmatch(out)
	if found == nil {
		s.t.Fatalf("no command for a control plane in\n%s", out)
	}
	return found[1]
}

// downloads has kubeadm fetch the certificates onto cp2, with a bootstrap token
// and the key alone.
func (s *sharing) downloads(key string) {
	s.t.Helper()
	ctx, n := s.t.Context(), s.c.Lab.Node("cp2")
	text, err := nodes.Kubeadm{Versions: s.c.Versions, Node: "cp2", Address: n.Address(), Endpoint: s.endpoint,
		CACertHashes: []string{s.pin}, CertificateKey: key}.JoinConfig()
	must(s.t, err)
	must(s.t, n.WriteFile(ctx, "/root/join.yaml", []byte(text), 0o600))
	do(s.t)(clusters.Must(ctx, n, "rm", "-rf", "/etc/kubernetes/pki"))
	do(s.t)(clusters.Must(ctx, n, "kubeadm", "join", "phase", "control-plane-prepare", "download-certs", "--config", "/root/join.yaml"))
	got := do(s.t)(clusters.Must(ctx, n, "sh", "-c", "cd /etc/kubernetes/pki && find . -type f | sort | xargs sha256sum"))
	if files := strings.Count(got, "\n"); files != 8 {
		s.t.Errorf("%d files:\n%s", files, got)
	}
	r, err := s.c.ControlPlane().Run(ctx, strings.NewReader(got), "sh", "-c", "cd /etc/kubernetes/pki && sha256sum -c --quiet")
	if err == nil && r.Exit != 0 {
		err = fmt.Errorf("cp2 has other files than cp1:\n%s%s", r.Stdout, r.Stderr)
	}
	must(s.t, err)
}
