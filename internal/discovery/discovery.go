// Package discovery finds out, before a node joins, which cluster answers at
// an endpoint and proves that it is the right one: from a bootstrap token and
// the pinned public key of the cluster's CA, or from a kubeconfig file.
//
// What is proven: the content of cluster-info by the token's signature, the CA
// in it by the pin, and the server by a certificate of a pinned CA. A failure
// that waiting cannot cure ends discovery at once. The token's secret is never
// sent and is in no error.
package discovery

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/internal/token"
)

// Options say which cluster to find and how to know it.
type Options struct {
	Endpoint    string // "host:port"
	TokenID     string
	TokenSecret secret.String

	CACertHashes             []string // "sha256:<hex>"; one must match
	UnsafeSkipCAVerification bool     // allows CACertHashes to be empty

	// Timeout, if given, is how long to wait for a cluster that is still to
	// come. 0 gives up what does not pass within two seconds.
	Timeout time.Duration
	Dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	Proxy   func(*http.Request) (*url.URL, error) // nil: none
	Now     func() time.Time                      // for certificates; nil: the system's clock
	Waiting func(what string)                     // completes "waiting for …"; called when that changes
	Roots   *x509.CertPool                        // for a URL; nil: the machine's own
}

// Info is a cluster that was found and proven.
type Info struct {
	Server      string // URL of the API server
	CA          []byte // PEM
	ClusterName string
	Kubeconfig  secret.Bytes // as found

	// What a discovery file says as whom to connect; a token needs none of it.
	Cert  []byte // PEM
	Key   secret.Bytes
	Token secret.String
}

// HasCredentials reports that the file says as whom to connect.
func (i Info) HasCredentials() bool { return len(i.Cert) > 0 || !i.Token.Empty() }

// complete checks options before any connection and fills in defaults.
func (o Options) complete() (Options, error) {
	host, port, err := net.SplitHostPort(o.Endpoint)
	if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n == 0 || host == "" || strings.ContainsAny(host, "/@?# ") {
		return o, fmt.Errorf("%w: endpoint: want host:port", ErrInvalid)
	}
	if _, _, err := token.Parse(o.TokenID + "." + o.TokenSecret.Reveal()); err != nil {
		return o, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if _, err := parsePins(o.CACertHashes); err != nil {
		return o, err
	}
	if len(o.CACertHashes) == 0 && !o.UnsafeSkipCAVerification {
		return o, fmt.Errorf("%w: no CA certificate hash, and unsafeSkipCAVerification is not set", ErrInvalid)
	}
	return o.withDefaults(), nil
}

func (o Options) withDefaults() Options {
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Waiting == nil {
		o.Waiting = func(string) {}
	}
	return o
}
