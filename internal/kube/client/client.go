// Package client talks to an API server. It is the only importer of
// client-go, and of that only rest and dynamic: the typed clientset and its
// scheme cost more to start than everything else clusteradm does.
//
// Nothing is retried after a connection failed: whether asking again makes
// sense is known to the caller, who polls. A mutation the server turned away
// with a Retry-After (429, 503) is sent again by client-go, because the server
// said that it did nothing.
package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// Config says which server to talk to and as whom.
type Config struct {
	Server     string // "https://host:port"
	ServerName string // the name the server's certificate must have; empty: the host of Server
	CA         []byte // PEM; empty: the system's roots
	Cert       []byte // PEM of the client certificate
	Key        secret.Bytes
	Token      secret.String

	// Files are what a kubeconfig refers to instead of embedding it. New
	// refuses them: the caller reads them, maybe on another machine.
	Files Files

	Dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	Proxy   func(*http.Request) (*url.URL, error) // nil: none; the environment is the caller's to read
	Timeout time.Duration                         // of one request; 0: none but the context's
	Warn    func(message string)                  // the server's warnings; nil drops them
}

// Files are paths to credentials.
type Files struct{ CA, Cert, Key, Token string }

// Client is a kube.Reader and kube.Writer over one HTTP/2 connection.
type Client struct {
	dynamic   dynamic.Interface
	rest      rest.Interface
	transport *http.Transport

	mu    sync.Mutex
	kinds map[string]map[string]string // "group/version" -> kind -> resource, as discovered
}

var (
	_ kube.Reader = (*Client)(nil)
	_ kube.Writer = (*Client)(nil)
)

// New makes a client. It opens no connection.
func New(config Config) (*Client, error) {
	if config.Files != (Files{}) {
		return nil, errors.New("configure API client: credentials are in files that were not read")
	}
	server, err := url.Parse(config.Server)
	if err != nil || server.Scheme != "https" || server.Host == "" || server.User != nil {
		return nil, fmt.Errorf("configure API client: server %q: want https://host:port", redactUser(server, config.Server))
	}
	transport, err := newTransport(config)
	if err != nil {
		return nil, fmt.Errorf("configure API client: %w", err)
	}
	settings := dynamic.ConfigFor(&rest.Config{
		Host:           config.Server,
		BearerToken:    config.Token.Reveal(),
		UserAgent:      "clusteradm",
		QPS:            -1, // the server knows its load better than we do
		WarningHandler: warner(config.Warn),
	})
	wrapped, err := rest.HTTPWrappersForConfig(settings, transport)
	if err != nil {
		return nil, fmt.Errorf("configure API client: %w", err)
	}
	plain, err := rest.UnversionedRESTClientForConfigAndClient(settings, &http.Client{Transport: wrapped, Timeout: config.Timeout})
	if err != nil {
		return nil, fmt.Errorf("configure API client: %w", err)
	}
	once := readsOnce{plain}
	return &Client{dynamic: dynamic.New(once), rest: once, transport: transport, kinds: map[string]map[string]string{}}, nil
}

// Close drops the connection when it is idle. The client can be used again.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// newTransport is not client-go's own: that one lives in a process-wide cache
// and is never closed.
func newTransport(config Config) (*http.Transport, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: config.ServerName}
	if len(config.CA) > 0 {
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(config.CA) {
			return nil, errors.New("read CA: no certificate in it")
		}
	}
	if len(config.Cert) > 0 || !config.Key.Empty() {
		pair, err := tls.X509KeyPair(config.Cert, config.Key.Reveal())
		if err != nil {
			return nil, fmt.Errorf("read client certificate: %w", err)
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	dial := config.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	}
	return &http.Transport{
		TLSClientConfig:     settings,
		DialContext:         dial,
		Proxy:               config.Proxy,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		IdleConnTimeout:     90 * time.Second,
		// A control plane that vanished, as in a reboot, answers no ping:
		// requests fail then instead of hanging on its connection.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
	}, nil
}

// readsOnce keeps client-go from repeating reads, which it would do after a
// second and up to ten times: callers poll faster and know when to stop.
type readsOnce struct{ rest.Interface }

func (r readsOnce) Get() *rest.Request { return r.Interface.Get().MaxRetries(0) }

type warner func(string)

func (w warner) HandleWarningHeader(code int, _ string, message string) {
	if w != nil && code == 299 && message != "" {
		w(message)
	}
}

func redactUser(parsed *url.URL, raw string) string {
	if parsed == nil {
		return "[unreadable]"
	}
	if parsed.User != nil {
		return parsed.Redacted()
	}
	return raw
}
