package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// connectError is why there is no connection, with where to look for the
// cause: each kind has another one.
type connectError struct {
	what, hint string
	err        error
}

func (e *connectError) Error() string { return e.what }
func (e *connectError) Unwrap() error { return e.err }

// Hint is the command that shows why.
func (e *connectError) Hint() string { return e.hint }

func explain(endpoint string, err error) error {
	host, port, splitErr := net.SplitHostPort(endpoint)
	if splitErr != nil {
		host, port = endpoint, "443"
	}
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return &connectError{"connection refused: nothing listens at " + endpoint,
			fmt.Sprintf("on a control plane run: ss -ltn 'sport = :%s'; journalctl -u kubelet.service -n 50", port), err}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return &connectError{"no route to " + host, "ip route get " + host, err}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &connectError{"no answer from " + endpoint + ": the address is wrong, or a firewall drops the packets",
			fmt.Sprintf("check the address, and the firewalls on the way for TCP port %s: nc -vz %s %s", port, host, port), err}
	}
	return err
}
