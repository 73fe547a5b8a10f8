package discovery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// maxFile is more than any kubeconfig of one cluster needs.
const maxFile = 1 << 20

// IsURL reports a discovery file that has to be fetched.
func IsURL(path string) bool {
	u, err := url.Parse(path)
	return err == nil && u.Scheme == "https"
}

// Fetch gets a discovery file from an https URL, whose server the machine's
// own trust store must know: what it says is believed without a token or a pin.
func Fetch(ctx context.Context, address string, options Options) ([]byte, error) {
	data, err := fetch(ctx, address, options.withDefaults(), usualPatience())
	if err != nil {
		return nil, fmt.Errorf("fetch discovery file: %w", err)
	}
	return data, nil
}

func fetch(ctx context.Context, address string, options Options, limits patience) ([]byte, error) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "https" || parsed.Host == "" {
		return nil, fmt.Errorf("%w: want https://host/path", ErrInvalid)
	}
	options.Endpoint = parsed.Host
	if parsed.Port() == "" {
		options.Endpoint += ":443"
	}
	f := newFetcher(options, nil, limits)
	defer f.close()
	transport := f.http.Transport.(*http.Transport)
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: options.Roots, Time: options.Now}
	var data []byte
	err = poll(ctx, options.Waiting, func(ctx context.Context) error {
		var err error
		data, err = f.page(ctx, address)
		var state pending
		if errors.As(err, &state) && options.Timeout == 0 {
			state.within = limits.passing
			return state
		}
		return err
	})
	return data, err
}

// page does not follow redirects: the URL that was given is the one trusted.
// Errors leave out its path and query, which may be what keeps it private.
func (f fetcher) page(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, f.limits.attempt)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: want https://host/path", ErrInvalid)
	}
	response, err := f.http.Do(request)
	if err != nil {
		return nil, fromSite(f.classify(err, false))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, &siteError{fmt.Errorf("%s answers with HTTP %d", f.endpoint, response.StatusCode), "check the URL: curl -I URL"}
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxFile+1))
	switch {
	case err != nil:
		return nil, fromSite(f.classify(err, false))
	case len(data) > maxFile:
		return nil, &siteError{errors.New("it is larger than 1 MiB"), "check the URL: curl -I URL"}
	}
	return data, nil
}

// siteError is what is wrong with the server of the file, which is no API server.
type siteError struct {
	err  error
	hint string
}

func (e *siteError) Error() string { return e.err.Error() }
func (e *siteError) Unwrap() error { return e.err }

// Hint is what to do about it.
func (e *siteError) Hint() string { return e.hint }

// fromSite gives what is said of API servers its own words and ways on.
func fromSite(err error) error {
	var state pending
	if errors.As(err, &state) && state.reason == ErrUnreachable {
		state.reason, state.detail = ErrNoSite, "the server of the discovery file to answer"
		return state
	}
	if errors.Is(err, ErrUntrusted) {
		var unknown x509.UnknownAuthorityError
		if errors.As(err, &unknown) {
			return &siteError{errors.New("the server's certificate is of no authority that this machine trusts"),
				"add the authority to the machine's trust store, or fetch the file and give its path: --discovery-file PATH"}
		}
	}
	return err
}

// Reach proves that the API server of a cluster that is trusted already can be
// reached from here, under its own certificate authority.
func Reach(ctx context.Context, info Info, options Options) error {
	return reach(ctx, info, options.withDefaults(), usualPatience())
}

func reach(ctx context.Context, info Info, options Options, limits patience) error {
	var err error
	if options.Endpoint, err = endpointOfServer(info.Server); err != nil {
		return fmt.Errorf("reach cluster: %w", err)
	}
	if options.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, options.Timeout)
		defer cancel()
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(info.CA) {
		return fmt.Errorf("reach cluster at %s: %w: no certificate authority", options.Endpoint, ErrMalformed)
	}
	s := &search{Options: options, limits: limits}
	if err := checkDates(info.CA, options.Now()); err != nil {
		return fmt.Errorf("reach cluster at %s: %w", options.Endpoint, err)
	}
	s.anyAnswer = true
	if err := s.read(ctx, roots, func(configMap) error { return nil }); err != nil {
		return fmt.Errorf("reach cluster at %s: %w", options.Endpoint, err)
	}
	return nil
}

// endpointOfServer is the host:port of an API server's URL.
func endpointOfServer(address string) (string, error) {
	server, err := url.Parse(address)
	switch {
	case err != nil || server.Host == "":
		return "", fmt.Errorf("%w: its server is no https://host:port", ErrMalformed)
	case server.Port() == "":
		return server.Host + ":443", nil
	}
	return server.Host, nil
}
