package endpointcmd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/state"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/phases"
)

const (
	// every is how often the cluster is asked. A control plane that is lost is
	// left by haproxy's own checks; this finds new ones.
	every = 10 * time.Second
	// within bounds one round, the wait for haproxy to reload included.
	within = 30 * time.Second
	// askWithin bounds a question to the API server.
	askWithin = 5 * time.Second
	// keep is how long an API server stays a backend after the cluster does not
	// name it any more. A control plane that restarts takes itself off the list
	// for a while: without it, a node whose only other backends are lost just
	// then would have forgotten the way back, and each restart would cost two
	// reloads.
	keep = 5 * time.Minute
	// pause is how long nothing is tried again that failed: a round that waits
	// for haproxy in vain keeps every other command off this machine meanwhile,
	// also the one that would mend it.
	pause = 5 * time.Minute
)

func follow(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "follow",
		Short: "Keep the servers of this node's load balancer in line with the control planes",
		Long: `Keep the servers of this node's load balancer in line with the control planes.

The service clusteradm-endpoint.service runs this on every node that has a load
balancer. It asks the cluster, through that load balancer and as this node, for
the addresses of its API servers; when they have changed, it writes haproxy.cfg
and has haproxy reload. While nobody answers, all stays as it is.`,
		Example: "  clusteradm endpoint follow",
		Args:    session.Args(cobra.NoArgs),
		Hidden:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f := &follower{Session: s, api: s.AsKubelet(askWithin), named: map[netip.AddrPort]time.Time{}}
			ticker := time.NewTicker(every)
			defer ticker.Stop()
			for {
				f.tell(f.round(cmd.Context()))
				select {
				case <-cmd.Context().Done():
					return nil
				case <-ticker.C:
				}
			}
		},
	}
}

// follower is what is remembered from one round to the next; that it is lost
// when the process ends costs nothing.
type follower struct {
	*session.Session
	api   *world.Lazy
	named map[netip.AddrPort]time.Time // when the cluster last named an API server
	told  string

	failed error // of the last round that changed something, or wanted to
	until  time.Time
}

// due reports that there is something to change. A haproxy that does not run
// reads its configuration when it starts: there is nothing to wait for.
func (f *follower) due(now time.Time, changes []engine.StepChange) (bool, error) {
	if !slices.ContainsFunc(changes, func(c engine.StepChange) bool { return !c.Change.Empty() && c.Change.Verb != plan.Unknown }) {
		return false, nil
	}
	return !now.Before(f.until), f.failed
}

// tell says what went wrong, once.
func (f *follower) tell(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case text == f.told:
	case err == nil:
		f.Caution(event.Event{Message: "the API servers answer again"})
	default:
		f.Caution(event.Event{Message: text + "; the load balancer stays as it is"})
	}
	f.told = text
}

// round looks once, and changes what has to be changed.
func (f *follower) round(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	p, err := f.plan(ctx)
	if err != nil {
		return err
	}
	changes, err := f.Plan(ctx, world.Parts{}, p)
	if err != nil {
		return err
	}
	if due, err := f.due(f.Now(), changes); !due {
		return err
	}
	release, err := f.Lock("endpoint follow", false)
	if errors.Is(err, state.ErrLocked) {
		return nil // what is at work may be changing the very file; the next round looks again
	}
	if err != nil {
		return err
	}
	defer release()
	if p, err = f.plan(ctx); err != nil {
		return err
	}
	e, done := f.Engine(world.Parts{})
	defer done()
	e.Begin = nil // a round is not taken back, and leaves no journal
	_, f.failed = e.Apply(ctx, p)
	if f.until = f.Now(); f.failed != nil {
		f.until = f.until.Add(pause)
	}
	return f.failed
}

func (f *follower) plan(ctx context.Context) (*plan.Plan, error) {
	config, err := f.Machine.ReadFile(ctx, cluster.HAProxyConfig)
	if err != nil {
		return nil, fmt.Errorf("follow the control planes: %w", err)
	}
	balancer, err := manifests.ParseBalancer(config)
	if err != nil {
		return nil, err
	}
	listed, err := controlplane.APIServers(ctx, f.api)
	if err != nil {
		f.api.Forget() // the certificate may have been renewed
		return nil, err
	}
	in := plan.Input{Node: cluster.Node{Host: f.Hostname}, Follow: plan.Follow{Config: config, Backends: f.backends(f.Now(), balancer.Backends, listed)}}
	return plan.Build("endpoint-follow", phases.EndpointFollow(), in, nil)
}

// backends are those that the cluster names, and for a while those that it has
// named before.
func (f *follower) backends(now time.Time, had, listed []netip.AddrPort) []netip.AddrPort {
	for _, b := range had {
		if _, known := f.named[b]; !known {
			f.named[b] = now
		}
	}
	for _, b := range listed {
		f.named[b] = now
	}
	var list []netip.AddrPort
	for b, last := range f.named {
		if now.Sub(last) < keep {
			list = append(list, b)
		} else if !slices.Contains(had, b) {
			delete(f.named, b)
		}
	}
	return list
}
