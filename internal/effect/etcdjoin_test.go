package effect_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/lease"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
)

const ourPeer, ourClient = "https://192.0.2.12:2380", "192.0.2.12:2379"

func clock() time.Time { return now }

// founder is the cluster's first member.
func founder() etcd.Member {
	return etcd.Member{ID: 1, Name: "cp1", PeerURLs: []string{"https://192.0.2.10:2380"}, ClientURLs: []string{"https://192.0.2.10:2379"}}
}

func members(list ...etcd.Member) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) {
		for _, m := range list {
			w.EtcdCluster.Add(m)
		}
	}
}

func learner(id uint64, name, peer string) etcd.Member {
	return etcd.Member{ID: id, Name: name, PeerURLs: []string{peer}, Learner: true}
}

// held has a Lease there.
func held(holder string, renewed time.Time) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		_, err := w.Store.Create(t.Context(), lease.Object(lease.EtcdJoin, holder, renewed))
		must(t, err)
	}
}

// etcdPod is a manifest that names the peers there are.
func etcdPod() effect.EtcdPod {
	return effect.EtcdPod{Host: "n1", Path: conf + "/etcd.yaml", PeerURL: ourPeer, Render: func(list []etcd.Member) (secret.Bytes, error) {
		text := canary
		for _, m := range list {
			text += fmt.Sprint(" ", m.PeerURLs)
		}
		return secret.NewBytes([]byte(text)), nil
	}}
}

func joinRows() map[string]row {
	add := effect.EtcdLearner{Host: "n1", PeerURL: ourPeer}
	vote := effect.EtcdVoter{Host: "n1", PeerURL: ourPeer}
	serves := effect.EtcdServes{Host: "n1", PeerURL: ourPeer, Addr: ourClient}
	orphans := effect.EtcdOrphans{Host: "n1", Keep: ourPeer}
	turn := effect.Turn{Holder: "cp2", Now: clock}
	over := effect.Turn{Holder: "cp2", Released: true, Now: clock}
	us, voter := learner(7, "cp2", ourPeer), learner(7, "cp2", ourPeer)
	voter.Learner = false
	return map[string]row{
		"etcd learner, absent": {effect: add, before: members(founder())},
		"etcd learner, there":  {effect: add, before: members(founder(), us), so: true},
		"etcd learner, votes":  {effect: add, before: members(founder(), voter), so: true},

		"etcd voter, learner": {effect: vote, before: members(founder(), us)},
		"etcd voter, votes":   {effect: vote, before: members(founder(), voter), so: true},

		"etcd serves, it does":     {effect: serves, before: both(members(founder(), us), etcdRuns(true)), so: true},
		"etcd serves, nobody":      {effect: serves, before: both(members(founder(), us), etcdRuns(false))},
		"etcd serves, with a vote": {effect: serves, before: both(members(founder(), voter), etcdRuns(false)), so: true},
		"etcd serves, not running": {effect: serves, before: members(founder(), us), so: true},

		"etcd orphans, none": {effect: orphans, before: members(founder(), us), so: true},
		"etcd orphans, ours": {effect: orphans, before: members(founder(), learner(7, "", ourPeer)), so: true},
		"etcd orphans, some": {effect: orphans, before: members(founder(), learner(7, "", ourPeer), learner(8, "", "https://192.0.2.13:2380"))},

		"etcd pod, absent": {effect: etcdPod(), before: members(founder(), us)},
		"etcd pod, there":  {effect: etcdPod(), before: both(members(founder(), us), applied(etcdPod())), so: true},
		// Another member went, or came, since it was written.
		"etcd pod, of another membership": {effect: etcdPod(), before: func(t *testing.T, w *world) {
			members(founder(), us, learner(9, "cp3", "https://192.0.2.13:2380"))(t, w)
			applied(etcdPod())(t, w)
			must(t, w.EtcdCluster.RemoveMember(t.Context(), 9))
		}},

		"turn, absent":          {effect: turn},
		"turn, free":            {effect: turn, before: held("", now)},
		"turn, another's, over": {effect: turn, before: held("cp3", now.Add(-lease.Duration))},
		"turn, ours":            {effect: turn, before: held("cp2", now.Add(-time.Second)), so: true},
		"turn, ours, over":      {effect: turn, before: held("cp2", now.Add(-lease.Duration))},
		"turn back, ours":       {effect: over, before: held("cp2", now)},
		"turn back, another's":  {effect: over, before: held("cp3", now), so: true},
		"turn back, absent":     {effect: over, so: true},
	}
}

// etcdRuns has a container of etcd that serves, or does not before it is
// restarted.
func etcdRuns(serves bool) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) {
		w.Machine.Put(conf+"/cert", aCertificate, 0o644)
		run := func(id string) cri.Container {
			return cri.Container{ID: id, Name: "etcd", Pod: "etcd-cp2", Namespace: "kube-system", Running: true, Created: now}
		}
		w.Containers.AddContainer(run("first"))
		next := func(cri.Container) {
			w.Containers.AddContainer(run("next"))
			w.Serves = map[string]string{ourClient: conf + "/cert"}
		}
		w.Containers.Restarted = next
		if serves {
			w.Serves = map[string]string{ourClient: conf + "/cert"}
		}
	}
}

// lost has an effect applied to what was observed before something happened.
func lost(t *testing.T, e plan.Effect, before, meanwhile func(*testing.T, *world)) (*world, error) {
	t.Helper()
	w := newWorld(t)
	before(t, w)
	observed, err := e.Observe(t.Context(), w)
	must(t, err)
	meanwhile(t, w)
	return w, e.Apply(t.Context(), w, observed)
}

func TestLostRacesAreNotYet(t *testing.T) {
	nothing := func(*testing.T, *world) {}
	taken := func(t *testing.T, w *world) { converge(t, w, effect.Turn{Holder: "cp3", Now: clock}) }
	turn := effect.Turn{Holder: "cp2", Now: clock}
	for name, c := range map[string]struct {
		effect            plan.Effect
		before, meanwhile func(*testing.T, *world)
	}{
		"another has the turn":         {turn, held("cp3", now), nothing},
		"another made the lease":       {turn, nothing, taken},
		"another took the free turn":   {turn, held("", now), taken},
		"another was faster when over": {turn, held("cp4", now.Add(-time.Hour)), taken},
		"it was renewed before it was given back": {effect.Turn{Holder: "cp2", Released: true, Now: clock}, held("cp2", now), func(t *testing.T, w *world) {
			converge(t, w, effect.Turn{Holder: "cp2", Now: func() time.Time { return now.Add(time.Hour) }})
		}},
		"another learner": {effect.EtcdLearner{Host: "n1", PeerURL: ourPeer}, members(founder()), members(learner(9, "cp3", "https://192.0.2.13:2380"))},
		"a voter is too new for an orphan to go": {effect.EtcdOrphans{Host: "n1", Keep: ourPeer}, members(founder(), learner(8, "", "https://192.0.2.13:2380")),
			func(_ *testing.T, w *world) { w.EtcdCluster.Unsettle(1) }},
		"a voter is too new": {effect.EtcdLearner{Host: "n1", PeerURL: ourPeer}, members(founder()), func(_ *testing.T, w *world) { w.EtcdCluster.Unsettle(1) }},
		"a voter is too new to lose another": {effect.EtcdMember{Host: "n1", ID: 7}, members(founder(), learner(7, "cp2", ourPeer)),
			func(_ *testing.T, w *world) { w.EtcdCluster.Unsettle(1) }},
		"not in sync": {effect.EtcdVoter{Host: "n1", PeerURL: ourPeer}, members(founder(), learner(7, "cp2", ourPeer)),
			func(_ *testing.T, w *world) { w.EtcdCluster.Fail(7) }},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := lost(t, c.effect, c.before, c.meanwhile)
			if !errors.Is(err, plan.ErrNotYet) {
				t.Fatalf("error %v", err)
			}
			if obj, err := w.Store.Get(t.Context(), lease.EtcdJoin); err == nil && lease.Of(obj).Holder == "" {
				t.Error("the turn of another was taken back")
			}
		})
	}
}

// What was waited for and came is not removed, though it was seen as an orphan.
func TestOrphanThatStartedStays(t *testing.T) {
	const theirs = "https://192.0.2.13:2380"
	w, err := lost(t, effect.EtcdOrphans{Host: "n1", Keep: ourPeer}, members(founder(), learner(9, "", theirs)),
		func(_ *testing.T, w *world) { w.EtcdCluster.Start("cp3", theirs, "https://192.0.2.13:2379") })
	must(t, err)
	if list, _ := w.EtcdCluster.Members(t.Context()); len(list) != 2 {
		t.Errorf("members %+v", list)
	}
}

func TestNoMemberNoVoteAndNoManifest(t *testing.T) {
	w := newWorld(t)
	members(founder())(t, w)
	if c := look(t, w, effect.EtcdVoter{Host: "n1", PeerURL: ourPeer}); c.Verb != plan.Unknown {
		t.Errorf("voter: %+v", c)
	}
	if c := look(t, w, effect.EtcdServes{Host: "n1", PeerURL: ourPeer, Addr: ourClient}); c.Verb != plan.Unknown {
		t.Errorf("serves: %+v", c)
	}
	pod := etcdPod()
	observed, err := pod.Observe(t.Context(), w)
	must(t, err)
	if c := pod.Diff(observed); c.Verb != plan.Create { // which a plan shows
		t.Errorf("pod: %+v", c)
	}
	if err := pod.Apply(t.Context(), w, observed); err == nil || !strings.Contains(err.Error(), "etcd has no member at "+ourPeer) {
		t.Errorf("pod: %v", err)
	}
}
