package joincmd

import (
	"context"
	"errors"
	"slices"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/diagnosis"
	"github.com/clusteradm/clusteradm/internal/discovery"
	"github.com/clusteradm/clusteradm/internal/engine"
)

// DiagnosedError is a join that failed, with what was found in its way.
type DiagnosedError struct {
	Err      error
	Findings []diagnosis.Finding
}

func (e *DiagnosedError) Error() string { return e.Err.Error() }
func (e *DiagnosedError) Unwrap() error { return e.Err }

// diagnosed adds to the error of a join what a diagnosis finds, where looking
// can tell more than the error does.
func (o *options) diagnosed(ctx context.Context, s *session.Session, err error) error {
	if done := (*DiagnosedError)(nil); ctx.Err() != nil || errors.As(err, &done) || !diagnosable(err) {
		return err
	}
	join, loadErr := o.load(ctx, s)
	if loadErr != nil {
		return err
	}
	seen, lookErr := look(ctx, s, join, adminConf(ctx, s, ""))
	if lookErr != nil {
		return err
	}
	if wrong := diagnosis.Wrong(seen.Run()); len(wrong) > 0 {
		return &DiagnosedError{Err: err, Findings: wrong}
	}
	return err
}

// diagnosable reports a join that failed at what has more than one cause. An
// endpoint that is silent says all there is to say, and takes as long again.
func diagnosable(err error) bool {
	var (
		reason  discovery.Reason
		refused *RefusedError
		taken   *NameTakenError
		stopped *engine.StoppedError
		member  *MembershipError
		shared  *SharedError
	)
	if errors.As(err, &reason) {
		return slices.Contains([]discovery.Reason{discovery.ErrUnsigned, discovery.ErrNoSignature, discovery.ErrSignature, discovery.ErrPin, discovery.ErrClock, discovery.ErrUntrusted}, reason)
	}
	return errors.As(err, &refused) || errors.As(err, &taken) || errors.As(err, &stopped) || errors.As(err, &member) || errors.As(err, &shared)
}
