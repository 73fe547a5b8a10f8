package discovery

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"k8s.io/cluster-bootstrap/token/jws"
)

const (
	kubeconfigKey   = "kubeconfig"
	signaturePrefix = "jws-kubeconfig-"
)

// Token is discovery by bootstrap token. It waits for the API server and for
// the token's signature; everything else that is wrong fails at once.
func Token(ctx context.Context, options Options) (Info, error) {
	return discover(ctx, options, usualPatience())
}

func discover(ctx context.Context, options Options, limits patience) (Info, error) {
	options, err := options.complete()
	if err != nil {
		return Info{}, fmt.Errorf("discover cluster: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, options.Timeout)
	defer cancel()
	info, err := search{options, limits}.run(ctx)
	if err != nil {
		return Info{}, fmt.Errorf("discover cluster at %s: %w", options.Endpoint, err)
	}
	return info, nil
}

// search is one discovery.
type search struct {
	Options
	limits patience
}

func (s search) run(ctx context.Context) (Info, error) {
	var info Info
	var pinned []*x509.Certificate
	err := s.read(ctx, nil, func(found configMap) error {
		var err error
		info, pinned, err = s.prove(found)
		return err
	})
	if err != nil || len(pinned) == 0 {
		return info, err
	}

	// The server is proven only by the CAs that are pinned, whatever else the
	// bundle holds: otherwise a leaked token would do to slip in another CA.
	roots := x509.NewCertPool()
	for _, cert := range pinned {
		roots.AddCert(cert)
	}
	err = s.read(ctx, roots, func(found configMap) error {
		if found.Data[kubeconfigKey] != string(info.Kubeconfig.Reveal()) {
			return ErrChanged
		}
		return nil
	})
	return info, err
}

// read gets cluster-info until check accepts it or something final happens.
func (s search) read(ctx context.Context, roots *x509.CertPool, check func(configMap) error) error {
	f := newFetcher(s.Options, roots, s.limits.attempt)
	defer f.close()
	return poll(ctx, s.Waiting, func(ctx context.Context) error {
		found, err := f.get(ctx)
		var state pending
		if errors.As(err, &state) && state.reason == ErrUnresolved {
			state.within = s.limits.unresolved
			return state
		}
		if err != nil {
			return err
		}
		return check(found)
	})
}

// prove checks cluster-info by all that needs no trusted connection. The pin
// comes first: it also tells a wrong endpoint from a wrong token.
func (s search) prove(found configMap) (Info, []*x509.Certificate, error) {
	content := found.Data[kubeconfigKey]
	if content == "" {
		return Info{}, nil, fmt.Errorf("%w: it has no kubeconfig", ErrMalformed)
	}
	info, _, err := parseKubeconfig([]byte(content))
	if err != nil {
		return Info{}, nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var pinned []*x509.Certificate
	if len(s.CACertHashes) > 0 {
		if pinned, err = VerifyPin(info.CA, s.CACertHashes); err != nil {
			return Info{}, nil, err
		}
	}
	signature := found.Data[signaturePrefix+s.TokenID]
	if signature == "" {
		return Info{}, nil, s.unsigned(found.age)
	}
	if !jws.DetachedTokenIsValid(signature, content, s.TokenID, s.TokenSecret.Reveal()) {
		return Info{}, nil, fmt.Errorf("%w: token id %s", ErrSignature, s.TokenID)
	}
	return info, pinned, checkDates(info.CA, s.Now())
}

// unsigned waits briefly, but in a young cluster until the timeout: there the
// controller that signs may not be running yet.
func (s search) unsigned(age time.Duration) error {
	state := pending{reason: ErrUnsigned, within: s.limits.unsigned,
		detail: "cluster-info to be signed for token id " + s.TokenID,
		cause:  fmt.Errorf("cluster-info has no signature for token id %s", s.TokenID)}
	if age > 0 && age < s.limits.young {
		state.within = 0
	}
	return state
}

// checkDates names a clock that is off, or a CA that is, while it is still
// told apart from a broken connection.
func checkDates(ca []byte, now time.Time) error {
	certs, err := parseCertificates(ca)
	if err != nil {
		return err
	}
	for _, cert := range certs {
		if !now.Before(cert.NotBefore) && !now.After(cert.NotAfter) {
			return nil
		}
	}
	return clockError("cluster CA", certs[0], now)
}
