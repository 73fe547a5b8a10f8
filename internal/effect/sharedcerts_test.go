package effect_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/pki"
)

var (
	certificateKey = secret.NewString(strings.Repeat("5a", 32))
	anotherKey     = secret.NewString(strings.Repeat("a5", 32))
)

// shared is the effect of certificates whose key is ca, encrypted under key
// with nonces that begin with seed, and owned by the token of an id.
func shared(t *testing.T, key secret.String, ca string, seed byte, owner string) effect.SharedCerts {
	t.Helper()
	cert := pki.Pair{Cert: []byte("certificate")}
	b := &pki.Bundle{Pairs: map[string]pki.Pair{"ca": {Cert: cert.Cert, Key: secret.NewBytes([]byte(ca))}, "front-proxy-ca": cert, "etcd/ca": cert},
		ServiceAccount: pki.KeyPair{Private: secret.NewBytes([]byte("key")), Public: []byte("public")}}
	sealed, err := pki.Seal(b, key, bytes.NewReader(bytes.Repeat([]byte{seed, 1, 2, 3, 4, 5, 6, 7}, 20)))
	must(t, err)
	proxy := bootstrap(owner, canary, false)
	proxy = with(with(proxy, "usage-bootstrap-signing", ""), "usage-bootstrap-authentication", "")
	return effect.SharedCerts{Secret: manifests.SharedCerts(sealed), Owner: proxy.Secret, Under: key, Now: now}
}

// aging is what was shared so long before now: its token lives for a day.
func aging(e effect.SharedCerts, ago time.Duration) effect.SharedCerts {
	e.Owner = with(effect.Token{Secret: e.Owner}, "expiration", now.Add(24*time.Hour-ago).Format(time.RFC3339)).Secret
	e.Now = now.Add(-ago)
	return e
}

func sharedRows(t *testing.T) map[string]row {
	e := shared(t, certificateKey, canary, 1, "abcdef")
	earlier := shared(t, certificateKey, canary, 2, "fedcba")
	return map[string]row{
		"shared, absent":           {effect: e},
		"shared, there":            {effect: e, before: applied(earlier), so: true},
		"shared, under another":    {effect: e, before: applied(shared(t, anotherKey, canary, 2, "fedcba"))},
		"shared, other content":    {effect: e, before: applied(shared(t, certificateKey, "old "+canary, 2, "fedcba"))},
		"shared, half its time":    {effect: e, before: applied(aging(earlier, 13*time.Hour))},
		"shared, expired":          {effect: e, before: applied(aging(earlier, 25*time.Hour))},
		"shared, without an owner": {effect: e, before: func(_ *testing.T, w *world) { w.Store.Put(e.Secret) }},
		"shared, owner is gone": {effect: e, before: both(applied(earlier),
			func(t *testing.T, w *world) { must(t, w.Store.Delete(t.Context(), kube.RefOf(earlier.Owner))) })},
		"shared, owner is another": {effect: e, before: both(applied(earlier), func(t *testing.T, w *world) {
			must(t, w.Store.Delete(t.Context(), kube.RefOf(earlier.Owner)))
			w.Store.Put(earlier.Owner)
		})},
		"shared, no ciphertext": {effect: e, before: stored("apiVersion: v1\nkind: Secret\nmetadata: {name: kubeadm-certs, namespace: kube-system}\ndata: {ca.key: '!', x: null}\n")},
	}
}

func sharedNow(t *testing.T, w *world) *unstructured.Unstructured {
	t.Helper()
	live, err := w.Store.Get(t.Context(), kube.RefOf(manifests.SharedCerts(nil)))
	must(t, err)
	return live
}

// A joining node never reads entries of two keys, and what an earlier upload
// had more is gone; kubeadm's controller reference makes room for ours.
func TestSharedCertsAreReplacedWhole(t *testing.T) {
	w, e := newWorld(t), shared(t, certificateKey, canary, 1, "abcdef")
	stored("apiVersion: v1\nkind: Secret\nmetadata: {name: kubeadm-certs, namespace: kube-system, ownerReferences: [{apiVersion: v1, kind: Secret, name: bootstrap-token-kubead, uid: x, controller: true}]}\ndata: {external-etcd.key: AAAA, ca.key: AAAA}\n")(t, w)
	if got := look(t, w, e); got.Verb != plan.Update || !strings.Contains(got.Summary, "under another certificate key") {
		t.Errorf("%+v", got)
	}
	before := w.Store.Mutations()
	converge(t, w, e)
	if n := w.Store.Mutations() - before; n != 2 {
		t.Errorf("%d writes, want one of the token and one of the Secret", n)
	}
	live := sharedNow(t, w)
	data, _, _ := unstructured.NestedMap(live.Object, "data")
	wanted, _, _ := unstructured.NestedMap(e.Secret.Object, "data")
	refs := live.GetOwnerReferences()
	if len(data) != len(wanted) || len(refs) != 1 || refs[0].Name != "bootstrap-token-abcdef" || refs[0].UID == "" || !*refs[0].Controller || !*refs[0].BlockOwnerDeletion {
		t.Errorf("entries %v of %v", data, refs)
	}
}

// What expires is deleted by the cluster, perhaps between looking and acting.
func TestSharedCertsThatGoMeanwhile(t *testing.T) {
	w, e := newWorld(t), shared(t, certificateKey, canary, 1, "abcdef")
	converge(t, w, aging(shared(t, anotherKey, canary, 2, "fedcba"), 25*time.Hour))
	observed, err := e.Observe(t.Context(), w)
	must(t, err)
	must(t, w.Store.Delete(t.Context(), kube.RefOf(e.Secret)))
	must(t, e.Apply(t.Context(), w, observed))
	if got := look(t, w, e); !got.Empty() {
		t.Errorf("%+v", got)
	}
}

func TestSharedCertsUnderNoKey(t *testing.T) {
	w, e := newWorld(t), shared(t, certificateKey, canary, 1, "abcdef")
	w.Store.Put(kubetest.Object(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: kubeadm-certs, namespace: kube-system}\n"))
	e.Under = secret.NewString("5a")
	if _, err := e.Observe(t.Context(), w); err == nil || !strings.Contains(err.Error(), e.Key()) {
		t.Errorf("observed: %v", err)
	}
}
