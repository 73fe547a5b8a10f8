package pki_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

func TestUsableClient(t *testing.T) {
	c, n := newCluster(), newNode()
	b := ensure(t, c, n, nil)
	var kubelet pki.KubeconfigSpec
	for _, k := range pki.KubeconfigSpecs(c, n) {
		if k.Path == cluster.KubeletConf {
			kubelet = k
		}
	}
	file := func(p pki.Pair) secret.Bytes {
		return secret.NewBytes(bytes.Join([][]byte{p.Cert, p.Key.Reveal()}, nil))
	}
	issue := func(s pki.Spec, ca pki.Pair) pki.Pair {
		t.Helper()
		p, err := pki.Issue(s, ca, now())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	good := issue(kubelet.Client, b.Pairs["ca"])
	other := kubelet.Client
	other.CommonName = "system:node:other"
	foreign := issue(kubelet.Client, b.Pairs["front-proxy-ca"])
	for name, c := range map[string]struct {
		data   secret.Bytes
		at     time.Time
		usable bool
	}{
		"good":               {file(good), now(), true},
		"expired":            {file(good), now().Add(kubelet.Client.Validity + time.Hour), false},
		"of another node":    {file(issue(other, b.Pairs["ca"])), now(), false},
		"of another cluster": {file(foreign), now(), false},
		"another's key":      {file(pki.Pair{Cert: good.Cert, Key: foreign.Key}), now(), false},
		"without key":        {secret.NewBytes(good.Cert), now(), false},
		"nothing":            {secret.Bytes{}, now(), false},
	} {
		if err := pki.UsableClient(kubelet, c.data, b.Pairs["ca"].Cert, c.at); (err == nil) != c.usable {
			t.Errorf("%s: %v", name, err)
		}
	}
}
