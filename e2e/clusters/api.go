package clusters

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// API asks an API server from this process, outside of the nodes' programs and
// of both tools, with nothing but net/http.
type API struct {
	server string
	trust  *tls.Config
	client *http.Client
}

// StatusError is an answer that is no success.
type StatusError struct {
	Code int
	Body string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("HTTP %d: %s", e.Code, e.Body[:min(len(e.Body), 200)])
}

// OpenAPI uses the administrator's kubeconfig of a control plane.
func OpenAPI(ctx context.Context, n *nodes.Node) (*API, error) {
	data, err := n.ReadFile(ctx, Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("open API: %w", err)
	}
	return ParseKubeconfig(data)
}

// ParseKubeconfig is the API that a kubeconfig of kubeadm's form leads to.
func ParseKubeconfig(data []byte) (*API, error) {
	var k struct {
		Clusters []struct {
			Cluster struct {
				Server string `json:"server"`
				CA     []byte `json:"certificate-authority-data"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User struct {
				Certificate []byte `json:"client-certificate-data"`
				Key         []byte `json:"client-key-data"`
			} `json:"user"`
		} `json:"users"`
	}
	if err := yaml.Unmarshal(data, &k); err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	if len(k.Clusters) != 1 || len(k.Users) != 1 {
		return nil, errors.New("read kubeconfig: want one cluster and one user")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(k.Clusters[0].Cluster.CA) {
		return nil, errors.New("read kubeconfig: no certificate authority")
	}
	pair, err := tls.X509KeyPair(k.Users[0].User.Certificate, k.Users[0].User.Key)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	trust := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}
	transport := &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}
	return &API{k.Clusters[0].Cluster.Server, trust, &http.Client{Transport: transport, Timeout: 5 * time.Second}}, nil
}

// Dial makes a connection, such as nodes.Node.Dial.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// At is the same API at another address, with connections of its own. They are
// HTTP/1: a request that is given up takes its connection with it, so that the
// next one shows whether the address is served and not whether an old
// connection still hangs.
func (a *API) At(address string, dial Dial, timeout time.Duration) *API {
	transport := &http.Transport{TLSClientConfig: a.trust.Clone(), DialContext: dial, MaxConnsPerHost: 1}
	return &API{"https://" + address, a.trust, &http.Client{Transport: transport, Timeout: timeout}}
}

// Close closes the connections that are open.
func (a *API) Close() { a.client.CloseIdleConnections() }

// Get returns the body of an answer 200.
func (a *API) Get(ctx context.Context, path string) ([]byte, error) {
	return a.do(ctx, http.MethodGet, path, nil)
}

// Create posts an object and returns when the server says that it is made.
func (a *API) Create(ctx context.Context, path string, object []byte) error {
	_, err := a.do(ctx, http.MethodPost, path, object)
	return err
}

func (a *API) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = &StatusError{resp.StatusCode, string(answer)}
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return answer, nil
}
