package joincmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/lease"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/phases"
)

// withdrawWithin bounds taking back a membership after a join that failed.
const withdrawWithin = 20 * time.Second

// apply carries a plan out. A control plane's turn is kept meanwhile, and the run
// ends when it is lost.
func (p *prepared) apply(ctx context.Context, s *session.Session, list *plan.Plan) error {
	if p.keeper == nil {
		_, err := s.Apply(ctx, p.parts, list)
		return err
	}
	kept, stop := p.keeper.Start(ctx)
	_, err := s.Apply(kept, p.parts, list)
	lost := (*lease.LostError)(nil)
	if err != nil && errors.As(context.Cause(kept), &lost) {
		err = &endedError{cause: lost, err: err}
	}
	stop()
	after, end := context.WithTimeout(context.WithoutCancel(ctx), withdrawWithin)
	defer end()
	if err != nil && lost == nil && ctx.Err() == nil {
		err = p.withdraw(after, s, p.diagnose(err))
	}
	return errors.Join(err, p.keeper.GiveBack(after))
}

// endedError is a run that was ended for a cause: that it was cancelled is no
// interruption by the user.
type endedError struct{ cause, err error }

func (e *endedError) Error() string { return e.cause.Error() }

// As finds what the run came to.
func (e *endedError) As(target any) bool {
	stopped, ok := target.(**engine.StoppedError)
	return ok && errors.As(e.err, stopped)
}

func (e *endedError) Unwrap() error { return e.cause }

// WithdrawnError reports a member that never started, and that etcd therefore
// does not have any more.
type WithdrawnError struct{ Err error }

func (e *WithdrawnError) Error() string {
	return e.Err.Error() + "; etcd on this node never started, so its member was removed again and keeps nobody from joining"
}

func (e *WithdrawnError) Unwrap() error { return e.Err }

// withdraw takes the membership of this node back when it was waited for in
// vain. An interrupted run leaves it: its etcd may be about to start, and the
// next run goes on.
func (p *prepared) withdraw(ctx context.Context, s *session.Session, failed error) error {
	in := p.input
	stopped := (*engine.StoppedError)(nil)
	if in.Cluster.Etcd.External != nil || !errors.As(failed, &stopped) || !phases.StartsEtcd(stopped.Step) {
		return failed
	}
	members, err := p.parts.Etcd.Members(ctx)
	if err != nil {
		return errors.Join(failed, err)
	}
	own, ok := phases.Unstarted(members, in.Node)
	if !ok {
		return failed
	}
	withdraw, err := plan.Build("withdraw", []plan.Phase{phases.Withdraw(own)}, in, nil)
	if err != nil {
		return errors.Join(failed, err)
	}
	e, done := s.Engine(world.Parts{Kube: p.parts.Kube, Etcd: p.parts.Etcd})
	defer done()
	e.Begin = nil // the journal stays that of the join
	if _, err := e.Apply(ctx, withdraw); err != nil {
		return errors.Join(failed, fmt.Errorf("remove the member again: %w", err))
	}
	return &WithdrawnError{Err: failed}
}
