package discovery

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/cluster-bootstrap/token/jws"
)

const (
	kubeconfigKey   = "kubeconfig"
	signaturePrefix = "jws-kubeconfig-"
)

// Token is discovery by bootstrap token. It waits a little for the API server
// and for the token's signature, and longer if Options.Timeout says so or the
// cluster is young; everything else that is wrong fails at once.
func Token(ctx context.Context, options Options) (Info, error) {
	return discover(ctx, options, usualPatience())
}

func discover(ctx context.Context, options Options, limits patience) (Info, error) {
	options, err := options.complete()
	if err != nil {
		return Info{}, fmt.Errorf("discover cluster: %w", err)
	}
	if options.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, options.Timeout)
		defer cancel()
	}
	s := &search{Options: options, limits: limits}
	info, err := s.run(ctx)
	if err != nil {
		return Info{}, fmt.Errorf("discover cluster at %s: %w", options.Endpoint, compareClocks(err, options.Now(), s.date))
	}
	return info, nil
}

// search is one discovery.
type search struct {
	Options
	limits patience
	date   time.Time // what the server's clock said
	// anyAnswer takes every answer of the server for a good one: whether
	// anonymous may read cluster-info matters to discovery by token alone.
	anyAnswer bool
}

func (s *search) run(ctx context.Context) (Info, error) {
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
func (s *search) read(ctx context.Context, roots *x509.CertPool, check func(configMap) error) error {
	f := newFetcher(s.Options, roots, s.limits)
	defer f.close()
	return poll(ctx, s.Waiting, func(ctx context.Context) error {
		found, err := f.get(ctx)
		if err != nil {
			if s.anyAnswer && (errors.Is(err, ErrNoClusterInfo) || errors.Is(err, ErrMalformed)) {
				return nil
			}
			var state pending
			if errors.As(err, &state) && s.Timeout == 0 {
				state.within = s.limits.passing
				return state
			}
			return err
		}
		s.date = found.date
		return check(found)
	})
}

// prove checks cluster-info by all that needs no trusted connection. The pin
// comes first: it also tells a wrong endpoint from a wrong token.
func (s *search) prove(found configMap) (Info, []*x509.Certificate, error) {
	content := found.Data[kubeconfigKey]
	if content == "" {
		return Info{}, nil, fmt.Errorf("%w: it has no kubeconfig", ErrMalformed)
	}
	info, err := parseKubeconfig([]byte(content))
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
		return Info{}, nil, s.unsigned(found)
	}
	if !jws.DetachedTokenIsValid(signature, content, s.TokenID, s.TokenSecret.Reveal()) {
		return Info{}, nil, fmt.Errorf("%w: token id %s", ErrSignature, s.TokenID)
	}
	return info, pinned, checkDates(info.CA, s.Now())
}

// unsigned tells a token that the cluster does not have from a cluster that
// signs nothing. The first is known soon: the signer needs milliseconds, and it
// works. The second may just not have its signer yet.
func (s *search) unsigned(found configMap) error {
	state := pending{reason: ErrUnsigned, within: s.limits.passing,
		detail: "cluster-info to be signed for token id " + s.TokenID,
		cause:  fmt.Errorf("cluster-info has no signature for token id %s", s.TokenID)}
	for key := range found.Data {
		if strings.HasPrefix(key, signaturePrefix) {
			return state
		}
	}
	state.reason, state.cause = ErrNoSignature, errors.New("it has no signature of any token")
	switch {
	case s.Timeout > 0:
		state.within = 0
	case found.age > 0 && found.age < s.limits.young:
		state.within = s.limits.young
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
