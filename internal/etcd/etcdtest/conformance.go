package etcdtest

import (
	"context"
	"errors"
	"testing"

	"github.com/clusteradm/clusteradm/internal/etcd"
)

// Subject is an etcd cluster under the suite: voters 1, 2 and 3 called m1, m2
// and m3, and the learner 4 that has not started; m1 leads. Fail makes one not answer,
// Raise raises an alarm.
type Subject struct {
	Client etcd.Client
	Fail   func(id uint64)
	Raise  func(etcd.Alarm)
}

// Members are those of a Subject but for where they are asked.
func Members() []etcd.Member {
	return []etcd.Member{
		{ID: 1, Name: "m1", PeerURLs: []string{"https://192.0.2.1:2380"}},
		{ID: 2, Name: "m2", PeerURLs: []string{"https://192.0.2.2:2380"}},
		{ID: 3, Name: "m3", PeerURLs: []string{"https://192.0.2.3:2380"}},
		{ID: 4, PeerURLs: []string{"https://192.0.2.4:2380"}, Learner: true},
	}
}

// RunConformance is what every etcd.Client does alike.
func RunConformance(t *testing.T, build func(t *testing.T) Subject) {
	ids := func(t *testing.T, c etcd.Client) (list []uint64) {
		t.Helper()
		members, err := c.Members(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range members {
			list = append(list, m.ID)
		}
		return list
	}
	is := func(t *testing.T, c etcd.Client, want ...uint64) {
		t.Helper()
		got := ids(t, c)
		if len(got) != len(want) {
			t.Fatalf("members are %v, want %v", got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("members are %v, want %v", got, want)
			}
		}
	}
	t.Run("members are told in order, with all that is known", func(t *testing.T) {
		s := build(t)
		is(t, s.Client, 1, 2, 3, 4)
		members, _ := s.Client.Members(t.Context())
		if m := members[0]; m.Name != "m1" || m.PeerURLs[0] != "https://192.0.2.1:2380" || m.Learner {
			t.Errorf("m1 is %+v", m)
		}
		if m := members[3]; m.Name != "" || !m.Learner {
			t.Errorf("the learner is %+v", m)
		}
	})
	t.Run("each is asked how it is", func(t *testing.T) {
		s := build(t)
		s.Fail(3)
		members, err := s.Client.Members(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range members {
			err := s.Client.Healthy(t.Context(), m)
			if well := m.ID < 3; well != (err == nil) || err != nil && !errors.Is(err, etcd.ErrUnavailable) {
				t.Errorf("member %d: %v", m.ID, err)
			}
		}
	})
	t.Run("a member is removed once", func(t *testing.T) {
		s := build(t)
		for range 2 {
			if err := s.Client.RemoveMember(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
			is(t, s.Client, 1, 3, 4)
		}
	})
	t.Run("one learner at a time is added, promoted once", func(t *testing.T) {
		s := build(t)
		fifth := []string{"https://192.0.2.5:2380"}
		if _, err := s.Client.AddLearner(t.Context(), fifth); !errors.Is(err, etcd.ErrTooManyLearners) {
			t.Errorf("a second learner: %v", err)
		}
		if m, err := s.Client.AddLearner(t.Context(), Members()[3].PeerURLs); err != nil || m.ID != 4 || !m.Learner {
			t.Errorf("the learner that is there: %+v, %v", m, err)
		}
		if err := s.Client.Promote(t.Context(), 4); !errors.Is(err, etcd.ErrNotInSync) {
			t.Errorf("promoted before it started: %v", err)
		}
		if err := s.Client.Promote(t.Context(), 99); !errors.Is(err, etcd.ErrNotFound) {
			t.Errorf("promoted nobody: %v", err)
		}
		if err := s.Client.Promote(t.Context(), 1); err != nil {
			t.Errorf("promoted a voter: %v", err)
		}
		if err := s.Client.RemoveMember(t.Context(), 4); err != nil {
			t.Fatal(err)
		}
		m, err := s.Client.AddLearner(t.Context(), fifth)
		if err != nil || !m.Learner || m.Name != "" || m.PeerURLs[0] != fifth[0] {
			t.Fatalf("added %+v, %v", m, err)
		}
		is(t, s.Client, 1, 2, 3, m.ID)
	})
	t.Run("the leader is moved", func(t *testing.T) {
		s := build(t)
		members, err := s.Client.Members(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		leader := func() uint64 {
			status, err := s.Client.Status(t.Context(), members[2])
			if err != nil || status.ID != 3 || status.Version == "" || status.Size == 0 || status.Quota == 0 {
				t.Fatalf("m3 says %+v, %v", status, err)
			}
			return status.Leader
		}
		if id := leader(); id != 1 {
			t.Fatalf("%d leads", id)
		}
		if err := s.Client.MoveLeader(t.Context(), members[0], members[1]); err != nil || leader() != 2 {
			t.Errorf("moved: %v, %d leads", err, leader())
		}
		if err := s.Client.MoveLeader(t.Context(), members[1], members[3]); err == nil {
			t.Error("moved to a learner")
		}
	})
	t.Run("alarms are told and disarmed", func(t *testing.T) {
		s := build(t)
		raised := etcd.Alarm{Member: 2, Kind: etcd.NoSpace}
		s.Raise(raised)
		if alarms, err := s.Client.Alarms(t.Context()); err != nil || len(alarms) != 1 || alarms[0] != raised {
			t.Fatalf("alarms are %v, %v", alarms, err)
		}
		for range 2 {
			if err := s.Client.Disarm(t.Context(), raised); err != nil {
				t.Fatal(err)
			}
		}
		if alarms, err := s.Client.Alarms(t.Context()); err != nil || len(alarms) != 0 {
			t.Errorf("alarms are %v, %v", alarms, err)
		}
	})
	t.Run("one member is defragmented", func(t *testing.T) {
		s := build(t)
		s.Fail(2)
		members, _ := s.Client.Members(t.Context())
		if err := s.Client.Defragment(t.Context(), members[0]); err != nil {
			t.Error(err)
		}
		if err := s.Client.Defragment(t.Context(), members[1]); err == nil {
			t.Error("one that does not answer was defragmented")
		}
	})
	t.Run("the first member fails", func(t *testing.T) {
		s := build(t)
		is(t, s.Client, 1, 2, 3, 4) // where the others are asked is known now
		s.Fail(1)
		is(t, s.Client, 1, 2, 3, 4)
		if err := s.Client.RemoveMember(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		is(t, s.Client, 2, 3, 4)
	})
	t.Run("without a quorum members are told and none is removed", func(t *testing.T) {
		s := build(t)
		s.Fail(2)
		s.Fail(3)
		is(t, s.Client, 1, 2, 3, 4)
		if err := s.Client.RemoveMember(t.Context(), 2); !errors.Is(err, etcd.ErrUnavailable) {
			t.Errorf("removed: %v", err)
		}
		is(t, s.Client, 1, 2, 3, 4)
	})
	t.Run("nobody answers", func(t *testing.T) {
		s := build(t)
		for _, m := range Members() {
			s.Fail(m.ID)
		}
		if _, err := s.Client.Members(t.Context()); !errors.Is(err, etcd.ErrUnavailable) {
			t.Errorf("members: %v", err)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		s := build(t)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Client.Members(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("members: %v", err)
		}
		if err := s.Client.RemoveMember(gone, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("remove: %v", err)
		}
		is(t, s.Client, 1, 2, 3, 4)
	})
}
