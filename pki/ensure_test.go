package pki_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

const dir = "/etc/kubernetes/pki/"

func TestFilesAreInTheOrderOfWriting(t *testing.T) {
	var got []string
	for _, f := range pki.Files(ensure(t, newCluster(), newNode(), nil)) {
		got = append(got, strings.TrimPrefix(f.Path, "/etc/kubernetes/"))
		if want := map[bool]uint32{true: 0o644, false: 0o600}[strings.HasSuffix(f.Path, ".crt")]; f.Mode != want {
			t.Errorf("%s has mode %o", f.Path, f.Mode)
		}
	}
	want := "pki/ca.key pki/ca.crt pki/front-proxy-ca.key pki/front-proxy-ca.crt pki/etcd/ca.key pki/etcd/ca.crt " +
		"pki/apiserver.key pki/apiserver.crt pki/apiserver-kubelet-client.key pki/apiserver-kubelet-client.crt " +
		"pki/front-proxy-client.key pki/front-proxy-client.crt pki/etcd/server.key pki/etcd/server.crt " +
		"pki/etcd/peer.key pki/etcd/peer.crt pki/etcd/healthcheck-client.key pki/etcd/healthcheck-client.crt " +
		"pki/apiserver-etcd-client.key pki/apiserver-etcd-client.crt pki/sa.key pki/sa.pub " +
		"admin.conf super-admin.conf kubelet.conf controller-manager.conf scheduler.conf"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}

// A crash can leave any number of the files, in the order of writing. The
// next run keeps them and comes to a complete and valid end.
func TestEnsureResumesFromEveryPrefix(t *testing.T) {
	c, n := newCluster(), newNode()
	files := pki.Files(ensure(t, c, n, nil))
	for i := range len(files) + 1 {
		have := map[string]secret.Bytes{}
		for _, f := range files[:i] {
			have[f.Path] = f.Content
		}
		existing, err := pki.Read(have, c)
		if err != nil {
			t.Fatalf("after %d files: %v", i, err)
		}
		all := contents(ensure(t, c, n, existing))
		if len(all) != len(files) {
			t.Errorf("after %d files: %d in the end", i, len(all))
		}
		for path, content := range have {
			if !all[path].Equal(content) {
				t.Errorf("after %d files: %s was replaced", i, path)
			}
		}
		again, err := pki.Read(all, c)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.EqualFunc(contents(ensure(t, c, n, again)), all, secret.Bytes.Equal) {
			t.Errorf("after %d files: a further run changes something", i)
		}
	}
}

func TestEnsureDoesNotChangeWhatItIsGiven(t *testing.T) {
	c := newCluster()
	existing, err := pki.Read(nil, c)
	if err != nil {
		t.Fatal(err)
	}
	ensure(t, c, newNode(), existing)
	if len(existing.Pairs)+len(existing.Kubeconfigs) > 0 || !existing.ServiceAccount.Private.Empty() {
		t.Error("the existing bundle was changed")
	}
}

func TestEnsureMakesOnlyWhatIsAskedFor(t *testing.T) {
	c, n := newCluster(), newNode()
	tree := pki.Tree(c, n)
	b, err := pki.Ensure(nil, tree[:1], nil, now())
	if err != nil || len(pki.Files(b)) != 2 {
		t.Fatalf("got %d files, %v", len(pki.Files(b)), err)
	}
	if b, err = pki.Ensure(b, tree[1:2], nil, now()); err != nil || len(pki.Files(b)) != 4 {
		t.Errorf("got %d files, %v", len(pki.Files(b)), err)
	}
	_, err = pki.Ensure(nil, tree[1:3], nil, now())
	want := "ensure pki: check " + dir + "ca.crt: the ca is needed and does not exist"
	if check := checks(err); len(check) != 1 || err.Error() != want || check[0].Hint != "clusteradm init phase certs ca" {
		t.Errorf("got %v", err)
	}
}

func TestExternalCA(t *testing.T) {
	c, n := newCluster(), newNode()
	files := contents(ensure(t, c, n, nil))
	for _, ca := range []string{"ca", "front-proxy-ca", "etcd/ca"} {
		delete(files, dir+ca+".key")
	}
	existing, err := pki.Read(files, c)
	if err != nil {
		t.Fatal(err)
	}
	if !existing.External("ca") || existing.External("apiserver") {
		t.Error("External is wrong")
	}
	if !maps.EqualFunc(contents(ensure(t, c, n, existing)), files, secret.Bytes.Equal) {
		t.Error("something was changed or made")
	}
}

// checks returns all that was found wrong, in order.
func checks(err error) []*pki.CheckError {
	var found []*pki.CheckError
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case *pki.CheckError:
			found = append(found, e)
		case interface{ Unwrap() []error }:
			for _, one := range e.Unwrap() {
				walk(one)
			}
		default:
			if inner := errors.Unwrap(err); inner != nil {
				walk(inner)
			}
		}
	}
	walk(err)
	return found
}

// fault is one way of being wrong and what is then reported.
type fault struct {
	name    string
	change  func(files, other map[string]secret.Bytes)
	year    int
	path    string
	problem pki.Problem
	reason  string
}

func TestWhatIsWrongIsAnError(t *testing.T) {
	c, n := newCluster(), newNode()
	files, other := contents(ensure(t, c, n, nil)), contents(ensure(t, c, n, nil))
	differing := newCluster()
	differing.APIServer.CertSANs = nil
	differing.Networking.DNSDomain = "old.local"
	fewer := contents(ensure(t, differing, n, mustRead(t, caOf(files), c)))

	for _, f := range faults(fewer) {
		t.Run(f.name, func(t *testing.T) {
			have, when := maps.Clone(files), now()
			if f.year != 0 {
				when = at(f.year)
			}
			if f.change != nil {
				f.change(have, other)
			}
			before := maps.Clone(have)
			existing, err := pki.Read(have, c)
			if err == nil {
				_, err = pki.Ensure(existing, pki.Tree(c, n), pki.KubeconfigSpecs(c, n), when)
			}
			found := checks(err)
			i := slices.IndexFunc(found, func(e *pki.CheckError) bool { return e.Path == f.path })
			if i < 0 {
				t.Fatalf("nothing about %s in: %v", f.path, err)
			}
			if f.change != nil && len(found) != 1 && f.name != "no ca" && f.name != "another ca" {
				t.Errorf("more than one error: %v", err)
			}
			if e := found[i]; e.Problem != f.problem || !strings.Contains(e.Reason, f.reason) || e.Hint == "" {
				t.Errorf("got %+v", e)
			}
			if existing != nil && !maps.EqualFunc(contents(existing), before, secret.Bytes.Equal) {
				t.Error("the existing files were changed")
			}
		})
	}
}

func mustRead(t *testing.T, files map[string]secret.Bytes, c *cluster.Cluster) *pki.Bundle {
	t.Helper()
	b, err := pki.Read(files, c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func caOf(files map[string]secret.Bytes) map[string]secret.Bytes {
	return map[string]secret.Bytes{dir + "ca.crt": files[dir+"ca.crt"], dir + "ca.key": files[dir+"ca.key"]}
}

func faults(fewer map[string]secret.Bytes) []fault {
	type set = map[string]secret.Bytes
	cut := func(path string) func(set, set) {
		return func(f, _ set) { f[path] = secret.NewBytes(f[path].Reveal()[:f[path].Len()/2]) }
	}
	swap := func(path, from string) func(set, set) { return func(f, _ set) { f[path] = f[from] } }
	drop := func(paths ...string) func(set, set) {
		return func(f, _ set) {
			for _, p := range paths {
				delete(f, p)
			}
		}
	}
	foreign := func(paths ...string) func(set, set) {
		return func(f, other set) {
			for _, p := range paths {
				f[p] = other[p]
			}
		}
	}
	edit := func(path, old, new string) func(set, set) {
		return func(f, _ set) {
			f[path] = secret.NewBytes(bytes.ReplaceAll(f[path].Reveal(), []byte(old), []byte(new)))
		}
	}
	both := func(base string) []string { return []string{dir + base + ".key", dir + base + ".crt"} }
	return []fault{
		{"truncated certificate", cut(dir + "apiserver.crt"), 0, dir + "apiserver.crt", pki.Damaged, "truncated"},
		{"truncated ca key", cut(dir + "ca.key"), 0, dir + "ca.key", pki.Damaged, "truncated"},
		{"empty ca key", func(f, _ set) { f[dir+"ca.key"] = secret.Bytes{} }, 0, dir + "ca.key", pki.Damaged, "no private key"},
		{"encrypted ca key", func(f, _ set) {
			f[dir+"ca.key"] = secret.NewBytes([]byte("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\neA==\n-----END EC PRIVATE KEY-----\n"))
		}, 0, dir + "ca.key", pki.Damaged, "encrypted"},
		{"encrypted ca key, pkcs 8", func(f, _ set) {
			f[dir+"ca.key"] = secret.NewBytes([]byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\neA==\n-----END ENCRYPTED PRIVATE KEY-----\n"))
		}, 0, dir + "ca.key", pki.Damaged, "encrypted"},
		{"no certificate in it", swap(dir+"apiserver.crt", dir+"apiserver.key"), 0, dir + "apiserver.crt", pki.Damaged, "no certificate"},
		{"truncated sa.pub", cut(dir + "sa.pub"), 0, dir + "sa.pub", pki.Damaged, "truncated"},
		{"not a kubeconfig", cut("/etc/kubernetes/admin.conf"), 0, "/etc/kubernetes/admin.conf", pki.Damaged, "kubeconfig"},
		{"wrong key", swap(dir+"apiserver.key", dir+"etcd/peer.key"), 0, dir + "apiserver.crt", pki.Key, "apiserver.key"},
		{"wrong ca key", swap(dir+"etcd/ca.key", dir+"ca.key"), 0, dir + "etcd/ca.crt", pki.Key, "etcd/ca.key"},
		{"key missing", drop(dir + "apiserver.key"), 0, dir + "apiserver.key", pki.Missing, "not its key"},
		{"leaf expired", nil, 2028, dir + "etcd/server.crt", pki.Expired, "expired at 2027-03-01T12:00:00Z"},
		{"kubeconfig expired", nil, 2028, "/etc/kubernetes/scheduler.conf", pki.Expired, "expired"},
		{"ca expired", nil, 2037, dir + "ca.crt", pki.Expired, "expired"},
		{"not valid yet", nil, 2025, dir + "front-proxy-ca.crt", pki.Expired, "before"},
		{"name missing", func(f, _ set) {
			f[dir+"apiserver.crt"], f[dir+"apiserver.key"] = fewer[dir+"apiserver.crt"], fewer[dir+"apiserver.key"]
		}, 0, dir + "apiserver.crt", pki.SANs, "kubernetes.default.svc.cluster.local"},
		{"other ca", foreign(both("front-proxy-client")...), 0, dir + "front-proxy-client.crt", pki.Issuer, "front-proxy-ca"},
		{"another ca", foreign(both("ca")...), 0, "/etc/kubernetes/kubelet.conf", pki.Issuer, "does not trust"},
		{"no ca", drop(both("etcd/ca")...), 0, dir + "etcd/peer.crt", pki.Issuer, "does not exist"},
		{"leaf as ca", func(f, _ set) {
			f[dir+"front-proxy-ca.crt"], f[dir+"front-proxy-ca.key"] = f[dir+"apiserver.crt"], f[dir+"apiserver.key"]
		}, 0, dir + "front-proxy-ca.crt", pki.NotCA, "not the certificate of a ca"},
		{"usage", func(f, _ set) {
			f[dir+"apiserver.crt"], f[dir+"apiserver.key"] = f[dir+"apiserver-kubelet-client.crt"], f[dir+"apiserver-kubelet-client.key"]
		}, 0, dir + "apiserver.crt", pki.Usages, "server auth"},
		{"external ca without leaf", drop(dir+"ca.key", dir+"apiserver.crt"), 0, dir + "apiserver.crt", pki.Missing, "external"},
		{"external ca without kubeconfig", drop(dir+"ca.key", "/etc/kubernetes/admin.conf"), 0, "/etc/kubernetes/admin.conf", pki.Missing, "external"},
		{"sa.pub alone", drop(dir + "sa.key"), 0, dir + "sa.key", pki.Missing, "not its private key"},
		{"sa.pub of another key", foreign(dir + "sa.pub"), 0, dir + "sa.pub", pki.Key, "sa.key"},
		{"kubeconfig of another user", swap("/etc/kubernetes/scheduler.conf", "/etc/kubernetes/controller-manager.conf"), 0,
			"/etc/kubernetes/scheduler.conf", pki.Identity, "system:kube-controller-manager"},
		{"kubeconfig without certificate", edit("/etc/kubernetes/admin.conf", "client-certificate-data", "ignored"), 0,
			"/etc/kubernetes/admin.conf", pki.Missing, "no client certificate"},
	}
}
