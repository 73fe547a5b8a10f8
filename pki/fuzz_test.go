package pki_test

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

// seeds are files as they are, and cut short.
func seeds(f *testing.F, paths ...string) {
	f.Helper()
	for _, file := range pki.Files(ensure(f, newCluster(), newNode(), nil)) {
		for _, p := range paths {
			if file.Path == p {
				f.Add(file.Content.Reveal())
				f.Add(file.Content.Reveal()[:file.Content.Len()/2])
			}
		}
	}
}

// FuzzCertificate: any bytes in the place of any certificate or key are told or
// borne, and never made valid.
func FuzzCertificate(f *testing.F) {
	seeds(f, dir+"apiserver.crt", dir+"apiserver.key", dir+"ca.crt", dir+"ca.key", dir+"sa.pub")
	c, n := newCluster(), newNode()
	files := contents(ensure(f, c, n, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, have := secret.NewBytes(data), map[string]secret.Bytes{}
		for _, path := range []string{dir + "apiserver.crt", dir + "etcd/peer.key", dir + "ca.crt", dir + "sa.pub", cluster.KubeletClientPEM} {
			have[path] = got
		}
		pki.Inspect(have, c)
		_, _ = pki.Read(have, c)
		_, _ = pki.Pin(data)
		_ = pki.UsableClient(pki.KubeconfigSpecs(c, n)[2], got, files[dir+"ca.crt"].Reveal(), now())
		if pki.Valid(pki.Tree(c, n)[1], data, got, files[dir+"ca.crt"].Reveal(), now()) == nil {
			if _, err := pki.Leaf(data); err != nil {
				t.Errorf("valid and not to be parsed: %v", err)
			}
		}
	})
}

// FuzzKubeconfig: what is decoded can be renewed and is decoded again.
func FuzzKubeconfig(f *testing.F) {
	seeds(f, cluster.AdminConf, cluster.KubeletConf)
	f.Add(tokenConf().Reveal())
	f.Add([]byte("current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\nclusters: [{name: c}, 7]\nusers: [{name: u, user: []}]\n"))
	c := newCluster()
	files := contents(ensure(f, c, newNode(), nil))
	spec, caPEM := pki.KubeconfigSpecs(c, newNode())[0], files[dir+"ca.crt"].Reveal()
	client := pki.Pair{Cert: files[dir+"apiserver.crt"].Reveal(), Key: files[dir+"apiserver.key"]}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := secret.NewBytes(data)
		pki.Inspect(map[string]secret.Bytes{cluster.AdminConf: got, cluster.KubeletConf: got}, c)
		_ = pki.ValidKubeconfig(spec, got, caPEM, now())
		edited, err := pki.ReplaceClient(got, caPEM, client)
		if _, readable := pki.DecodeKubeconfig(got); err != nil || readable != nil {
			return
		}
		k, err := pki.DecodeKubeconfig(edited)
		if err != nil || !bytes.Equal(k.Cert, client.Cert) || !k.Key.Equal(client.Key) {
			t.Errorf("renewed, it is %+v, %v", k, err)
		}
	})
}

// FuzzUnseal: any bytes in the place of an entry are told or borne, and only
// what was encrypted under the key is ever given out.
func FuzzUnseal(f *testing.F) {
	// The same in each of the fuzzer's processes.
	pair := func(name string) pki.Pair {
		return pki.Pair{Cert: []byte(name + " certificate"), Key: secret.NewBytes([]byte(name + " key"))}
	}
	sealed, err := pki.Seal(&pki.Bundle{
		Pairs:          map[string]pki.Pair{"ca": pair("ca"), "front-proxy-ca": pair("front-proxy"), "etcd/ca": pair("etcd")},
		ServiceAccount: pki.KeyPair{Private: secret.NewBytes([]byte("private")), Public: []byte("public")},
	}, sharedKey, nonces())
	if err != nil {
		f.Fatal(err)
	}
	f.Add("ca.key", sealed["ca.key"], sharedKey.Reveal())
	f.Add("ca.key", sealed["ca.key"][:20], sharedKey.Reveal())
	f.Add("ca.crt", []byte{}, sharedKey.Reveal())
	f.Add("x", sealed["ca.key"], "abcd")
	f.Fuzz(func(t *testing.T, name string, data []byte, key string) {
		entries := maps.Clone(sealed)
		entries[name] = data
		files, err := pki.Unseal(entries, secret.NewString(key), newCluster())
		if err != nil {
			if len(files) > 0 {
				t.Error("an error and files")
			}
			return
		}
		whole, err := pki.Unseal(sealed, sharedKey, newCluster())
		if err != nil {
			t.Fatal(err)
		}
		for path, content := range files {
			if !whole[path].Equal(content) && !slices.ContainsFunc(slices.Collect(maps.Values(whole)), content.Equal) {
				t.Errorf("%s was never encrypted", path)
			}
		}
	})
}

// FuzzServer: a kubeconfig whose server was replaced has that one, and is as it
// was when the old one is put back.
func FuzzServer(f *testing.F) {
	seeds(f, cluster.AdminConf, cluster.KubeletConf)
	f.Add(pki.EncodeClusterInfo("https://192.0.2.10:6443", []byte("x")).Reveal())
	f.Add([]byte("current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: \"s\"}}, 7]\n"))
	f.Add([]byte("clusters:\n- cluster:\n    server: s\n- cluster: {server: s}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const server = "https://k8s.example.com:6443"
		old, err := pki.ServerOf(secret.NewBytes(data))
		if err != nil {
			return
		}
		out, err := pki.ReplaceServer(secret.NewBytes(data), server)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := pki.ServerOf(out); err != nil || got != server {
			t.Fatalf("%q, %v\n%s", got, err, out.Reveal())
		}
		back, err := pki.ReplaceServer(out, old)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := pki.ServerOf(back); err != nil || got != old {
			t.Fatalf("%q, %v\n%s", got, err, back.Reveal())
		}
	})
}
