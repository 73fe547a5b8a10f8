package client

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/clusteradm/clusteradm/internal/cri"
)

// UnavailableError reports a runtime that does not answer, or not as one.
type UnavailableError struct {
	Socket  string
	Reason  string
	Command string // shows why
	Err     error  // of the connection, if there was none
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("%v on %s: %s", cri.ErrUnavailable, e.Socket, e.Reason)
}

// Is makes it a cri.ErrUnavailable.
func (e *UnavailableError) Is(target error) bool { return target == cri.ErrUnavailable }

func (e *UnavailableError) Unwrap() error { return e.Err }

// Hint is a command that shows why the runtime does not answer.
func (e *UnavailableError) Hint() string { return e.Command }

// typed tells apart what the user interrupted, a runtime that is not there,
// and one that answers with an error.
func (c *Client) typed(ctx context.Context, what string, within time.Duration, err error) error {
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%s: %w", what, cause)
	}
	unit := cri.Unit(c.socket)
	gone := &UnavailableError{Socket: c.socket, Command: "systemctl status " + unit}
	answer := status.Convert(err)
	switch answer.Code() {
	case codes.DeadlineExceeded:
		if within == 0 { // the caller's own deadline, which the other side may see first
			return fmt.Errorf("%s: %w: %s", what, context.DeadlineExceeded, answer.Message())
		}
		gone.Reason = fmt.Sprintf("%s: no answer within %s", what, within)
		gone.Err = context.DeadlineExceeded
	case codes.Unavailable:
		c.mu.Lock()
		gone.Err = c.dialErr
		c.mu.Unlock()
		gone.Reason = answer.Message()
		if gone.Err != nil {
			gone.Reason = gone.Err.Error()
		}
	case codes.Unimplemented:
		gone.Reason = what + ": it has no such call of the CRI v1: too old, or its CRI plugin is disabled"
		if gone.Command = unit + " --version"; unit == "containerd" {
			gone.Command = "grep disabled_plugins /etc/containerd/config.toml"
		}
	default:
		return fmt.Errorf("%s: %s", what, answer.Message())
	}
	return gone
}
