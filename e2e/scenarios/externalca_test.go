//go:build e2e

package scenarios

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
)

// A control plane whose authorities' keys are nowhere near it: requests are
// made on it and signed elsewhere.
func TestExternalCA(t *testing.T) {
	budget(t, 6*time.Minute)
	ctx, p := t.Context(), newProof(t, "externalca")
	if p == nil {
		return
	}
	c := up(t, "extca", "cp1")
	cp := c.ControlPlane()
	must(t, c.WriteInitConfig(ctx, cp, "/root/init.yaml", true, ""))
	const dir = "/etc/kubernetes/pki/"
	cas := map[string]*authority{}
	do(t)(clusters.Must(ctx, cp, "mkdir", "-p", dir+"etcd"))
	for _, name := range []string{"ca", "front-proxy-ca", "etcd/ca"} {
		cas[name] = newAuthority(t, name)
		must(t, cp.WriteFile(ctx, dir+name+".crt", cas[name].pem, 0o644))
	}

	r, err := cp.Run(ctx, nil, clusters.Binary, "init", "--config", "/root/init.yaml", "--ignore-preflight-errors=NumCPU")
	must(t, err)
	for _, missing := range []string{"pki/apiserver.crt", "pki/etcd/peer.crt", "front-proxy-client.crt", "scheduler.conf", "super-admin.conf"} {
		if r.Exit != 1 || !strings.Contains(r.Stderr, missing) {
			t.Errorf("init without certificates: exit %d, nothing about %s\n%s", r.Exit, missing, r.Stderr)
		}
	}
	if !strings.Contains(r.Stderr, "clusteradm certs generate-csr") {
		t.Errorf("no hint what to do:\n%s", r.Stderr)
	}
	p.add("with the authorities' certificates alone init names every file that is missing, at once")

	requests := strings.Fields(do(t)(clusters.Must(ctx, cp, clusters.Binary, "certs", "generate-csr", "--config", "/root/init.yaml")))
	if len(requests) != 12 {
		t.Errorf("%d requests: %v", len(requests), requests)
	}
	for _, request := range requests {
		csr := do(t)(clusters.Must(ctx, cp, "cat", request))
		base, isConf := strings.CutSuffix(request, ".conf.csr")
		ca := cas["ca"]
		switch {
		case strings.Contains(request, "etcd"):
			ca = cas["etcd/ca"]
		case strings.Contains(request, "front-proxy"):
			ca = cas["front-proxy-ca"]
		}
		cert := ca.sign(t, csr)
		if !isConf {
			must(t, cp.WriteFile(ctx, strings.TrimSuffix(request, ".csr")+".crt", cert, 0o644))
			continue
		}
		conf := do(t)(clusters.Must(ctx, cp, "cat", base+".conf"))
		conf = strings.Replace(conf, "    client-key-data:", "    client-certificate-data: "+base64.StdEncoding.EncodeToString(cert)+"\n    client-key-data:", 1)
		must(t, cp.WriteFile(ctx, base+".conf", []byte(conf), 0o600))
	}
	if again := do(t)(clusters.Must(ctx, cp, clusters.Binary, "certs", "generate-csr", "--config", "/root/init.yaml")); again != "" {
		t.Errorf("what is signed is asked for again:\n%s", again)
	}

	do(t)(clusters.Must(ctx, cp, clusters.Binary, "init", "--config", "/root/init.yaml", "--ignore-preflight-errors=NumCPU"))
	untainted(t, c)
	must(t, c.WaitReady(ctx, 2*time.Minute, "cp1"))
	keys := do(t)(clusters.Must(ctx, cp, "sh", "-c", "ls "+dir+"ca.key "+dir+"front-proxy-ca.key "+dir+"etcd/ca.key 2>/dev/null | wc -l"))
	manager := do(t)(clusters.Must(ctx, cp, "cat", "/etc/kubernetes/manifests/kube-controller-manager.yaml"))
	if strings.TrimSpace(keys) != "0" || strings.Contains(manager, "ca.key") {
		t.Errorf("a key of an authority is on the machine, or the controller manager is to sign with it: %s\n%s", keys, manager)
	}
	judge := do(t)(clusters.Must(ctx, cp, "kubeadm", "certs", "check-expiration"))
	if strings.Count(judge, "yes") != 14 || strings.Contains(judge, "MISSING") {
		t.Errorf("kubeadm certs check-expiration:\n%s", judge)
	}
	p.add("signed by three authorities elsewhere, init made a control plane of it, Ready; kubeadm certs check-expiration calls all of them externally managed")

	out := do(t)(clusters.Must(ctx, cp, clusters.Binary, "certs", "renew", "all"))
	if strings.Count(out, "not renewed: ") != 11 || strings.Contains(out, "\nrenewed") {
		t.Errorf("certs renew all:\n%s", out)
	}
	r, err = cp.Run(ctx, nil, clusters.Binary, "certs", "renew", "apiserver")
	must(t, err)
	if r.Exit != 1 || !strings.Contains(r.Stderr, "external") {
		t.Errorf("certs renew apiserver: exit %d\n%s", r.Exit, r.Stderr)
	}
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	a := &authority{key: key, cert: &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "company " + name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, key.Public(), key)
	must(t, err)
	a.cert, err = x509.ParseCertificate(der)
	must(t, err)
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func (a *authority) sign(t *testing.T, request string) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(request))
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	must(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(t, err)
	template := &x509.Certificate{SerialNumber: serial, Subject: csr.Subject, DNSNames: csr.DNSNames, IPAddresses: csr.IPAddresses,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(500 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, csr.PublicKey, a.key)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
