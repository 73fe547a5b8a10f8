//go:build e2e

package scenarios

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

// asker asks an API server every 50 ms, for its readiness and for its Nodes in
// turn, over a connection that is kept and over new ones. A request that fails
// is made once more.
type asker struct {
	cancel         context.CancelFunc
	done           sync.WaitGroup
	asked, retried int
	failed         []string
}

func ask(t *testing.T, cp *nodes.Node) *asker { return askAs(t, cp, "") }

// askAs asks a control plane at its address, and wants its certificate to have
// a name; without one, where its kubeconfig asks.
func askAs(t *testing.T, cp *nodes.Node, name string) *asker {
	t.Helper()
	data := do(t)(clusters.Must(t.Context(), cp, "cat", clusters.Kubeconfig))
	conf, err := pki.DecodeKubeconfig(secret.NewBytes([]byte(data)))
	must(t, err)
	if name != "" {
		conf.Server = "https://" + cp.Address() + ":6443"
	}
	pair, err := tls.X509KeyPair(conf.Cert, conf.Key.Reveal())
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(conf.CA)
	client := func(fresh bool) *http.Client {
		return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: fresh, ForceAttemptHTTP2: !fresh,
			TLSClientConfig: &tls.Config{ServerName: name, RootCAs: roots, Certificates: []tls.Certificate{pair}}}}
	}
	clients := []*http.Client{client(false), client(true)}
	ctx, cancel := context.WithCancel(t.Context())
	a := &asker{cancel: cancel}
	a.done.Go(func() {
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			url := conf.Server + []string{"/readyz", "/api/v1/nodes"}[i%2]
			a.one(ctx, clients[i/2%2], url)
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
	return a
}

func (a *asker) one(ctx context.Context, c *http.Client, url string) {
	first := get(ctx, c, url)
	if ctx.Err() != nil {
		return
	}
	a.asked++
	if first == nil {
		return
	}
	a.retried++
	if second := get(ctx, c, url); second != nil && ctx.Err() == nil {
		a.failed = append(a.failed, fmt.Sprintf("%s %s: %v; %v", time.Now().Format("15:04:05.000"), url, first, second))
	}
}

func get(ctx context.Context, c *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	return err
}

// stop ends the asking; a request that failed twice fails the test.
func (a *asker) stop(t *testing.T) (asked, retried int) {
	t.Helper()
	a.cancel()
	a.done.Wait()
	for _, f := range a.failed {
		t.Errorf("failed twice: %s", f)
	}
	if a.asked < 10 {
		t.Errorf("only %d requests were made", a.asked)
	}
	return a.asked, a.retried
}
