package etcd

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Seen is a member as it was found.
type Seen struct {
	Member
	Status Status
	Err    error // why it does not serve
	Alarms []AlarmKind
}

var errNoLeader = errors.New("it knows no leader")

// Healthy reports that the member serves.
func (s Seen) Healthy() bool { return s.Err == nil }

// Shown is the member's name, or what there is of one that has not started.
func (m Member) Shown() string { return cmp.Or(m.Name, strings.Join(m.PeerURLs, ",")) }

// Look asks for the members, each of them what it is, and for the alarms. Only
// that nobody answers is an error. Of members that are gone alarms may have
// stayed.
func Look(ctx context.Context, r Reader) (seen []Seen, stayed []Alarm, err error) {
	members, err := r.Members(ctx)
	if err != nil {
		return nil, nil, err
	}
	seen = make([]Seen, len(members))
	var g errgroup.Group
	for i, m := range members {
		g.Go(func() error {
			status, err := r.Status(ctx, m)
			if err == nil && status.Leader == 0 {
				err = errNoLeader
			}
			seen[i] = Seen{Member: m, Status: status, Err: err}
			return ctx.Err()
		})
	}
	alarms, alarmErr := r.Alarms(ctx)
	if err := errors.Join(g.Wait(), ctx.Err()); err != nil {
		return nil, nil, err
	}
	if alarmErr != nil {
		return seen, nil, nil // without a quorum nobody tells
	}
	for _, a := range alarms {
		at := slices.IndexFunc(seen, func(s Seen) bool { return s.ID == a.Member })
		if at < 0 {
			stayed = append(stayed, a)
			continue
		}
		seen[at].Alarms = append(seen[at].Alarms, a.Kind)
	}
	return seen, stayed, nil
}

// Successor is the voter that may lead best when one member should not: it
// serves, its data are not in doubt, and it lacks the least of the log.
func Successor(seen []Seen, not uint64) (Seen, bool) {
	var best Seen
	for _, s := range seen {
		if s.ID == not || s.Learner || !s.Healthy() || slices.Contains(s.Alarms, Corrupt) {
			continue
		}
		if best.ID == 0 || s.Status.Applied > best.Status.Applied {
			best = s
		}
	}
	return best, best.ID != 0
}

// Leader is who leads, as the members say: one that has heard of a later term
// knows better.
func Leader(seen []Seen) (id uint64, ok bool) {
	var term uint64
	for _, s := range seen {
		if s.Healthy() && (!ok || s.Status.Term > term) {
			id, term, ok = s.Status.Leader, s.Status.Term, true
		}
	}
	return id, ok
}
