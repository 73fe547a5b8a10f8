// Package exit maps errors to exit codes, in one place. The codes are public:
// `clusteradm help exit-codes`.
package exit

import (
	"context"
	"errors"

	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/diagnosis"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/state"
	"github.com/clusteradm/clusteradm/preflight"
)

// The exit codes.
const (
	OK          = 0
	Failure     = 1
	Usage       = 2
	Pending     = 3 // a plan has changes
	Preflight   = 4 // or a doctor
	Locked      = 5
	Stopped     = 6 // part-way: resume or roll back
	Interrupted = 130
)

// Doc is the help topic.
const Doc = `0    done, or nothing to do
1    failed, nothing was changed (a rollback may have taken back a part)
2    wrong usage or configuration
3    changes are pending: none was made, or only this machine's part of them
4    a check failed or doctor found an obstacle; nothing changed but images
5    another clusteradm is working on this machine
6    stopped part-way: run the command again to go on, or clusteradm rollback
130  interrupted`

// UsageError reports wrong flags or arguments.
type UsageError struct {
	Err  error
	Help string // a command that shows the right ones
}

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Hint is the command that shows the right usage.
func (e *UsageError) Hint() string { return e.Help }

// PendingError reports changes that were listed and not made.
type PendingError struct {
	Err  error
	Help string // a command that makes them
}

func (e *PendingError) Error() string { return e.Err.Error() }
func (e *PendingError) Unwrap() error { return e.Err }

// Hint is a command that makes the changes.
func (e *PendingError) Hint() string { return e.Help }

// Code is the exit code of a command that returned err.
func Code(err error) int {
	var (
		usage     *UsageError
		invalid   config.Errors
		preflight *preflight.FailedError
		stopped   *engine.StoppedError
		pending   *PendingError
		diagnosed *diagnosis.FailedError
	)
	switch {
	case err == nil:
		return OK
	case errors.Is(err, context.Canceled):
		return Interrupted
	case errors.As(err, &usage), errors.As(err, &invalid):
		return Usage
	case errors.As(err, &pending):
		return Pending
	case errors.As(err, &preflight), errors.As(err, &diagnosed):
		return Preflight
	case errors.Is(err, state.ErrLocked):
		return Locked
	case errors.As(err, &stopped) && stopped.Changed > 0:
		return Stopped
	}
	return Failure
}
