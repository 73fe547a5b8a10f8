package joincmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/diagnosis"
	"github.com/clusteradm/clusteradm/internal/discovery"
	"github.com/clusteradm/clusteradm/internal/token"
)

// lookWithin bounds all looks of a diagnosis together; none of them waits for
// anything to become so.
const lookWithin = 8 * time.Second

// looker looks at everything that a join depends on, at once and without
// changing anything. What it cannot see is no error but something that cannot
// be told.
type looker struct {
	*session.Session
	join  *config.Join
	admin string // path of an administrator's kubeconfig; empty: there is none
	mu    sync.Mutex
	seen  diagnosis.Join
	local *cluster.LocalEtcd // that is set up here; nil: none
}

// look gathers what a diagnosis is made of.
func look(ctx context.Context, s *session.Session, join *config.Join, admin string) (diagnosis.Join, error) {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	l := &looker{Session: s, join: join, admin: admin}
	l.seen = diagnosis.Join{Node: join.Node.Name, ControlPlane: join.Node.ControlPlane}
	if err := l.lookAtFiles(ctx); err != nil {
		return l.seen, err
	}
	l.join = asControlPlane(join, l.seen.ControlPlane)
	var g errgroup.Group
	for _, f := range []func(context.Context){l.lookAtRuntime, l.lookAtKubelet, l.lookAtCluster, l.lookAsAdmin} {
		g.Go(func() error { f(ctx); return nil })
	}
	_ = g.Wait() // they have no errors
	l.seen.Now = s.Now()
	return l.seen, parent.Err()
}

// asControlPlane takes a machine that has a control plane's manifests for one
// that joins as that, whether or not it was said.
func asControlPlane(join *config.Join, is bool) *config.Join {
	if !is || join.Node.ControlPlane {
		return join
	}
	as := *join
	as.Node.ControlPlane, as.Node.BindPort = true, cmp.Or(as.Node.BindPort, 6443)
	return &as
}

func (l *looker) set(assign func(*diagnosis.Join)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	assign(&l.seen)
}

// fault is an error as it is told, with the hint nearest to its cause.
func fault(err error) diagnosis.Fault {
	if err == nil {
		return diagnosis.Fault{}
	}
	return diagnosis.Fault{Text: err.Error(), Hint: hint(err)}
}

func hint(err error) string {
	var causes []error
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		causes = []error{e.Unwrap()}
	case interface{ Unwrap() []error }:
		causes = e.Unwrap()
	}
	for _, cause := range slices.Backward(causes) {
		if found := hint(cause); found != "" {
			return found
		}
	}
	switch e := err.(type) {
	case interface{ Hint() string }:
		return e.Hint()
	case interface{ Hints() []string }:
		return strings.Join(e.Hints(), "; ")
	}
	return ""
}

// known is the cluster that a discovery file names; nil where the token is to
// find it.
func (l *looker) known(ctx context.Context, options discovery.Options) (*discovery.Info, error) {
	if l.join.Discovery.File == "" {
		return nil, nil
	}
	info, err := discoverFile(ctx, l.Session, l.join.Discovery, options)
	return &info, err
}

// lookAtCluster looks at the endpoint, and if what speaks for it can be proven,
// asks the API server there with this machine's credentials.
func (l *looker) lookAtCluster(ctx context.Context) {
	d := l.join.Discovery
	options := discovery.Options{Dial: l.Machine.DialHost, Now: l.Now, Endpoint: d.Endpoint,
		CACertHashes: d.CACertHashes, UnsafeSkipCAVerification: d.UnsafeSkipCAVerification}
	known, err := l.known(ctx, options)
	if err != nil {
		l.set(func(j *diagnosis.Join) {
			j.Endpoint = diagnosis.Endpoint{Problem: diagnosis.NotAsked, Fault: fault(err)}
		})
		return
	}
	whole := d.TLSBootstrapToken
	if known == nil {
		whole = d.Token
	} else if whole.Empty() {
		whole = known.Token
	}
	// A file may hold a token of another kind, which has no such halves.
	options.TokenID, options.TokenSecret, _ = token.Parse(whole.Reveal())
	sight := discovery.Examine(ctx, options, known)
	if ctx.Err() != nil { // what a look that was cut short shows is nothing
		sight = discovery.Sight{Err: fmt.Errorf("%w: not looked at within %s", discovery.ErrInvalid, lookWithin)}
	}
	l.told(options, known, sight)
	if sight.Err == nil {
		l.lookAsJoiner(ctx, options, known, sight)
	}
	if l.local != nil && !l.seen.Etcd.Seen { // which nobody else writes meanwhile
		l.lookAtLocalEtcd(ctx)
	}
}

// told is what a look at the endpoint says, in the diagnosis' words.
func (l *looker) told(options discovery.Options, known *discovery.Info, sight discovery.Sight) {
	address := options.Endpoint
	if server, err := url.Parse(sight.Info.Server); known != nil && err == nil {
		address = server.Host
	}
	e := diagnosis.Endpoint{Address: address, Fault: fault(sight.Err), Took: sight.Took, Untrusted: fault(sight.ServerErr)}
	for reason, problem := range map[discovery.Reason]diagnosis.Problem{
		discovery.ErrUnreachable: diagnosis.Unreachable, discovery.ErrUnresolved: diagnosis.Unreachable,
		discovery.ErrNoBackend: diagnosis.NoBackend, discovery.ErrNotAPIServer: diagnosis.NotAPIServer,
		discovery.ErrNoClusterInfo: diagnosis.NoClusterInfo, discovery.ErrMalformed: diagnosis.NoClusterInfo,
		discovery.ErrInvalid: diagnosis.NotAsked,
	} {
		if errors.Is(sight.Err, reason) {
			e.Problem = problem
		}
	}
	if sight.Err != nil && e.Problem == "" {
		e.Problem = diagnosis.Unreachable
	}
	t := diagnosis.Trust{File: known != nil, Unpinned: options.UnsafeSkipCAVerification && len(options.CACertHashes) == 0, WrongPin: sight.PinErr != nil,
		Pins: sight.Pins, TokenID: options.TokenID, Signature: diagnosis.Signature(sight.Signature), Signed: sight.Signed, Seen: sight.Seen, Date: sight.Date, Clock: fault(sight.ClockErr)}
	l.set(func(j *diagnosis.Join) { j.Endpoint, j.Trust = e, t })
}

// reachOther proves that the server which the cluster names can be used, too.
func (l *looker) reachOther(ctx context.Context, options discovery.Options, info discovery.Info) {
	server, err := url.Parse(info.Server)
	if err != nil || server.Host == options.Endpoint {
		return
	}
	other := discovery.Examine(ctx, options, &info)
	err = errors.Join(other.Err, other.ServerErr, other.ClockErr)
	if other.Err != nil {
		err = other.Err
	}
	if err != nil {
		err = fmt.Errorf("reach %s: %w", server.Host, err)
	}
	l.set(func(j *diagnosis.Join) { j.Endpoint.Other, j.Endpoint.OtherFault = server.Host, fault(err) })
}
