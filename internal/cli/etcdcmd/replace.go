package etcdcmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/lease"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/phases"
)

const replaceList = "etcd member replace"

// startWithin is how long a component has to be healthy again, and answersWithin
// how long the API server where turns are taken has to answer.
const (
	startWithin   = 4 * time.Minute
	answersWithin = time.Minute
)

func replace(s *session.Session) *cobra.Command {
	dryRun := false
	cmd := &cobra.Command{
		Use:   "replace NAME",
		Short: "Rebuild the broken member of this machine from the others",
		Long: `Rebuild the member of this machine: one whose data are corrupt or lost, or that
was removed while its machine was away. It leaves its cluster, its data are set
aside and kept, and an empty member takes its place, takes in the data from the
others, and gets its vote when it is in sync.

It is refused unless the others have a quorum and all of them are healthy: etcd
takes in no member while a voter is silent. The API server of this machine is
without etcd meanwhile; other pods run on. Run again after an interruption it
goes on.`,
		Example:           "  clusteradm etcd member replace cp1\n  clusteradm etcd member replace cp1 --dry-run",
		ValidArgsFunction: complete(s),
		Args:              session.Args(cobra.ExactArgs(1)),
		RunE:              func(cmd *cobra.Command, args []string) error { return runReplace(cmd.Context(), s, args[0], dryRun) },
	}
	dryRunFlag(cmd, &dryRun)
	return cmd
}

func runReplace(ctx context.Context, s *session.Session, name string, dryRun bool) error {
	o, done, err := locked(ctx, s, replaceList, dryRun)
	if err != nil {
		return err
	}
	defer done()
	if err := o.isHere(name); err != nil {
		return err
	}
	record, verdict, err := o.replacement(s, name)
	if err != nil {
		return err
	}
	in := o.input(s, plan.Etcd{Member: etcd.Member{ID: record.ID, Name: name}, Alarms: o.alarmsOfID(record.ID)})
	in.Cluster = &cluster.Cluster{Timeouts: cluster.Timeouts{ControlPlaneHealth: startWithin, APICall: answersWithin}}
	in.Etcd.Replace = &plan.Replacing{Replacement: record, PeerURL: o.Access.PeerURLs[0], DataDir: o.Access.DataDir,
		Old: o.Old, Kept: o.Kept, APIServer: apiServerHere(ctx, s), Now: s.Now}
	parts := o.parts()
	if k := o.turn(ctx, s, name); k != nil {
		parts.Kube, in.Etcd.Replace.Turn = k, true
		keeping, stop := k.keep(ctx)
		defer stop()
		ctx = keeping
	}
	p, err := plan.Build(replaceList, phases.MemberReplace(), in, nil)
	if err != nil {
		return err
	}
	parts.Runtime = s.Runtime(runtimeSocket(ctx, s))
	if dryRun {
		return s.DryRun(ctx, parts, p)
	}
	result, err := s.Apply(ctx, parts, p)
	if lost := (*lease.LostError)(nil); err != nil && errors.As(context.Cause(ctx), &lost) {
		return lost // and not that it was interrupted
	}
	if err != nil {
		return err
	}
	seen, _, err := etcd.Look(ctx, o.client)
	if err != nil {
		return err
	}
	r := changedResult{Kind: "result", Changed: result.Changed, Name: name, Verdict: verdict, Quorum: etcd.Count(seen), Aside: record.Aside}
	for _, m := range seen {
		if o.here(m.Member) {
			r.ID = fmt.Sprintf("%x", m.ID)
		}
	}
	return print(s, r, func() {
		fmt.Fprintf(s.Streams.Out, "etcd member %s is rebuilt, as %s; %s\n", name, r.ID, r.Quorum)
		if r.Aside != "" {
			fmt.Fprintf(s.Streams.Out, "Its old data are kept; when nobody needs them any more:\n\n  rm -r %s\n", r.Aside)
		}
	})
}

// isHere refuses what is not the member of this machine.
func (o *opened) isHere(name string) error {
	switch {
	case !o.Local():
		return &exit.UsageError{Err: errors.New("replace etcd member " + name + ": this machine has no member"), Help: "run it on the member's machine"}
	case o.Access.Name != name:
		return &exit.UsageError{Err: fmt.Errorf("replace etcd member %s: the member of this machine is %s", name, o.Access.Name), Help: "run it on the member's machine"}
	case len(o.Access.PeerURLs) == 0:
		return fmt.Errorf("replace etcd member %s: its manifest does not tell --initial-advertise-peer-urls", name)
	}
	return nil
}

// replacement is the one that was begun, or a new one if the votes allow it.
func (o *opened) replacement(s *session.Session, name string) (cluster.Replacement, etcd.Verdict, error) {
	what := "replace etcd member " + name
	at := slices.IndexFunc(o.seen, func(m etcd.Seen) bool { return o.here(m.Member) })
	if r := o.Replacement; r != nil {
		if at >= 0 && o.seen[at].ID == r.ID {
			v, err := o.simulate(what, etcd.Replace, o.seen[at])
			return *r, v, err
		}
		t := etcd.Count(o.seen)
		return *r, etcd.Verdict{Now: t, Then: t, Allowed: true, Says: "it was begun by an earlier run, which is gone on with"}, nil
	}
	r := cluster.Replacement{Name: name, Manifest: o.Manifest}
	if o.Access.HasData {
		r.Aside = o.Access.DataDir + "/member.replaced-" + s.Now().UTC().Format("20060102T150405Z")
	}
	if at < 0 { // it was removed while its machine was away
		v, err := o.simulate(what, etcd.AddLearner, etcd.Seen{})
		return r, v, err
	}
	r.ID = o.seen[at].ID
	if others := o.corrupt(r.ID); others != "" {
		v := etcd.Simulate(o.seen, etcd.Replace, r.ID)
		v.Allowed, v.Says = false, "the data of "+others+" are corrupt too, so it would take in what nobody can vouch for; restore a backup"
		return r, v, &RefusedError{What: what, Verdict: v, Help: "clusteradm etcd alarms"}
	}
	v, err := o.simulate(what, etcd.Replace, o.seen[at])
	return r, v, err
}

// corrupt names another member whose data are corrupt.
func (o *opened) corrupt(but uint64) string {
	for _, m := range o.seen {
		if m.ID != but && slices.Contains(m.Alarms, etcd.Corrupt) {
			return m.Shown()
		}
	}
	return ""
}

// alarmsOfID are those of one member, which may be gone already.
func (o *opened) alarmsOfID(id uint64) []etcd.Alarm {
	var list []etcd.Alarm
	for _, m := range o.seen {
		if m.ID == id {
			list = append(list, alarmsOf(m)...)
		}
	}
	for _, a := range o.stayed {
		if a.Member == id {
			list = append(list, a)
		}
	}
	return list
}

// apiServerHere is where this machine's own API server is asked, which loses its
// etcd meanwhile; empty if it has none.
func apiServerHere(ctx context.Context, s *session.Session) string {
	data, err := s.Machine.ReadFile(ctx, cluster.ManifestsDir+"/kube-apiserver.yaml")
	if err != nil {
		return ""
	}
	flags, err := manifests.Flags(data)
	if err != nil || flags["advertise-address"] == "" || flags["secure-port"] == "" {
		return ""
	}
	u := url.URL{Scheme: "https", Host: net.JoinHostPort(flags["advertise-address"], flags["secure-port"])}
	return u.String()
}

func runtimeSocket(ctx context.Context, s *session.Session) string {
	if socket := facts.RuntimeEndpoint(ctx, s.Machine); socket != "" {
		return socket
	}
	for _, socket := range facts.Sockets(ctx, s.Machine) {
		return socket
	}
	return ""
}
