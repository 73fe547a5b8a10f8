package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/client"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/secret"
)

const canary = "abcdef.0123456789abcdef"

func connect(t *testing.T, config client.Config) *client.Client {
	t.Helper()
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func coreRef(kind, namespace, name string) kube.Ref {
	return kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: kind}, Namespace: namespace, Name: name}
}

func TestConformance(t *testing.T) {
	kubetest.RunConformance(t, func(t *testing.T) kubetest.API {
		server := kubetest.NewServer(t, kubetest.New())
		return connect(t, client.Config{Server: server.URL, CA: server.CA})
	})
}

func TestOneConnectionForAll(t *testing.T) {
	server := kubetest.NewServer(t, kubetest.New())
	var dials atomic.Int32
	c := connect(t, client.Config{Server: server.URL, CA: server.CA, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}})
	if _, err := c.Get(t.Context(), coreRef("Namespace", "", "default")); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := c.Get(t.Context(), coreRef("Namespace", "", "default")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if dials.Load() != 1 || server.Connections() != 1 {
		t.Errorf("%d dials, %d connections; want 1", dials.Load(), server.Connections())
	}
}

func TestDiscoveryIsAskedOnce(t *testing.T) {
	store := kubetest.New()
	server := kubetest.NewServer(t, store)
	c := connect(t, client.Config{Server: server.URL, CA: server.CA})
	store.Put(kubetest.Object(t, `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition,
		metadata: {name: gateways.example.org}, spec: {group: example.org, scope: Cluster, names: {kind: Gateway, plural: gateways}}}`))
	ref := kube.Ref{GroupVersionKind: schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Gateway"}, Name: "x"}
	for range 3 {
		if _, err := c.Get(t.Context(), ref); !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
	}
	if got := strings.Join(server.Requests(), "\n"); strings.Count(got, "GET /apis/example.org/v1\n") != 1 {
		t.Errorf("requests:\n%s", got)
	}
}

func TestErrorsNameTheObjectAndKeepTheStatus(t *testing.T) {
	store := kubetest.New()
	store.Before = func(verb string, _ kube.Ref) error {
		if verb == "apply" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "c", errors.New("no"))
		}
		return nil
	}
	server := kubetest.NewServer(t, store)
	c := connect(t, client.Config{Server: server.URL, CA: server.CA})
	_, err := c.Apply(t.Context(), kubetest.Object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: default}}"))
	if !apierrors.IsForbidden(err) || !strings.HasPrefix(err.Error(), "apply ConfigMap default/c: ") {
		t.Errorf("Apply = %v", err)
	}
}

// A lost connection comes back at once: client-go alone would ask again after
// a second, up to ten times.
func TestReadsAreNotRepeated(t *testing.T) {
	store := kubetest.New()
	server := kubetest.NewServer(t, store)
	c := connect(t, client.Config{Server: server.URL, CA: server.CA})
	store.Down(true)
	start := time.Now()
	if _, err := c.Get(t.Context(), coreRef("Node", "", "n")); err == nil {
		t.Error("Get from a broken server worked")
	}
	server.Close()
	c = connect(t, client.Config{Server: server.URL, CA: server.CA})
	if _, err := c.Get(t.Context(), coreRef("Node", "", "n")); !utilnet.IsConnectionRefused(err) {
		t.Errorf("Get from a closed server = %v, want connection refused", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestTimeoutAndContext(t *testing.T) {
	stop := make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	defer server.Close()
	defer close(stop)
	c := connect(t, client.Config{Server: server.URL, CA: pemOf(server.Certificate().Raw), Timeout: 50 * time.Millisecond})
	if _, err := c.Get(t.Context(), coreRef("Node", "", "n")); !utilnet.IsTimeout(err) {
		t.Errorf("Get = %v, want a timeout", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Get(ctx, coreRef("Node", "", "n")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Get = %v, want context deadline exceeded", err)
	}
}

func TestServerMustBeTheOneExpected(t *testing.T) {
	server, other := kubetest.NewServer(t, kubetest.New()), kubetest.NewServer(t, kubetest.New())
	get := func(config client.Config) error {
		_, err := connect(t, config).Get(t.Context(), coreRef("Namespace", "", "default"))
		return err
	}
	if err := get(client.Config{Server: server.URL, CA: server.CA, ServerName: "example.com"}); err != nil {
		t.Errorf("with the certificate's name: %v", err)
	}
	if err := get(client.Config{Server: server.URL, CA: server.CA, ServerName: "elsewhere.test"}); err == nil {
		t.Error("another server name was accepted")
	}
	if err := get(client.Config{Server: other.URL}); err == nil {
		t.Error("an unknown CA was accepted")
	}
}

func TestTokenIsSentAndNeverShown(t *testing.T) {
	var got atomic.Value
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Header.Get("Authorization"))
		w.Header().Set("Warning", `299 - "old version"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	var warning string
	c := connect(t, client.Config{
		Server: server.URL, CA: pemOf(server.Certificate().Raw), Token: secret.NewString(canary),
		Warn: func(message string) { warning = message },
	})
	_, err := c.Get(t.Context(), coreRef("Node", "", "n"))
	if !apierrors.IsUnauthorized(err) || strings.Contains(err.Error(), canary) {
		t.Errorf("Get = %v", err)
	}
	if got.Load() != "Bearer "+canary || warning != "old version" {
		t.Errorf("Authorization = %q, warning = %q", got.Load(), warning)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, config := range map[string]client.Config{
		"no server":         {},
		"plain http":        {Server: "http://10.0.0.1:6443"},
		"password in URL":   {Server: "https://u:" + canary + "@10.0.0.1:6443"},
		"CA is no PEM":      {Server: "https://10.0.0.1:6443", CA: []byte("x")},
		"key without cert":  {Server: "https://10.0.0.1:6443", Key: secret.NewBytes([]byte(canary))},
		"files not read":    {Server: "https://10.0.0.1:6443", Files: client.Files{CA: "/ca.crt"}},
		"unreadable server": {Server: "https://[::1"},
	} {
		if _, err := client.New(config); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: New = %v", name, err)
		}
	}
}
