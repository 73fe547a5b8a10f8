//go:build e2e

package scenarios

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

// A healthy control plane is renewed while it is asked, and then again after
// every one of its leaf certificates has expired and it was rebooted.
func TestCertificates(t *testing.T) {
	budget(t, 12*time.Minute)
	ctx, p := t.Context(), newProof(t, "certificates")
	if p == nil {
		return
	}
	c := up(t, "certs", "cp1")
	cp := c.ControlPlane()
	do(t)(c.Init(ctx, "--ignore-preflight-errors=NumCPU"))
	untainted(t, c)
	must(t, c.WaitReady(ctx, 2*time.Minute, "cp1"))

	before := expirations(t, cp)
	asking := ask(t, cp)
	started := time.Now()
	out := do(t)(clusters.Must(ctx, cp, clusters.Binary, "certs", "renew", "all"))
	took := time.Since(started)
	asked, retried := asking.stop(t)
	p.add("certs renew all on a healthy control plane: %s; %d requests meanwhile, %d answered at the second try, none failed", took.Round(10*time.Millisecond), asked, retried)
	after := expirations(t, cp)
	for _, name := range pki.Renewable(&cluster.Cluster{}) {
		if before.serial(name) == "" || before.serial(name) == after.serial(name) || !strings.Contains(out, "renewed "+name+"\n") {
			t.Errorf("%s was not renewed: serial %q and then %q\n%s", name, before.serial(name), after.serial(name), out)
		}
	}
	for _, s := range after.Served {
		if s.Error != "" || s.Stale {
			t.Errorf("%s at %s: %+v", s.By, s.Address, s)
		}
	}
	p.add("every served certificate is the one on the disk, by its serial number on the wire: %s", after.servers())
	judged(t, cp)

	r, err := cp.Run(ctx, nil, clusters.Binary, "certs", "renew", "all", "--dry-run")
	must(t, err)
	if r.Exit != 0 || !strings.Contains(r.Stdout, "restart  kube-controller-manager/pod@cp1") || strings.Contains(r.Stdout, "restart  kube-apiserver") {
		t.Errorf("a dry run: exit %d\n%s%s", r.Exit, r.Stdout, r.Stderr)
	}

	killedWhileRenewing(t, cp)
	p.add("killed at five moments of a renewal and run again, every certificate fits its key and every process uses it")

	expire(t, cp)
	must(t, cp.Kill(ctx))
	must(t, cp.Start(ctx))
	broken(t, c)
	p.add("with all leaf certificates expired and after a power loss the kubelet refuses to start and no API server answers")
	r, err = cp.Run(ctx, nil, clusters.Binary, "certs", "check-expiration")
	must(t, err)
	if r.Exit != 0 || strings.Count(r.Stdout, "expired") < 12 || !strings.Contains(r.Stdout, "!NO ANSWER!") {
		t.Errorf("check-expiration of what has expired: exit %d\n%s%s", r.Exit, r.Stdout, r.Stderr)
	}
	started = time.Now()
	do(t)(clusters.Must(ctx, cp, clusters.Binary, "certs", "renew", "all"))
	p.add("one certs renew all brought it back, the node Ready, in %s", time.Since(started).Round(100*time.Millisecond))
	must(t, c.WaitReady(ctx, time.Minute, "cp1"))
	runsPods(t, c, "after")
	judged(t, cp)
	p.add("pods run, new ones too, and kubeadm certs check-expiration finds nothing expired")

	// As when a control plane runs on for a year and its processes end one by
	// one, while the kubelet has rotated its own certificate.
	expireFiles(t, cp)
	do(t)(clusters.Must(ctx, cp, "sh", "-c", "pkill -KILL -x kube-apiserver; pkill -KILL -x etcd; pkill -KILL -x kube-controller; sleep 25; true"))
	if out, err := c.Kubectl(ctx, "--request-timeout=5s", "get", "nodes"); err == nil {
		t.Fatalf("the API server still answers:\n%s", out)
	}
	started = time.Now()
	do(t)(clusters.Must(ctx, cp, clusters.Binary, "certs", "renew", "all"))
	p.add("and again with a kubelet that runs and its pods in their back-off: %s", time.Since(started).Round(100*time.Millisecond))
	must(t, c.WaitReady(ctx, time.Minute, "cp1"))
	judged(t, cp)
}

// killedWhileRenewing runs a renewal again that was killed: all pairs fit, and
// what is served is what is on the disk.
func killedWhileRenewing(t *testing.T, cp *nodes.Node) {
	t.Helper()
	for _, after := range []string{"0.05", "0.2", "0.35", "0.7", "1.5"} {
		if r, err := cp.Run(t.Context(), nil, "timeout", "-s", "KILL", after, clusters.Binary, "certs", "renew", "all"); err != nil || r.Exit == 0 {
			t.Logf("not killed within %s s: exit %d, %v", after, r.Exit, err)
		}
		do(t)(clusters.Must(t.Context(), cp, clusters.Binary, "certs", "renew", "all"))
		now := expirations(t, cp)
		for _, c := range now.Certificates {
			if c.Problem != "" {
				t.Errorf("killed after %s s: %s: %s", after, c.Name, c.Problem)
			}
		}
		for _, s := range now.Served {
			if s.Error != "" || s.Stale {
				t.Errorf("killed after %s s: %+v", after, s)
			}
		}
	}
	judged(t, cp)
}

func untainted(t *testing.T, c *clusters.Cluster) {
	t.Helper()
	do(t)(c.Kubectl(t.Context(), "taint", "node", "cp1", "node-role.kubernetes.io/control-plane-"))
}

// judged asks kubeadm.
func judged(t *testing.T, cp *nodes.Node) {
	t.Helper()
	out := do(t)(clusters.Must(t.Context(), cp, "kubeadm", "certs", "check-expiration"))
	if strings.Count(out, "364d") < 11 || strings.Contains(out, "invalid") || strings.Contains(out, "MISSING") {
		t.Errorf("kubeadm certs check-expiration:\n%s", out)
	}
}

// runsPods has a new pod run to its end.
func runsPods(t *testing.T, c *clusters.Cluster, name string) {
	t.Helper()
	ctx := t.Context()
	image := do(t)(c.Kubectl(ctx, "-n", "kube-system", "get", "pods", "-l", "component=kube-scheduler", "-o", "jsonpath={.items[0].spec.containers[0].image}"))
	must(t, c.Apply(ctx, fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q},"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":%q,"command":["kube-scheduler","--version"]}]}}`, name, image)))
	must(t, clusters.Eventually(ctx, time.Minute, "a new pod", func() error {
		phase, err := c.Kubectl(ctx, "get", "pod", name, "-o", "jsonpath={.status.phase}")
		if err == nil && phase != "Succeeded" {
			err = fmt.Errorf("it is %s", phase)
		}
		return err
	}))
}

type seen struct {
	Certificates []struct{ Name, Serial, Problem string }
	Served       []struct {
		By, Address, Error, Serial string
		Stale                      bool
	}
}

func (s seen) serial(name string) string {
	for _, c := range s.Certificates {
		if c.Name == name {
			return c.Serial
		}
	}
	return ""
}

func (s seen) servers() string {
	var list []string
	for _, c := range s.Served {
		list = append(list, c.By+" "+c.Address)
	}
	return strings.Join(list, ", ")
}

func expirations(t *testing.T, cp *nodes.Node) seen {
	t.Helper()
	out := do(t)(clusters.Must(t.Context(), cp, clusters.Binary, "certs", "check-expiration", "-o", "json"))
	var s seen
	must(t, json.Unmarshal([]byte(out), &s))
	return s
}

// expireFiles puts certificates of more than a year ago in the place of all but
// the kubelet's: the same keys and names, signed by the cluster's authorities.
func expireFiles(t *testing.T, cp *nodes.Node) {
	t.Helper()
	ctx := t.Context()
	const dir = "/etc/kubernetes/pki/"
	for ca, bases := range map[string][]string{
		"ca":             {"apiserver", "apiserver-kubelet-client"},
		"front-proxy-ca": {"front-proxy-client"},
		"etcd/ca":        {"etcd/server", "etcd/peer", "etcd/healthcheck-client", "apiserver-etcd-client"},
	} {
		for _, base := range bases {
			cert := do(t)(clusters.Must(ctx, cp, "cat", dir+base+".crt"))
			must(t, cp.WriteFile(ctx, dir+base+".crt", expired(t, cp, ca, []byte(cert)), 0o644))
		}
	}
	for _, name := range []string{"admin", "super-admin", "controller-manager", "scheduler"} {
		conf := "/etc/kubernetes/" + name + ".conf"
		data := do(t)(clusters.Must(ctx, cp, "cat", conf))
		k, err := pki.DecodeKubeconfig(secret.NewBytes([]byte(data)))
		must(t, err)
		encode := base64.StdEncoding.EncodeToString
		data = strings.Replace(data, encode(k.Cert), encode(expired(t, cp, "ca", k.Cert)), 1)
		must(t, cp.WriteFile(ctx, conf, []byte(data), 0o600))
	}
}

func expire(t *testing.T, cp *nodes.Node) {
	t.Helper()
	ctx := t.Context()
	expireFiles(t, cp)
	client := []byte(do(t)(clusters.Must(ctx, cp, "cat", cluster.KubeletClientPEM)))
	_, key := pem.Decode(client)
	must(t, cp.WriteFile(ctx, cluster.KubeletDir+"/pki/kubelet-client-2025.pem", append(expired(t, cp, "ca", client), key...), 0o600))
	do(t)(clusters.Must(ctx, cp, "ln", "-sf", "kubelet-client-2025.pem", cluster.KubeletClientPEM))
}

// expired is a certificate as it was made 400 days ago, for a year.
func expired(t *testing.T, cp *nodes.Node, ca string, certPEM []byte) []byte {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(do(t)(clusters.Must(t.Context(), cp, "cat", "/etc/kubernetes/pki/"+ca+".crt"))),
		[]byte(do(t)(clusters.Must(t.Context(), cp, "cat", "/etc/kubernetes/pki/"+ca+".key"))))
	must(t, err)
	block, _ := pem.Decode(certPEM)
	cert, err := x509.ParseCertificate(block.Bytes)
	must(t, err)
	cert.NotBefore = time.Now().Add(-400 * 24 * time.Hour)
	cert.NotAfter = cert.NotBefore.Add(365 * 24 * time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, cert, pair.Leaf, cert.PublicKey, pair.PrivateKey)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// broken waits until nothing works.
func broken(t *testing.T, c *clusters.Cluster) {
	t.Helper()
	must(t, clusters.Eventually(t.Context(), time.Minute, "the kubelet to refuse to start", func() error {
		out, err := c.ControlPlane().Output(t.Context(), "sh", "-c", "journalctl -u kubelet -b --no-pager | grep -c 'unable to load bootstrap kubeconfig' || true")
		if err == nil && strings.TrimSpace(out) == "0" {
			err = fmt.Errorf("it has not said so")
		}
		return err
	}))
	if out, err := c.Kubectl(t.Context(), "--request-timeout=5s", "get", "nodes"); err == nil {
		t.Fatalf("the API server answers:\n%s", out)
	}
}
