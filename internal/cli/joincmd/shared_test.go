package joincmd

import (
	"bytes"
	"encoding/base64"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

const certificateKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// sharing is a cluster with what its control planes share.
type sharing struct {
	c     *cluster.Cluster
	files map[string]secret.Bytes
	ca    []byte
	store *kubetest.Store
}

func newSharing(t *testing.T, uploaded bool) *sharing {
	t.Helper()
	s := &sharing{c: &cluster.Cluster{CertificatesDir: "/etc/kubernetes/pki", KeyAlgorithm: cluster.ECDSAP256, CAValidity: time.Hour, LeafValidity: time.Hour},
		files: map[string]secret.Bytes{}, store: kubetest.New()}
	bundle, err := pki.Ensure(nil, pki.Tree(s.c, cluster.Node{Name: "cp1", Address: netip.MustParseAddr("192.0.2.10")}), nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.ca = bundle.Pairs["ca"].Cert
	for _, f := range pki.Files(bundle) {
		if slices.Contains(pki.SharedFiles(s.c), f.Path) {
			s.files[f.Path] = f.Content
		}
	}
	if !uploaded {
		return s
	}
	sealed, err := pki.Seal(bundle, secret.NewString(certificateKey), bytes.NewReader(make([]byte, 1<<10)))
	if err != nil {
		t.Fatal(err)
	}
	text := "apiVersion: v1\nkind: Secret\nmetadata: {name: kubeadm-certs, namespace: kube-system}\ndata:\n"
	for _, name := range slices.Sorted(maps.Keys(sealed)) {
		text += "  " + name + ": \"" + base64.StdEncoding.EncodeToString(sealed[name]) + "\"\n"
	}
	s.store.Put(kubetest.Object(t, text))
	return s
}

// without are the files but for some.
func (s *sharing) without(names ...string) map[string]secret.Bytes {
	files := maps.Clone(s.files)
	for _, name := range names {
		delete(files, s.c.PKI(name))
	}
	return files
}

func TestSharedFiles(t *testing.T) {
	there, gone := newSharing(t, true), newSharing(t, false)
	other := newSharing(t, false)
	foreign := there.without()
	foreign["/etc/kubernetes/pki/sa.key"] = other.files["/etc/kubernetes/pki/sa.key"]
	delete(foreign, "/etc/kubernetes/pki/sa.pub")
	forbidden := newSharing(t, true)
	forbidden.store.Before = func(verb string, ref kube.Ref) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, ref.Name, errors.New("no"))
	}
	const key, other64 = certificateKey, "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	for name, c := range map[string]struct {
		s    *sharing
		here map[string]secret.Bytes
		key  string
		want string // error
	}{
		"brought by hand":                         {gone, gone.files, "", ""},
		"downloaded":                              {there, nil, key, ""},
		"a part was brought by hand":              {there, there.without("ca.key", "sa.pub"), key, ""},
		"all there, and what was uploaded is not": {gone, gone.files, key, ""},
		"nobody has the authority's key":          {gone, gone.without("ca.key", "front-proxy-ca.key", "sa.pub"), key, ""},
		"nothing and no key":                      {there, nil, "", "neither on this machine nor to be downloaded without --certificate-key: /etc/kubernetes/pki/ca.crt, /etc/kubernetes/pki/front-proxy-ca.crt, /etc/kubernetes/pki/sa.key, /etc/kubernetes/pki/etcd/ca.crt"},
		"expired":                                 {gone, nil, key, "they were not uploaded, or have expired"},
		"never uploaded":                          {forbidden, nil, key, "they were never uploaded"},
		"another key":                             {there, nil, other64, "another certificate key"},
		"of another cluster":                      {there, other.files, "", "ca.crt on this machine is of another cluster"},
		"another's service account key":           {there, foreign, key, "sa.key on this machine is not the cluster's"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := sharedFiles(t.Context(), c.s.store, c.s.c, c.here, c.s.ca, secret.NewString(c.key))
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("error %v, want %s", err, c.want)
				}
				if c.key != "" && strings.Contains(err.Error(), c.key) {
					t.Error("the error holds the key")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for path, data := range got {
				if data.Digest() != c.s.files[path].Digest() {
					t.Errorf("%s is another", path)
				}
			}
			if len(needed(c.s.c, got)) > 0 {
				t.Errorf("missing %v", needed(c.s.c, got))
			}
		})
	}
}

func TestHowToShareIsHinted(t *testing.T) {
	_, err := sharedFiles(t.Context(), kubetest.New(), newSharing(t, false).c, nil, nil, secret.NewString(certificateKey))
	var missing *SharedError
	if !errors.As(err, &missing) || !strings.Contains(strings.Join(missing.Hints(), "\n"), "clusteradm token create --print-join-command --control-plane") {
		t.Errorf("%v", err)
	}
}
