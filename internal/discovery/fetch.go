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

	age time.Duration // by the server's own clock, 0 if it does not say
}

// fetcher reads cluster-info over one transport.
type fetcher struct {
	endpoint string
	now      func() time.Time
	attempt  time.Duration
	http     *http.Client
}

// newFetcher trusts roots; nil trusts anyone, for what is proven otherwise.
func newFetcher(options Options, roots *x509.CertPool, attempt time.Duration) fetcher {
	return fetcher{options.Endpoint, options.Now, attempt, &http.Client{
		Transport: &http.Transport{
			DialContext: options.Dial,
			Proxy:       options.Proxy,
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

func (f fetcher) close() { f.http.CloseIdleConnections() }

func (f fetcher) get(ctx context.Context) (configMap, error) {
	ctx, cancel := context.WithTimeout(ctx, f.attempt)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+f.endpoint+clusterInfoPath, nil)
	if err != nil {
		return configMap{}, fmt.Errorf("%w: endpoint: want host:port", ErrInvalid)
	}
	request.Header.Set("Accept", "application/json")
	response, err := f.http.Do(request)
	if err != nil {
		return configMap{}, f.classify(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxClusterInfo+1))
	switch {
	case err != nil:
		return configMap{}, f.classify(err)
	case response.StatusCode != http.StatusOK:
		// Not made yet, not yet readable to anonymous, or not served yet.
		return configMap{}, pending{reason: ErrNoClusterInfo,
			detail: fmt.Sprintf("cluster-info to be readable at %s (HTTP %d)", f.endpoint, response.StatusCode),
			cause:  fmt.Errorf("HTTP %d", response.StatusCode)}
	case len(body) > maxClusterInfo:
		return configMap{}, fmt.Errorf("%w: it is larger than 1 MiB", ErrMalformed)
	}
	var found configMap
	if json.Unmarshal(body, &found) != nil || found.Kind != "ConfigMap" {
		return configMap{}, fmt.Errorf("%w: it is no ConfigMap", ErrMalformed)
	}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil && !found.Metadata.CreationTimestamp.IsZero() {
		// The Date has whole seconds and may lie before the creation.
		found.age = max(date.Sub(found.Metadata.CreationTimestamp), time.Nanosecond)
	}
	return found, nil
}

// classify tells what can pass from what cannot.
func (f fetcher) classify(err error) error {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return clockError("server certificate", invalid.Cert, f.now())
	}
	var verification *tls.CertificateVerificationError
	if errors.As(err, &verification) {
		return fmt.Errorf("%w: %w", ErrUntrusted, verification.Err)
	}
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return pending{reason: ErrUnresolved, detail: "the name " + dns.Name + " to resolve", cause: err}
	}
	return pending{reason: ErrUnreachable, detail: "the API server at " + f.endpoint + " to answer", cause: err}
}

func clockError(what string, cert *x509.Certificate, now time.Time) error {
	state, bound := "expired on", cert.NotAfter
	if now.Before(cert.NotBefore) {
		state, bound = "is not valid before", cert.NotBefore
	}
	return fmt.Errorf("%w: %s %q %s %s, the clock says %s", ErrClock, what, cert.Subject.CommonName,
		state, bound.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
}
