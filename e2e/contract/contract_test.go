package contract_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/contract"
)

// machine is what one side left: files by path and a list of objects.
type machine struct {
	started time.Time
	address string
	files   map[string]string
	modes   map[string]os.FileMode
	objects string
}

var tree = contract.Tree{Roots: []string{"/etc"}, Always: []string{"/etc/kubernetes"}, Opaque: []string{"/etc/*_state"}, Skip: []string{"/etc/skipped"}}

func newMachine(t *testing.T, hour int, address string) machine {
	m := machine{started: time.Date(2030, 1, 1, hour, 0, 0, 0, time.UTC), address: address, modes: map[string]os.FileMode{}}
	ca, caKey := mint(t, m, template("kubernetes", true), nil, nil)
	leaf := template("kube-apiserver", false)
	leaf.DNSNames, leaf.IPAddresses = []string{"cp1", "kubernetes"}, []net.IP{net.ParseIP(address)}
	server, serverKey := mint(t, m, leaf, ca, caKey)
	m.files = map[string]string{
		"/etc/kubernetes/pki/ca.crt": certPEM(ca), "/etc/kubernetes/pki/ca.key": keyPEM(t, caKey),
		"/etc/kubernetes/pki/apiserver.crt": certPEM(server), "/etc/kubernetes/pki/apiserver.key": keyPEM(t, serverKey),
		"/etc/kubernetes/manifests/etcd.yaml": "spec:\n  containers:\n  - {name: etcd, command: [etcd, '--listen=" + address + "']}\n",
		"/etc/kubernetes/admin.conf": fmt.Sprintf("clusters:\n- cluster: {certificate-authority-data: %s, server: 'https://%s:6443'}\n",
			base64.StdEncoding.EncodeToString([]byte(certPEM(ca))), address),
		"/etc/kubernetes/kubelet-client-" + m.started.Format("2006-01-02-15-04-05") + ".pem": certPEM(server),
		"/etc/motd":      "welcome\n",
		"/etc/cpu_state": address,
	}
	m.objects = fmt.Sprintf(`{"items": [
{"kind": "ConfigMap", "metadata": {"name": "cluster-info", "namespace": "kube-public", "uid": "%d", "creationTimestamp": "%s"},
 "data": {"kubeconfig": "server: https://%s:6443\nca: |\n%s", "jws-kubeconfig-abcdef": "%d"}},
{"kind": "Pod", "metadata": {"name": "coredns-%d", "namespace": "kube-system"}},
{"kind": "Pod", "metadata": {"name": "etcd-cp1", "namespace": "kube-system", "annotations": {"kubernetes.io/config.mirror": "%d", "kubernetes.io/config.hash": "%d"}}, "spec": {"hostNetwork": true}, "status": {"podIP": "%s"}},
{"kind": "Secret", "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system", "creationTimestamp": "%s"}, "data": {"expiration": "%s"}},
{"kind": "Node", "metadata": {"name": "cp1"}, "spec": {"taints": [{"key": "node.kubernetes.io/not-ready"}, {"key": "role", "effect": "NoSchedule"}]}}
]}`, hour, m.started.Format(time.RFC3339), address, strings.ReplaceAll(indent(certPEM(ca)), "\n", `\n`), hour, hour, hour, hour, address,
		m.started.Add(9*time.Second).Format(time.RFC3339), base64.StdEncoding.EncodeToString([]byte(m.started.Add(24*time.Hour).Format(time.RFC3339))))
	return m
}

func indent(s string) string { return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ") }

func template(name string, ca bool) *x509.Certificate {
	c := &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature}
	if ca {
		c.KeyUsage |= x509.KeyUsageCertSign
	}
	return c
}

func mint(t *testing.T, m machine, c, parent *x509.Certificate, signer crypto.Signer) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	if parent == nil {
		parent, signer = c, key
	}
	c.SerialNumber = big.NewInt(m.started.UnixNano())
	if c.NotBefore.IsZero() {
		c.NotBefore, c.NotAfter = m.started.Add(-5*time.Minute), m.started.Add(24*time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert, key
}

func certPEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func keyPEM(t *testing.T, key crypto.Signer) string {
	der, err := x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (m machine) snapshot(t *testing.T) contract.Snapshot {
	t.Helper()
	root := t.TempDir()
	before, err := tree.State(root)
	must(t, err)
	for path, content := range m.files {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755))
		must(t, os.WriteFile(filepath.Join(root, path), []byte(content), 0o600))
	}
	for path, mode := range m.modes {
		must(t, os.Chmod(filepath.Join(root, path), mode))
	}
	run := &contract.Run{Started: m.started, Rename: strings.NewReplacer(m.address, "ADDRESS"), Token: true}
	s := contract.Snapshot{}
	must(t, run.Files(s, tree, root, before))
	must(t, run.Objects(s, []byte(m.objects)))
	return s
}

func wheres(differences []contract.Difference) []string {
	var list []string
	for _, d := range differences {
		list = append(list, d.Where)
	}
	return list
}

// Other keys, moments, addresses and random names are no difference.
func TestEqualRuns(t *testing.T) {
	a, b := newMachine(t, 1, "192.0.2.1").snapshot(t), newMachine(t, 7, "192.0.2.2").snapshot(t)
	if found := contract.Compare(a, b); len(found) > 0 {
		t.Errorf("found %v", found)
	}
	if len(a) != 17 {
		t.Errorf("%d things: %v", len(a), slices.Sorted(maps.Keys(a)))
	}
}

// Each planted difference is found, at its place and nowhere else.
func TestPlantedDifferences(t *testing.T) {
	const apiserver = "/etc/kubernetes/pki/apiserver.crt"
	// reissue plants another server certificate under the CA that is there.
	reissue := func(change func(*x509.Certificate)) func(*testing.T, *machine) {
		return func(t *testing.T, m *machine) {
			ca, caKey := readCA(t, m)
			c := template("kube-apiserver", false)
			c.DNSNames, c.IPAddresses = []string{"cp1", "kubernetes"}, []net.IP{net.ParseIP(m.address)}
			change(c)
			cert, key := mint(t, *m, c, ca, caKey)
			m.files[apiserver], m.files["/etc/kubernetes/pki/apiserver.key"] = certPEM(cert), keyPEM(t, key)
			for path := range m.files {
				if strings.HasSuffix(path, ".pem") {
					delete(m.files, path) // which holds the old one
				}
			}
		}
	}
	dropped := "/etc/kubernetes/kubelet-client-MOMENT.pem"
	object := func(old, new string) func(*testing.T, *machine) {
		return func(t *testing.T, m *machine) {
			if !strings.Contains(m.objects, old) {
				t.Fatalf("there is no %s", old)
			}
			m.objects = strings.Replace(m.objects, old, new, 1)
		}
	}
	for name, c := range map[string]struct {
		plant func(*testing.T, *machine)
		want  []string
	}{
		"mode":            {func(_ *testing.T, m *machine) { m.modes[apiserver] = 0o644 }, []string{apiserver + "#@attributes"}},
		"file more":       {func(_ *testing.T, m *machine) { m.files["/etc/stray"] = "" }, []string{"/etc/stray"}},
		"directory more":  {func(_ *testing.T, m *machine) { m.files["/etc/a/b/c"], m.files["/etc/a/d"] = "", "" }, []string{"/etc/a"}},
		"file less":       {func(_ *testing.T, m *machine) { delete(m.files, "/etc/motd") }, []string{"/etc/motd"}},
		"text":            {func(_ *testing.T, m *machine) { m.files["/etc/motd"] = "hello\n" }, []string{"/etc/motd#"}},
		"opaque":          {func(_ *testing.T, m *machine) { m.files["/etc/cpu_state"] = "other" }, nil},
		"skipped":         {func(_ *testing.T, m *machine) { m.files["/etc/skipped/file"] = "other" }, nil},
		"argument":        {replace("/etc/kubernetes/manifests/etcd.yaml", "--listen=", "--list="), []string{"/etc/kubernetes/manifests/etcd.yaml#/spec/containers/0/command/1"}},
		"argument more":   {replace("/etc/kubernetes/manifests/etcd.yaml", "[etcd", "[etcd, --more"), []string{"/etc/kubernetes/manifests/etcd.yaml#/spec/containers/0/command"}},
		"field more":      {replace("/etc/kubernetes/manifests/etcd.yaml", "spec:", "a/b~c: 1\nspec:"), []string{"/etc/kubernetes/manifests/etcd.yaml#/a~1b~0c"}},
		"kubeconfig":      {replace("/etc/kubernetes/admin.conf", ":6443", ":443"), []string{"/etc/kubernetes/admin.conf#/clusters/0/cluster/server"}},
		"name":            {reissue(func(c *x509.Certificate) { c.DNSNames = c.DNSNames[:1] }), []string{dropped, apiserver + "#/0/dns"}},
		"subject":         {reissue(func(c *x509.Certificate) { c.Subject.Organization = []string{"x"} }), []string{dropped, apiserver + "#/0/subject"}},
		"usage":           {reissue(func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyEncipherment }), []string{dropped, apiserver + "#/0/usages"}},
		"validity":        {reissue(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Unix(2e9, 0), time.Unix(3e9, 0) }), []string{dropped, apiserver + "#/0/begins", apiserver + "#/0/ends"}},
		"object":          {object(`"hostNetwork": true`, `"hostNetwork": false`), []string{"Pod kube-system/etcd-cp1#/spec/hostNetwork"}},
		"object less":     {object(`"kind": "Node"`, `"kind": "Other"`), []string{"Node cp1", "Other cp1"}},
		"document inside": {object(`:6443\n`, `:443\n`), []string{"ConfigMap kube-public/cluster-info#/data/kubeconfig/server"}},
		"signature":       {object("jws-kubeconfig-abcdef", "jws-kubeconfig-fedcba"), []string{"ConfigMap kube-public/cluster-info#/data/jws-kubeconfig-abcdef", "ConfigMap kube-public/cluster-info#/data/jws-kubeconfig-fedcba"}},
		"token's life": {func(t *testing.T, m *machine) {
			object(m.started.Add(9*time.Second).Format(time.RFC3339), m.started.Add(-time.Hour).Format(time.RFC3339))(t, m)
		}, []string{"Secret kube-system/bootstrap-token-abcdef#/data/expiration"}},
		"taint":             {object(`"key": "role"`, `"key": "rule"`), []string{"Node cp1#/spec/taints/0/key"}},
		"condition's taint": {object(`{"key": "node.kubernetes.io/not-ready"},`, ""), nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, 7, "192.0.2.2")
			c.plant(t, &m)
			found := wheres(contract.Compare(newMachine(t, 1, "192.0.2.1").snapshot(t), m.snapshot(t)))
			// The certificate's key is also told by the files that hold it.
			found = slices.DeleteFunc(found, func(w string) bool {
				return strings.HasSuffix(w, "/same") || strings.HasSuffix(w, "/of")
			})
			if !slices.Equal(found, c.want) {
				t.Errorf("found %q, want %q", found, c.want)
			}
		})
	}
}

// A key of another certificate and a chain to another CA are seen though all
// names are right.
func TestKeysAndChains(t *testing.T) {
	want := newMachine(t, 1, "192.0.2.1").snapshot(t)
	m := newMachine(t, 7, "192.0.2.2")
	m.files["/etc/kubernetes/pki/apiserver.key"] = m.files["/etc/kubernetes/pki/ca.key"]
	if found := wheres(contract.Compare(want, m.snapshot(t))); !slices.Equal(found, []string{"/etc/kubernetes/pki/apiserver.key#/0/of"}) {
		t.Errorf("another key: found %q", found)
	}
	m = newMachine(t, 7, "192.0.2.2")
	stranger := newMachine(t, 7, "192.0.2.2")
	m.files["/etc/kubernetes/pki/apiserver.crt"], m.files["/etc/kubernetes/pki/apiserver.key"] = stranger.files["/etc/kubernetes/pki/apiserver.crt"], stranger.files["/etc/kubernetes/pki/apiserver.key"]
	if found := wheres(contract.Compare(want, m.snapshot(t))); !slices.Contains(found, "/etc/kubernetes/pki/apiserver.crt#/0/signedBy") {
		t.Errorf("another CA: found %q", found)
	}
}

func replace(path, old, new string) func(*testing.T, *machine) {
	return func(t *testing.T, m *machine) {
		if !strings.Contains(m.files[path], old) {
			t.Fatalf("%s has no %s", path, old)
		}
		m.files[path] = strings.Replace(m.files[path], old, new, 1)
	}
}

func readCA(t *testing.T, m *machine) (*x509.Certificate, crypto.Signer) {
	block, _ := pem.Decode([]byte(m.files["/etc/kubernetes/pki/ca.crt"]))
	ca, err := x509.ParseCertificate(block.Bytes)
	must(t, err)
	block, _ = pem.Decode([]byte(m.files["/etc/kubernetes/pki/ca.key"]))
	key, err := x509.ParseECPrivateKey(block.Bytes)
	must(t, err)
	return ca, key
}
