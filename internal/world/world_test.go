package world_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
)

// machine counts the connections that are made from it.
type machine struct {
	*hosttest.Machine
	dialled *atomic.Int32
}

func (m machine) DialHost(ctx context.Context, network, addr string) (net.Conn, error) {
	m.dialled.Add(1)
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

func newMachine() machine {
	return machine{hosttest.New("cp1", hosttest.Options{}), new(atomic.Int32)}
}

func serve(t *testing.T, status int) (url string, ca []byte) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		w.Write([]byte("body"))
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func TestProbe(t *testing.T) {
	ok, ca := serve(t, 200)
	noContent, _ := serve(t, 204)
	redirected, _ := serve(t, 304)
	failing, _ := serve(t, 500)
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, c := range map[string]struct {
		probe plan.Probe
		says  string // empty: healthy
	}{
		"200":              {plan.Probe{URL: ok + "/livez", CA: ca}, ""},
		"204":              {plan.Probe{URL: noContent, CA: ca}, ""},
		"without a ca":     {plan.Probe{URL: ok}, ""},
		"not modified":     {plan.Probe{URL: redirected}, "304"},
		"500":              {plan.Probe{URL: failing + "/livez", CA: ca}, "/livez: 500 Internal Server Error"},
		"refused":          {plan.Probe{URL: closed.URL}, "connection refused"},
		"no url":           {plan.Probe{URL: "://"}, "probe ://"},
		"no certificate":   {plan.Probe{URL: ok, CA: []byte("none")}, "holds no certificate"},
		"somebody else's":  {plan.Probe{URL: ok, CA: otherCert(t)}, "certificate"},
		"an unknown host":  {plan.Probe{URL: "https://127.0.0.1:0"}, "127.0.0.1:0"},
		"with the ca once": {plan.Probe{URL: ok, CA: ca}, ""},
	} {
		w := world.New(world.Parts{Machine: newMachine()})
		switch err := w.Probe(t.Context(), "cp1", c.probe); {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: error is %v, want one that says %q", name, err, c.says)
		}
	}
	if err := world.New(world.Parts{Machine: newMachine()}).Probe(t.Context(), "", plan.Probe{URL: closed.URL}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a refused connection cannot be told: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := world.New(world.Parts{Machine: newMachine()}).Probe(ctx, "", plan.Probe{URL: ok}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// Polling a health endpoint must not open a connection each time.
func TestProbesShareAConnection(t *testing.T) {
	url, ca := serve(t, 200)
	m := newMachine()
	w := world.New(world.Parts{Machine: m})
	for range 5 {
		if err := w.Probe(t.Context(), "cp1", plan.Probe{URL: url, CA: ca}); err != nil {
			t.Fatal(err)
		}
	}
	if n := m.dialled.Load(); n != 1 {
		t.Errorf("%d connections from the machine, want 1", n)
	}
}

// What observes gets nothing that can change the machine.
func TestHostIsForReading(t *testing.T) {
	m := newMachine()
	w := world.New(world.Parts{Machine: m})
	if _, ok := w.Host("cp1").(host.Host); ok {
		t.Error("a view can change the machine")
	}
	if w.Mutate("cp1") != host.Host(m) {
		t.Error("a change goes to another machine")
	}
}

var (
	namespace = kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, Name: "kube-system"}
	config    = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: kube-system}\ndata: {a: b}\n"
)

func TestLazyConnectsOnceWhenItCan(t *testing.T) {
	store := kubetest.New()
	notYet := errors.New("no credentials yet")
	tries, ready := 0, false
	lazy := &world.Lazy{Connect: func(context.Context) (world.Client, error) {
		if tries++; !ready {
			return nil, notYet
		}
		return store, nil
	}}
	object := kubetest.Object(t, config)
	ref := kube.RefOf(object)
	calls := map[string]func(context.Context) error{
		"get":     func(ctx context.Context) error { _, err := lazy.Get(ctx, namespace); return err },
		"list":    func(ctx context.Context) error { _, err := lazy.List(ctx, namespace, ""); return err },
		"dry-run": func(ctx context.Context) error { _, err := lazy.DryRunApply(ctx, object); return err },
		"apply":   func(ctx context.Context) error { _, err := lazy.Apply(ctx, object); return err },
		"create":  func(ctx context.Context) error { _, err := lazy.Create(ctx, object); return err },
		"patch": func(ctx context.Context) error {
			_, err := lazy.MergePatch(ctx, ref, []byte(`{"data":{"a":"c"}}`))
			return err
		},
		"delete": func(ctx context.Context) error { return lazy.Delete(ctx, ref) },
	}
	for name, call := range calls {
		if err := call(t.Context()); !errors.Is(err, notYet) {
			t.Errorf("%s before there are credentials: %v", name, err)
		}
	}
	if tries != len(calls) {
		t.Errorf("%d tries for %d calls: a failure must not last", tries, len(calls))
	}
	ready = true
	var parallel sync.WaitGroup
	for range 8 {
		parallel.Go(func() { _, _ = lazy.Get(t.Context(), namespace) })
	}
	parallel.Wait()
	for _, name := range []string{"create", "apply", "dry-run", "patch", "list", "delete"} {
		if err := calls[name](t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if tries != len(calls)+1 {
		t.Errorf("connected %d times", tries-len(calls))
	}
}

func otherCert(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
