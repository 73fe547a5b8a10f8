package world

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// Served implements plan.View. A server that wants a client's certificate shows
// its own before it asks for one, so how the handshake ends does not matter.
func (w *World) Served(ctx context.Context, _, addr string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	conn, err := w.parts.Machine.DialHost(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its certificate: %w", addr, err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, fmt.Errorf("ask %s for its certificate: %w", addr, err)
		}
	}
	var served []byte
	err = tls.Client(conn, &tls.Config{
		InsecureSkipVerify: true, // it is looked at and not trusted; nothing is sent
		VerifyPeerCertificate: func(chain [][]byte, _ [][]*x509.Certificate) error {
			if len(chain) > 0 {
				served = chain[0]
			}
			return nil
		},
	}).HandshakeContext(ctx)
	if len(served) > 0 {
		return served, nil
	}
	if err == nil {
		err = errors.New("it shows none")
	}
	return nil, fmt.Errorf("ask %s for its certificate: %w", addr, err)
}
