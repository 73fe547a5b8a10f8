package pki_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

var sharedKey = secret.NewString("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")

// nonces are not random, so that what comes out can be compared.
func nonces() *bytes.Reader {
	all := make([]byte, 9*12)
	for i := range all {
		all[i] = byte(i)
	}
	return bytes.NewReader(all)
}

// One was made with kubeadm's own EncryptBytes, the other, of nonce 64 65 … 6f,
// with Python's cryptography; kubeadm's DecryptBytes reads both.
func TestOpenWhatOthersEncrypted(t *testing.T) {
	for _, sealed := range []string{
		"d0521b589bfb2566bd9d490473fcd21350aaff1b4d58bd54c99f187826288366196062c4861bed777a4b",
		"6465666768696a6b6c6d6e6f293bbd030b9d3ff857013e9cbf6fb08d6b7a017151718b8d6332cfe7aa97",
	} {
		raw, err := hex.DecodeString(sealed)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pki.Open(map[string][]byte{"x": raw, "empty": nil}, sharedKey)
		if err != nil || string(got["x"].Reveal()) != "a certificate\n" || !got["empty"].Empty() {
			t.Errorf("%s: %q, %v", sealed, got["x"].Reveal(), err)
		}
	}
	cert := pki.Pair{Cert: []byte("a certificate\n")}
	b := &pki.Bundle{Pairs: map[string]pki.Pair{"ca": cert, "front-proxy-ca": cert, "etcd/ca": cert},
		ServiceAccount: pki.KeyPair{Private: secret.NewBytes([]byte("key")), Public: []byte("public")}}
	got, err := pki.Seal(b, sharedKey, strings.NewReader(strings.Repeat("defghijklmno", 5))) // 64 65 … 6f
	if err != nil || hex.EncodeToString(got["ca.crt"]) != "6465666768696a6b6c6d6e6f293bbd030b9d3ff857013e9cbf6fb08d6b7a017151718b8d6332cfe7aa97" {
		t.Errorf("sealed: %x, %v", got["ca.crt"], err)
	}
}

func TestUnsealGivesWhatWasSealed(t *testing.T) {
	external := newCluster()
	external.Etcd.External = &cluster.ExternalEtcd{CAFile: "/e/ca.pem", CertFile: "/e/c.pem", KeyFile: "/e/k.pem"}
	plain := newCluster() // an etcd without TLS
	plain.Etcd.External = &cluster.ExternalEtcd{}
	const common = dir + "ca.crt " + dir + "ca.key " + dir + "front-proxy-ca.crt " + dir + "front-proxy-ca.key " + dir + "sa.key " + dir + "sa.pub"
	for name, c := range map[string]struct {
		cluster *cluster.Cluster
		without []string
		files   string // of one after another
		entries string
	}{
		"etcd of its own": {newCluster(), nil, common + " " + dir + "etcd/ca.crt " + dir + "etcd/ca.key", "etcd-ca.crt etcd-ca.key"},
		"external CAs": {newCluster(), []string{dir + "ca.key", dir + "front-proxy-ca.key", dir + "etcd/ca.key"},
			dir + "ca.crt " + dir + "front-proxy-ca.crt " + dir + "sa.key " + dir + "sa.pub " + dir + "etcd/ca.crt", "etcd-ca.crt etcd-ca.key"},
		"external etcd":    {external, nil, common + " /e/ca.pem /e/c.pem /e/k.pem", "external-etcd-ca.crt external-etcd.crt external-etcd.key"},
		"etcd without TLS": {plain, nil, common, "external-etcd-ca.crt external-etcd.crt external-etcd.key"},
	} {
		files := contents(ensure(t, newCluster(), newNode(), nil))
		for _, p := range []string{"/e/ca.pem", "/e/c.pem", "/e/k.pem"} {
			files[p] = secret.NewBytes([]byte(p))
		}
		for _, p := range c.without {
			delete(files, p)
		}
		b, err := pki.Read(files, c.cluster)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := pki.Seal(b, sharedKey, nonces())
		if err != nil {
			t.Fatal(err)
		}
		// kubeadm asks for every entry, also for those that are empty.
		entries := strings.Fields("ca.crt ca.key front-proxy-ca.crt front-proxy-ca.key sa.key sa.pub " + c.entries)
		if got := slices.Sorted(maps.Keys(sealed)); !slices.Equal(got, slices.Sorted(slices.Values(entries))) {
			t.Errorf("%s: entries %v", name, got)
		}
		got, err := pki.Unseal(sealed, sharedKey, c.cluster)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := map[string]secret.Bytes{}
		for _, p := range strings.Fields(c.files) {
			want[p] = files[p]
		}
		if !maps.EqualFunc(got, want, secret.Bytes.Equal) {
			t.Errorf("%s: %v, want %v", name, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
		for _, p := range pki.SharedFiles(c.cluster) {
			if _, ok := got[p]; !ok && !slices.Contains(c.without, p) {
				t.Errorf("%s: %s is not shared", name, p)
			}
		}
	}
}

func TestUnsealTellsWhatIsWrong(t *testing.T) {
	sealed, err := pki.Seal(ensure(t, newCluster(), newNode(), nil), sharedKey, nonces())
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(map[string][]byte)) map[string][]byte {
		data := maps.Clone(sealed)
		change(data)
		return data
	}
	other := secret.NewString(strings.Repeat("ab", 32))
	for name, c := range map[string]struct {
		data    map[string][]byte
		key     secret.String
		problem pki.Problem
		says    string
	}{
		"no hex":     {sealed, secret.NewString("xyz"), pki.Key, "not hexadecimal"},
		"too short":  {sealed, secret.NewString("abcd"), pki.Key, "has 2 bytes, not 32"},
		"AES-128":    {sealed, secret.NewString(strings.Repeat("ab", 16)), pki.Key, "has 16 bytes, not 32"},
		"none":       {sealed, secret.String{}, pki.Key, "has 0 bytes"},
		"wrong key":  {sealed, other, pki.WrongKey, "under another certificate key"},
		"damaged":    {with(func(d map[string][]byte) { d["sa.key"] = append([]byte{1}, d["sa.key"]...) }), sharedKey, pki.Damaged, "sa.key: damaged"},
		"cut short":  {with(func(d map[string][]byte) { d["ca.key"], d["ca.crt"] = []byte{1}, d["ca.crt"][:12] }), sharedKey, pki.Damaged, "ca.crt, ca.key: damaged"},
		"missing":    {with(func(d map[string][]byte) { delete(d, "etcd-ca.key") }), sharedKey, pki.Missing, "etcd-ca.key: it is not among them"},
		"no entries": {nil, sharedKey, pki.Missing, "ca.crt: it is not among them"},
	} {
		files, err := pki.Unseal(c.data, c.key, newCluster())
		var shared *pki.SharedError
		if !errors.As(err, &shared) || shared.Problem != c.problem || !strings.Contains(err.Error(), c.says) || files != nil {
			t.Errorf("%s: %v", name, err)
		} else if !c.key.Empty() && strings.Contains(err.Error(), c.key.Reveal()) {
			t.Errorf("%s: the error shows the key", name)
		}
	}
	if _, err := pki.Seal(ensure(t, newCluster(), newNode(), nil), secret.NewString("x"), nonces()); err == nil {
		t.Error("sealed under no key")
	}
	if _, err := pki.Seal(ensure(t, newCluster(), newNode(), nil), sharedKey, bytes.NewReader(nil)); err == nil {
		t.Error("sealed without randomness")
	}
}

// A node that is not given a service account key would make its own, with which
// no token of the cluster is valid.
func TestSealMissesWhatAllHave(t *testing.T) {
	for name, more := range map[string]int{"ca.crt": 0, "sa.key": 0, "sa.pub": 0, "front-proxy-ca.crt": 0, "etcd/ca.crt": 0, "ca.crt sa.key": 1} {
		files := contents(ensure(t, newCluster(), newNode(), nil))
		for base := range strings.FieldsSeq(name) {
			delete(files, dir+base)
		}
		b, err := pki.Read(files, newCluster())
		if err != nil {
			t.Fatal(err)
		}
		_, err = pki.Seal(b, sharedKey, nonces())
		var missing *pki.CheckError
		if !errors.As(err, &missing) || missing.Problem != pki.Missing || !strings.HasPrefix(name, strings.TrimPrefix(missing.Path, dir)) || strings.Count(err.Error(), "\n") != more {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCertificateKey(t *testing.T) {
	key, err := pki.CertificateKey(bytes.NewReader(bytes.Repeat([]byte{0xab}, 32)))
	if err != nil || key.Reveal() != strings.Repeat("ab", 32) {
		t.Errorf("%v", err)
	}
	if _, err := pki.CertificateKey(bytes.NewReader(nil)); err == nil {
		t.Error("a key without randomness")
	}
}
