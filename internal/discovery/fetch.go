package discovery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"
)

const (
	clusterInfoPath = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
	maxClusterInfo  = 1 << 20 // etcd's limit for an object
)

// configMap is cluster-info as served.
type configMap struct {
	Kind     string `json:"kind"`
	Metadata struct {
		CreationTimestamp time.Time `json:"creationTimestamp"`
	} `json:"metadata"`
	Data map[string]string `json:"data"`

	age  time.Duration // by the server's own clock, 0 if it does not say
	date time.Time     // the server's own clock, zero if it does not say
	took time.Duration
	// chain is what the server showed itself with; it is not checked here
	// unless the transport does.
	chain []*x509.Certificate
}

// fetcher reads cluster-info over one transport.
type fetcher struct {
	endpoint string
	now      func() time.Time
	limits   patience
	http     *http.Client
}

// newFetcher trusts roots; nil trusts anyone, for what is proven otherwise.
func newFetcher(options Options, roots *x509.CertPool, limits patience) fetcher {
	return fetcher{options.Endpoint, options.Now, limits, &http.Client{
		Transport: &http.Transport{
			DialContext:         within(limits.connect, options.Dial),
			TLSHandshakeTimeout: limits.connect,
			Proxy:               options.Proxy,
			TLSClientConfig: &tls.Config{
				MinVersion: tls.VersionTLS12, RootCAs: roots, Time: options.Now,
				// Before the CA is known there is nothing to verify with: the
				// signature and the pin prove the content.
				InsecureSkipVerify: roots == nil,
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

type dial = func(ctx context.Context, network, addr string) (net.Conn, error)

// within bounds the making of a connection.
func within(limit time.Duration, d dial) dial {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return d(ctx, network, addr)
	}
}

func (f fetcher) close() { f.http.CloseIdleConnections() }

func (f fetcher) get(ctx context.Context) (configMap, error) {
	ctx, cancel := context.WithTimeout(ctx, f.limits.attempt)
	defer cancel()
	accepted := false // the connection was, whatever came of it
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{TLSHandshakeStart: func() { accepted = true }})
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+f.endpoint+clusterInfoPath, nil)
	if err != nil {
		return configMap{}, fmt.Errorf("%w: endpoint: want host:port", ErrInvalid)
	}
	request.Header.Set("Accept", "application/json")
	began := time.Now()
	response, err := f.http.Do(request)
	if err != nil {
		return configMap{}, f.classify(err, accepted)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxClusterInfo+1))
	if err != nil {
		return configMap{}, f.classify(err, accepted)
	}
	found := configMap{took: time.Since(began)}
	if response.TLS != nil {
		found.chain = response.TLS.PeerCertificates
	}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		found.date = date
	}
	switch {
	case response.StatusCode != http.StatusOK:
		return found, f.refused(response, body)
	case len(body) > maxClusterInfo:
		return found, fmt.Errorf("%w: it is larger than 1 MiB", ErrMalformed)
	case json.Unmarshal(body, &found) != nil || found.Kind != "ConfigMap":
		return found, fmt.Errorf("%w: it is no ConfigMap", ErrMalformed)
	}
	if made := found.Metadata.CreationTimestamp; !made.IsZero() && !found.date.IsZero() {
		// The Date has whole seconds and may lie before the creation.
		found.age = max(found.date.Sub(made), time.Nanosecond)
	}
	return found, nil
}

// classify tells what can pass from what cannot. accepted: the endpoint took the
// connection.
func (f fetcher) classify(err error, accepted bool) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the URL, which may be private
	}
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return clockError("server certificate", invalid.Cert, f.now())
	}
	var verification *tls.CertificateVerificationError
	if errors.As(err, &verification) {
		return fmt.Errorf("%w: %w", ErrUntrusted, verification.Err)
	}
	var record tls.RecordHeaderError
	if errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch) {
		return fmt.Errorf("%w: what listens at %s speaks no TLS", ErrNotAPIServer, f.endpoint)
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return pending{reason: ErrUnresolved, detail: "the name " + dns.Name + " to resolve", cause: errors.New(dns.Name)}
	}
	if what := closed(err); accepted && what != "" {
		return pending{reason: ErrNoBackend, detail: "an API server behind " + f.endpoint,
			cause: fmt.Errorf("%s takes the connection and %s", f.endpoint, what)}
	}
	return pending{reason: ErrUnreachable, detail: "the API server at " + f.endpoint + " to answer", cause: explain(f.endpoint, err)}
}

func clockError(what string, cert *x509.Certificate, now time.Time) error {
	state, bound := "expired on", cert.NotAfter
	if now.Before(cert.NotBefore) {
		state, bound = "is not valid before", cert.NotBefore
	}
	return fmt.Errorf("%w: %s %q %s %s, the clock says %s", ErrClock, what, cert.Subject.CommonName,
		state, bound.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
}

// skew is how far clocks may lie apart before it is worth a word.
const skew = time.Minute

// compareClocks adds to an error about time what the API server's clock says,
// which tells a wrong clock from a wrong certificate.
func compareClocks(err error, now, server time.Time) error {
	if !errors.Is(err, ErrClock) || server.IsZero() {
		return err
	}
	if off := now.Sub(server).Abs(); off > skew {
		return fmt.Errorf("%w; the API server's clock says %s", err, server.UTC().Format(time.RFC3339))
	}
	return fmt.Errorf("%w; the API server's clock says the same", err)
}
