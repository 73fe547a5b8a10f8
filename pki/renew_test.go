package pki_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

func never(string, secret.Bytes) bool { return false }

// controlPlane is the files of one that was made a year and a half ago.
func controlPlane(t *testing.T) (*cluster.Cluster, map[string]secret.Bytes) {
	t.Helper()
	c := newCluster()
	return c, contents(ensure(t, c, newNode(), nil))
}

func later() time.Time { return now().Add(18 * 30 * 24 * time.Hour) }

func all(c *cluster.Cluster) []string { return pki.Renewable(c) }

// Names are kubeadm's, and so is their order.
func TestRenewableIsKubeadms(t *testing.T) {
	want := "admin.conf apiserver apiserver-etcd-client apiserver-kubelet-client controller-manager.conf " +
		"etcd-healthcheck-client etcd-peer etcd-server front-proxy-client scheduler.conf super-admin.conf"
	if got := strings.Join(all(newCluster()), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// After all has expired, a renewal makes it as good as new, with new keys and
// with what the old certificates said.
func TestRenewMakesWhatExpiredValid(t *testing.T) {
	c, files := controlPlane(t)
	other := newCluster() // the configuration has changed since: it does not matter
	other.APIServer.CertSANs = nil
	r, err := pki.Renew(files, other, all(other), never, later())
	if err != nil {
		t.Fatal(err)
	}
	if !r.Expired || len(r.Names) != 11 || len(r.Skipped) != 0 || len(r.Files) != 7*2+4 {
		t.Errorf("%d names, %d files, %v, expired %t", len(r.Names), len(r.Files), r.Skipped, r.Expired)
	}
	after := maps.Clone(files)
	for i, f := range r.Files {
		if f.Content.Equal(files[f.Path]) {
			t.Errorf("%s is the old one", f.Path)
		}
		if base, ok := strings.CutSuffix(f.Path, ".crt"); ok && r.Files[i-1].Path != base+".key" {
			t.Errorf("before %s comes %s and not its key", f.Path, r.Files[i-1].Path)
		}
		after[f.Path] = f.Content
	}
	delete(after, cluster.KubeletConf)
	b := mustRead(t, after, c)
	if _, err := pki.Ensure(b, pki.Tree(c, newNode()), without(pki.KubeconfigSpecs(c, newNode()), cluster.KubeletConf), later()); err != nil {
		t.Errorf("it is not what is asked for: %v", err)
	}
}

func without(specs []pki.KubeconfigSpec, path string) []pki.KubeconfigSpec {
	return slices.DeleteFunc(specs, func(k pki.KubeconfigSpec) bool { return k.Path == path })
}

// How long it is valid the configuration says, and the authority at the most.
func TestRenewedIsValidAsConfigured(t *testing.T) {
	c, files := controlPlane(t)
	for validity, cut := range map[time.Duration]bool{90 * 24 * time.Hour: false, 20 * 8760 * time.Hour: true} {
		c.LeafValidity = validity
		r, err := pki.Renew(files, c, []string{"apiserver", "front-proxy-client"}, never, later())
		if err != nil {
			t.Fatal(err)
		}
		want := later().Add(validity)
		if cut {
			want = parse(t, files[dir+"ca.crt"].Reveal()).NotAfter
		}
		if got := parse(t, r.Files[1].Content.Reveal()).NotAfter; !got.Equal(want) || len(r.Cut) == 2 != cut {
			t.Errorf("%s: ends %s, want %s; cut by %v", validity, got, want, r.Cut)
		}
	}
}

// What a crash between a key and its certificate leaves is repaired.
func TestRenewRepairsAPairThatDoesNotMatch(t *testing.T) {
	c, files := controlPlane(t)
	first, err := pki.Renew(files, c, []string{"apiserver"}, never, later())
	if err != nil {
		t.Fatal(err)
	}
	files[first.Files[0].Path] = first.Files[0].Content // the key alone
	written := func(p string, content secret.Bytes) bool { return content.Equal(first.Files[0].Content) }
	for name, files := range map[string]map[string]secret.Bytes{"another's key": files, "no key": dropped(files, dir+"apiserver.key")} {
		again, err := pki.Renew(files, c, []string{"apiserver"}, written, later())
		if err != nil || len(again.Files) != 2 {
			t.Fatalf("%s: %d files, %v", name, len(again.Files), err)
		}
		if err := pki.Valid(pki.Tree(c, newNode())[1], again.Files[1].Content.Reveal(), again.Files[0].Content, files[dir+"ca.crt"].Reveal(), later()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func dropped(files map[string]secret.Bytes, paths ...string) map[string]secret.Bytes {
	files = maps.Clone(files)
	for _, p := range paths {
		delete(files, p)
	}
	return files
}

// A run that goes on leaves what it has written.
func TestRenewLeavesWhatIsWritten(t *testing.T) {
	c, files := controlPlane(t)
	r, err := pki.Renew(files, c, []string{"apiserver", "scheduler.conf", "etcd-peer"}, func(p string, _ secret.Bytes) bool {
		return strings.HasPrefix(p, dir+"apiserver.") || p == cluster.SchedulerConf || p == dir+"etcd/peer.key"
	}, later())
	if err != nil || strings.Join(r.Names, " ") != "etcd-peer" {
		t.Errorf("renewed %v, %v", r.Names, err)
	}
}

func TestRenewPassesOver(t *testing.T) {
	c, files := controlPlane(t)
	files = dropped(files, dir+"front-proxy-ca.key", cluster.SuperAdminConf)
	r, err := pki.Renew(files, c, all(c), never, later())
	if err != nil || len(r.Names) != 9 || len(r.Skipped) != 2 {
		t.Fatalf("renewed %v, not %v, %v", r.Names, r.Skipped, err)
	}
	if s := r.Skipped[0]; s.Name != "front-proxy-client" || !strings.Contains(s.Reason, "front-proxy-ca is external") {
		t.Errorf("got %+v", s)
	}
	if s := r.Skipped[1]; s.Name != "super-admin.conf" || s.Reason != "there is none" {
		t.Errorf("got %+v", s)
	}
}

// All that is wrong is told at once, and nothing is made.
func TestRenewCannot(t *testing.T) {
	c, files := controlPlane(t)
	junk := secret.NewBytes([]byte("-----BEGIN"))
	for name, tc := range map[string]struct {
		change func(map[string]secret.Bytes)
		at     time.Time
		want   map[string]pki.Problem
	}{
		"damaged": {func(f map[string]secret.Bytes) { f[dir+"apiserver.crt"], f[cluster.AdminConf] = junk, junk }, later(),
			map[string]pki.Problem{dir + "apiserver.crt": pki.Damaged, cluster.AdminConf: pki.Damaged}},
		"token":      {func(f map[string]secret.Bytes) { f[cluster.AdminConf] = tokenConf() }, later(), map[string]pki.Problem{cluster.AdminConf: pki.Missing}},
		"no ca":      {func(f map[string]secret.Bytes) { delete(f, dir+"etcd/ca.crt") }, later(), map[string]pki.Problem{dir + "etcd/ca.crt": pki.Missing}},
		"ca expired": {func(map[string]secret.Bytes) {}, at(2037), map[string]pki.Problem{dir + "ca.crt": pki.Expired}},
		"ca's key":   {func(f map[string]secret.Bytes) { f[dir+"ca.key"] = f[dir+"etcd/ca.key"] }, later(), map[string]pki.Problem{dir + "ca.crt": pki.Key}},
	} {
		have := maps.Clone(files)
		tc.change(have)
		r, err := pki.Renew(have, c, all(c), never, tc.at)
		if err == nil || len(r.Files) > 0 {
			t.Errorf("%s: %d files, %v", name, len(r.Files), err)
		}
		found := map[string]pki.Problem{}
		for _, check := range checks(err) {
			found[check.Path] = check.Problem
		}
		for p, problem := range tc.want {
			if found[p] != problem {
				t.Errorf("%s: %s is %q, want %q: %v", name, p, found[p], problem, err)
			}
		}
	}
}

func tokenConf() secret.Bytes {
	return pki.EncodeTokenKubeconfig("https://s:1", nil, secret.NewString("t"))
}

// People put contexts of their own into their admin.conf.
func TestRenewKeepsTheRestOfAKubeconfig(t *testing.T) {
	c, files := controlPlane(t)
	text := strings.Replace(string(files[cluster.AdminConf].Reveal()), "contexts:\n",
		"preferences: {colors: true}\ncontexts:\n- context: {cluster: mine, namespace: team, user: me}\n  name: mine\n", 1)
	text = strings.Replace(text, "users:\n", "users:\n- name: me\n  user: {token: own-token}\n", 1)
	files[cluster.AdminConf] = secret.NewBytes([]byte(text))
	r, err := pki.Renew(files, c, []string{"admin.conf"}, never, later())
	if err != nil {
		t.Fatal(err)
	}
	out := string(r.Files[0].Content.Reveal())
	for _, want := range []string{"own-token", "namespace: team", "colors: true"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is gone", want)
		}
	}
	k, err := pki.DecodeKubeconfig(r.Files[0].Content)
	if err != nil || k.User != "kubernetes-admin" || !parse(t, k.Cert).NotAfter.After(later()) {
		t.Errorf("the current context's user is %s, %v", k.User, err)
	}
}

// Without the cluster's configuration a key stays of its kind.
func TestRenewKeepsTheKindOfKey(t *testing.T) {
	c, files := controlPlane(t)
	c.KeyAlgorithm = ""
	ca := pki.Pair{Cert: files[dir+"front-proxy-ca.crt"].Reveal(), Key: files[dir+"front-proxy-ca.key"]}
	for _, kind := range []cluster.KeyAlgorithm{cluster.ECDSAP256, cluster.ECDSAP384, cluster.RSA2048, cluster.RSA3072} {
		spec := pki.Tree(c, newNode())[4]
		spec.Algorithm = kind
		pair, err := pki.Issue(spec, ca, now())
		if err != nil {
			t.Fatal(err)
		}
		files[spec.CertPath()], files[spec.KeyPath()] = secret.NewBytes(pair.Cert), pair.Key
		r, err := pki.Renew(files, c, []string{"front-proxy-client"}, never, later())
		if err != nil {
			t.Fatal(err)
		}
		got, old := parse(t, r.Files[1].Content.Reveal()), parse(t, pair.Cert)
		if got.PublicKeyAlgorithm != old.PublicKeyAlgorithm || len(got.RawSubjectPublicKeyInfo) != len(old.RawSubjectPublicKeyInfo) {
			t.Errorf("%s became %s", kind, got.PublicKeyAlgorithm)
		}
	}
}

func TestRenewKubelet(t *testing.T) {
	c, files := controlPlane(t)
	embedded := files[cluster.KubeletConf]
	k, err := pki.DecodeKubeconfig(embedded)
	if err != nil {
		t.Fatal(err)
	}
	spec := pki.KubeconfigSpecs(c, newNode())[2]
	refers := pki.EncodeKubeletKubeconfig("blue", "https://192.0.2.10:6443", "node1", k.CA)
	joined := secret.NewBytes(bytes.ReplaceAll(refers.Reveal(), []byte("system:node:node1"), []byte("default-auth")))
	client := secret.NewBytes(bytes.Join([][]byte{k.Cert, k.Key.Reveal()}, nil))
	for name, tc := range map[string]struct {
		conf, client secret.Bytes
		at           time.Time
		drop         string
		made, wrote  bool
	}{
		"valid":             {refers, client, now(), "", false, false},
		"expired":           {refers, client, later(), "", true, false},
		"gone":              {refers, secret.Bytes{}, now(), "", true, false},
		"gone, joined":      {joined, secret.Bytes{}, now(), "", true, false},
		"expired, joined":   {joined, client, later(), "", true, false},
		"damaged":           {refers, secret.NewBytes([]byte("x")), now(), "", true, false},
		"embedded, valid":   {embedded, secret.Bytes{}, now(), "", false, false},
		"embedded, expired": {embedded, secret.Bytes{}, later(), "", true, true},
		"external ca":       {refers, client, later(), dir + "ca.key", false, false},
		"token":             {tokenConf(), client, later(), "", false, false},
	} {
		have := dropped(files, tc.drop)
		have[cluster.KubeletConf], have[cluster.KubeletClientPEM] = tc.conf, tc.client
		made, conf, err := pki.RenewKubelet(have, c, "node1", tc.at)
		if err != nil || made.Empty() == tc.made || conf.Empty() == tc.wrote {
			t.Errorf("%s: made %t, kubelet.conf %t, %v", name, !made.Empty(), !conf.Empty(), err)
			continue
		}
		if tc.made {
			if err := pki.UsableClient(spec, made, have[dir+"ca.crt"].Reveal(), tc.at); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got, err := pki.DecodeKubeconfig(conf); tc.wrote && (err != nil || got.CertFile != cluster.KubeletClientPEM || got.User != "system:node:node1") {
			t.Errorf("%s: kubelet.conf is %+v, %v", name, got, err)
		}
	}
	if _, _, err := pki.RenewKubelet(map[string]secret.Bytes{cluster.KubeletConf: secret.NewBytes([]byte("{")), dir + "ca.key": files[dir+"ca.key"]}, c, "node1", now()); err == nil || errors.Unwrap(err) == nil {
		t.Errorf("a damaged kubelet.conf: %v", err)
	}
}
