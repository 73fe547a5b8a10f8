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
	s.downloads(key, 8)
	p.add("kubeadm join phase control-plane-prepare download-certs with a bootstrap token had all 8 files of clusteradm's upload, byte for byte")

	s.phase("/root/init.yaml", key, "nothing to change")
	theirs := s.kubeadm("/root/init.yaml")
	s.phase("/root/init.yaml", key, "under another certificate key")
	s.phase("/root/init.yaml", theirs, "nothing to change")
	p.add("of kubeadm init phase upload-certs, clusteradm decrypts each entry with kubeadm's key, finds the same content, and has nothing to change")
	s.downloads(lastLine(s.clusteradm("init", "phase", "upload-certs", "--config", "/root/init.yaml", "--upload-certs")), 8)
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
	s.downloads(s.keyOf(s.clusteradm("token", "create", "--print-join-command", "--control-plane")), 8)
	p.add("clusteradm token create --print-join-command --control-plane shared them again, and kubeadm downloaded them")
	s.external()
	p.add("without ca.key kubeadm downloads the other 7 files that clusteradm shared; without etcd/ca.key, and of an external etcd, clusteradm has nothing to change in what kubeadm shared")
}

// external has others keep the keys of authorities, and then run etcd too.
func (s *sharing) external() {
	t, ctx, n := s.t, s.t.Context(), s.c.ControlPlane()
	without := func(key string, then func()) {
		do(t)(clusters.Must(ctx, n, "mv", "/etc/kubernetes/pki/"+key, "/root/elsewhere.key"))
		then()
		do(t)(clusters.Must(ctx, n, "mv", "/root/elsewhere.key", "/etc/kubernetes/pki/"+key))
	}
	without("ca.key", func() { // kubeadm uploads nothing then, and downloads what there is
		s.downloads(lastLine(s.clusteradm("init", "phase", "upload-certs", "--config", "/root/init.yaml", "--upload-certs")), 7)
	})
	without("etcd/ca.key", func() {
		s.phase("/root/init.yaml", s.kubeadm("/root/init.yaml"), "nothing to change")
	})

	do(t)(clusters.Must(ctx, n, "sh", "-c", "mkdir /root/etcd && cd /etc/kubernetes/pki && cp etcd/ca.crt apiserver-etcd-client.crt apiserver-etcd-client.key /root/etcd"))
	text := do(t)(clusters.Must(ctx, n, "cat", "/root/init.yaml"))
	local := regexp.MustCompile(`(?m)^etcd:\n(  .*\n)+`)
	if !local.MatchString(text) {
		t.Fatalf("no etcd in\n%s", text)
	}
	text = local.ReplaceAllString(text, "etcd:\n  external:\n    endpoints: [https://192.0.2.1:2379]\n    caFile: /root/etcd/ca.crt\n"+
		"    certFile: /root/etcd/apiserver-etcd-client.crt\n    keyFile: /root/etcd/apiserver-etcd-client.key\n")
	must(t, n.WriteFile(ctx, "/root/external.yaml", []byte(text), 0o600))
	s.phase("/root/external.yaml", s.kubeadm("/root/external.yaml"), "nothing to change")
}

func lastLine(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
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

// kubeadm shares what is on cp1 and returns the key.
func (s *sharing) kubeadm(config string) string {
	s.t.Helper()
	return lastLine(do(s.t)(clusters.Must(s.t.Context(), s.c.ControlPlane(), "kubeadm", "init", "phase", "upload-certs", "--upload-certs", "--config", config)))
}

// phase asks what clusteradm would do with what is shared, given a key.
func (s *sharing) phase(config, key, want string) {
	s.t.Helper()
	out := s.clusteradm("init", "phase", "upload-certs", "--config", config, "--upload-certs", "--certificate-key", key, "--dry-run")
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
func (s *sharing) downloads(key string, files int) {
	s.t.Helper()
	ctx, n := s.t.Context(), s.c.Lab.Node("cp2")
	text, err := nodes.Kubeadm{Versions: s.c.Versions, Node: "cp2", Address: n.Address(), Endpoint: s.endpoint,
		CACertHashes: []string{s.pin}, CertificateKey: key}.JoinConfig()
	must(s.t, err)
	must(s.t, n.WriteFile(ctx, "/root/join.yaml", []byte(text), 0o600))
	do(s.t)(clusters.Must(ctx, n, "rm", "-rf", "/etc/kubernetes/pki"))
	do(s.t)(clusters.Must(ctx, n, "kubeadm", "join", "phase", "control-plane-prepare", "download-certs", "--config", "/root/join.yaml"))
	got := do(s.t)(clusters.Must(ctx, n, "sh", "-c", "cd /etc/kubernetes/pki && find . -type f | sort | xargs sha256sum"))
	if strings.Count(got, "\n") != files {
		s.t.Errorf("want %d files:\n%s", files, got)
	}
	r, err := s.c.ControlPlane().Run(ctx, strings.NewReader(got), "sh", "-c", "cd /etc/kubernetes/pki && sha256sum -c --quiet")
	if err == nil && r.Exit != 0 {
		err = fmt.Errorf("cp2 has other files than cp1:\n%s%s", r.Stdout, r.Stderr)
	}
	must(s.t, err)
}
