//go:build e2e

package scenarios

import (
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
)

// A control plane that kubeadm made is renewed by clusteradm, and its
// administrator's own context is still there afterwards.
func TestCertificatesOfKubeadm(t *testing.T) {
	budget(t, 4*time.Minute)
	ctx, p := t.Context(), newProof(t, "certificates-kubeadm")
	if p == nil {
		return
	}
	c := up(t, "certsk", "cp1")
	cp := c.ControlPlane()
	must(t, c.WriteInitConfig(ctx, cp, "/root/init.yaml", false, ""))
	do(t)(clusters.Must(ctx, cp, "kubeadm", "init", "--config", "/root/init.yaml"))
	do(t)(clusters.Must(ctx, cp, "kubectl", "--kubeconfig", clusters.Kubeconfig, "config", "set-context", "mine", "--cluster=kubernetes", "--user=me"))
	before := do(t)(clusters.Must(ctx, cp, "openssl", "x509", "-noout", "-ext", "subjectAltName,extendedKeyUsage", "-subject", "-in", "/etc/kubernetes/pki/apiserver.crt"))

	asking := ask(t, cp)
	do(t)(clusters.Must(ctx, cp, clusters.Binary, "certs", "renew", "all"))
	asked, retried := asking.stop(t)
	p.add("clusteradm certs renew all on kubeadm's control plane: %d requests meanwhile, %d answered at the second try, none failed", asked, retried)
	for _, s := range expirations(t, cp).Served {
		if s.Error != "" || s.Stale {
			t.Errorf("%s at %s: %+v", s.By, s.Address, s)
		}
	}
	judged(t, cp)
	if after := do(t)(clusters.Must(ctx, cp, "openssl", "x509", "-noout", "-ext", "subjectAltName,extendedKeyUsage", "-subject", "-in", "/etc/kubernetes/pki/apiserver.crt")); after != before {
		t.Errorf("the API server's certificate says something else:\n%s\nand was\n%s", after, before)
	}
	if contexts := do(t)(c.Kubectl(ctx, "config", "get-contexts", "-o", "name")); !strings.Contains(contexts, "mine\n") {
		t.Errorf("a context is gone: %s", contexts)
	}
	p.add("names and usages are kubeadm's, kubeadm certs check-expiration finds nothing amiss, and a context that was added to admin.conf is still there")

	// What kubeadm renews is used by nobody yet; clusteradm sees to it.
	do(t)(clusters.Must(ctx, cp, "kubeadm", "certs", "renew", "all"))
	out := do(t)(clusters.Must(ctx, cp, clusters.Binary, "certs", "renew", "scheduler.conf", "controller-manager.conf", "-o", "json"))
	if strings.Count(out, `"verb":"restart"`) < 2 {
		t.Errorf("the controller manager and the scheduler were not restarted:\n%s", out)
	}
	do(t)(c.Kubectl(ctx, "get", "--raw", "/readyz"))
}
