package discovery

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"k8s.io/cluster-bootstrap/token/jws"
)

// Sight is what one look at an endpoint shows, each proof by itself: Token
// stops at the first thing that is wrong, a diagnosis asks what else is.
type Sight struct {
	Err  error // why there is no cluster-info to look at, a Reason
	Took time.Duration
	// Seen is when, by this machine's clock, and Date what the server's clock
	// says at that moment; zero: nothing.
	Seen, Date time.Time
	Info       Info // of cluster-info, proven or not

	Pins   []string // of the authorities in it
	PinErr error    // none of them is a pinned one

	Signed    []string // the ids of the tokens that it is signed for
	Signature Signature

	// Trusted are the authorities (PEM) that the server may be proven by: those
	// that are pinned, or where that is to be skipped, those that the token's
	// signature speaks for. Without any, nothing secret may be sent.
	Trusted   []byte
	ServerErr error // the server's certificate is not of them, or of another name
	ClockErr  error // a certificate is not valid at this machine's time
}

// Signature is what cluster-info has for the token.
type Signature string

// The values.
const (
	Absent Signature = "absent"
	Wrong  Signature = "wrong"
	Right  Signature = "right"
)

// Examine looks once at Options.Endpoint. A cluster that is known already, as
// from a discovery file, is only to be reached where it says, under its own
// authority.
func Examine(ctx context.Context, options Options, known *Info) Sight {
	return examine(ctx, options, known, usualPatience())
}

func examine(ctx context.Context, options Options, known *Info, limits patience) Sight {
	var err error
	if known == nil {
		options, err = options.complete()
	} else {
		options = options.withDefaults()
		options.Endpoint, err = endpointOfServer(known.Server)
	}
	if err != nil {
		return Sight{Err: err}
	}
	f := newFetcher(options, nil, limits)
	defer f.close()
	found, err := f.get(ctx)
	s := Sight{Err: settled(err), Took: found.took, Seen: options.Now(), Date: found.date, Signature: Absent}
	switch {
	case known != nil:
		s.Info, s.Trusted = *known, known.CA
		if errors.Is(err, ErrNoClusterInfo) || errors.Is(err, ErrMalformed) { // is needed by nobody
			s.Err = nil
		}
	case err == nil:
		s.read(found, options)
	}
	if s.Err == nil {
		s.judge(found.chain, options)
	}
	return s
}

// settled is a state that may pass as the reason that it is now.
func settled(err error) error {
	var state pending
	if errors.As(err, &state) {
		return state.asError()
	}
	return err
}

// read takes in what cluster-info says and what speaks for it.
func (s *Sight) read(found configMap, options Options) {
	content := found.Data[kubeconfigKey]
	info, err := ClusterInfo([]byte(content))
	if err != nil {
		s.Err = err
		return
	}
	s.Info = info
	s.Pins, _ = Pins(info.CA) // they were read already
	for key := range found.Data {
		if id, ok := strings.CutPrefix(key, signaturePrefix); ok {
			s.Signed = append(s.Signed, id)
		}
	}
	slices.Sort(s.Signed)
	if signature := found.Data[signaturePrefix+options.TokenID]; signature != "" {
		s.Signature = Wrong
		if jws.DetachedTokenIsValid(signature, content, options.TokenID, options.TokenSecret.Reveal()) {
			s.Signature = Right
		}
	}
	switch {
	case len(options.CACertHashes) > 0:
		var pinned []*x509.Certificate
		pinned, s.PinErr = VerifyPin(info.CA, options.CACertHashes)
		var trusted bytes.Buffer
		for _, cert := range pinned {
			_ = pem.Encode(&trusted, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}) // to memory
		}
		s.Trusted = trusted.Bytes()
	case s.Signature == Right:
		s.Trusted = info.CA
	}
}

// judge checks the server's certificate and all dates against the clock.
func (s *Sight) judge(chain []*x509.Certificate, options Options) {
	now := options.Now()
	if len(s.Trusted) == 0 {
		s.ClockErr = checkDates(s.Info.CA, now)
		return
	}
	if s.ClockErr = checkDates(s.Trusted, now); s.ClockErr != nil || len(chain) == 0 {
		return
	}
	host, _, _ := net.SplitHostPort(options.Endpoint) // complete, or of a parsed URL
	verify := x509.VerifyOptions{DNSName: host, CurrentTime: now, Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool()}
	verify.Roots.AppendCertsFromPEM(s.Trusted)
	for _, cert := range chain[1:] {
		verify.Intermediates.AddCert(cert)
	}
	_, err := chain[0].Verify(verify)
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		s.ClockErr = clockError("server certificate", invalid.Cert, now)
	case err != nil:
		s.ServerErr = fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
}
