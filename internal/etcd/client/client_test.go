package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/etcd/client"
	"github.com/clusteradm/clusteradm/internal/etcd/etcdtest"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

// servers is an etcd cluster whose members speak the real calls over TLS.
type servers struct {
	mu      sync.Mutex
	members []*pb.Member
	sick    map[uint64]bool
	lose    int   // answers of MemberRemove that get lost
	refuse  error // what MemberRemove and MemberAdd say
	leader  uint64
	alarms  []*pb.AlarmMember
}

func (s *servers) Fail(id uint64) { s.mu.Lock(); defer s.mu.Unlock(); s.sick[id] = true }

func (s *servers) Raise(a etcd.Alarm) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alarms = append(s.alarms, &pb.AlarmMember{MemberID: a.Member, Alarm: pb.AlarmType(pb.AlarmType_value[string(a.Kind)])})
}

// quorum is asked with the lock held.
func (s *servers) quorum() bool {
	voters, well := 0, 0
	for _, m := range s.members {
		if !m.IsLearner {
			voters++
			if !s.sick[m.ID] {
				well++
			}
		}
	}
	return well > voters/2
}

// member is one server.
type member struct {
	pb.UnimplementedClusterServer
	pb.UnimplementedMaintenanceServer
	*servers
	id uint64
}

// up is asked with the lock held; a member that is down looks like one that
// broke its connection off.
func (m *member) up() error {
	if m.sick[m.id] {
		return status.Error(codes.Unavailable, "connection reset")
	}
	return nil
}

func (m *member) MemberList(_ context.Context, r *pb.MemberListRequest) (*pb.MemberListResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.up(); err != nil {
		return nil, err
	}
	if r.Linearizable && !m.quorum() {
		return nil, status.Error(codes.Unavailable, "etcdserver: no leader")
	}
	return &pb.MemberListResponse{Members: append([]*pb.Member(nil), m.members...)}, nil
}

func (m *member) MemberRemove(_ context.Context, r *pb.MemberRemoveRequest) (*pb.MemberRemoveResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch err := m.up(); {
	case err != nil:
		return nil, err
	case m.refuse != nil:
		return nil, m.refuse
	case !m.quorum():
		return nil, status.Error(codes.Unavailable, "etcdserver: no leader")
	}
	for i, each := range m.members {
		if each.ID == r.ID {
			m.members = append(append([]*pb.Member(nil), m.members[:i]...), m.members[i+1:]...)
			if m.lose--; m.lose >= 0 {
				return nil, status.Error(codes.Unavailable, "connection reset")
			}
			return &pb.MemberRemoveResponse{}, nil
		}
	}
	return nil, status.Error(codes.NotFound, "etcdserver: member not found")
}

func (m *member) MemberAdd(_ context.Context, r *pb.MemberAddRequest) (*pb.MemberAddResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.up(); err != nil {
		return nil, err
	}
	if m.refuse != nil {
		return nil, m.refuse
	}
	id := uint64(1)
	for _, each := range m.members {
		if each.PeerURLs[0] == r.PeerURLs[0] {
			return nil, rpctypes.ErrGRPCPeerURLExist
		}
		if each.IsLearner && r.IsLearner {
			return nil, rpctypes.ErrGRPCTooManyLearners
		}
		id = max(id, each.ID+1)
	}
	added := &pb.Member{ID: id, PeerURLs: r.PeerURLs, IsLearner: r.IsLearner}
	m.members = append(m.members, added)
	if m.lose--; m.lose >= 0 {
		return nil, status.Error(codes.Unavailable, "connection reset")
	}
	return &pb.MemberAddResponse{Member: added, Members: m.members}, nil
}

func (m *member) MemberPromote(_ context.Context, r *pb.MemberPromoteRequest) (*pb.MemberPromoteResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.up(); err != nil {
		return nil, err
	}
	for _, each := range m.members {
		switch {
		case each.ID != r.ID:
		case !each.IsLearner:
			return nil, rpctypes.ErrGRPCMemberNotLearner
		default:
			return nil, rpctypes.ErrGRPCLearnerNotReady // none here ever starts
		}
	}
	return nil, rpctypes.ErrGRPCMemberNotFound
}

func (m *member) Alarm(_ context.Context, r *pb.AlarmRequest) (*pb.AlarmResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.up(); err != nil {
		return nil, err
	}
	if r.Action == pb.AlarmRequest_DEACTIVATE {
		m.alarms = slices.DeleteFunc(m.alarms, func(a *pb.AlarmMember) bool { return a.MemberID == r.MemberID && a.Alarm == r.Alarm })
	}
	return &pb.AlarmResponse{Alarms: m.alarms}, nil
}

func (m *member) MoveLeader(_ context.Context, r *pb.MoveLeaderRequest) (*pb.MoveLeaderResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.id != m.leader:
		return nil, rpctypes.ErrGRPCNotLeader
	case r.TargetID == 4:
		return nil, rpctypes.ErrGRPCBadLeaderTransferee
	}
	m.leader = r.TargetID
	return &pb.MoveLeaderResponse{}, nil
}

func (m *member) Defragment(context.Context, *pb.DefragmentRequest) (*pb.DefragmentResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &pb.DefragmentResponse{}, m.up()
}

func (m *member) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.up(); err != nil {
		return nil, err
	}
	leader := uint64(0)
	if m.quorum() {
		leader = m.leader
	}
	return &pb.StatusResponse{Header: &pb.ResponseHeader{MemberId: m.id}, Leader: leader, Version: "3.6.8", DbSize: 4096, DbSizeInUse: 2048, DbSizeQuota: 8192, RaftIndex: 7, RaftTerm: 2, RaftAppliedIndex: 6}, nil
}

// start serves the members of the suite and returns a client that knows the first.
func start(t *testing.T) (*servers, *client.Client) {
	t.Helper()
	c := &cluster.Cluster{CertificatesDir: "/pki", KeyAlgorithm: cluster.ECDSAP256, CAValidity: time.Hour, LeafValidity: time.Hour}
	bundle, err := pki.Ensure(nil, pki.Tree(c, cluster.Node{Name: "m1"}), nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ca, server, health := bundle.Pairs["etcd/ca"].Cert, bundle.Pairs["etcd/server"], bundle.Pairs["etcd/healthcheck-client"]
	pair, err := tls.X509KeyPair(server.Cert, server.Key.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	s := &servers{sick: map[uint64]bool{}, leader: 1}
	for _, m := range etcdtest.Members() {
		each := &pb.Member{ID: m.ID, Name: m.Name, PeerURLs: m.PeerURLs, IsLearner: m.Learner}
		s.members = append(s.members, each)
		if m.Name == "" {
			continue // it has not started
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		each.ClientURLs = []string{"https://" + listener.Addr().String()}
		server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})))
		pb.RegisterClusterServer(server, &member{servers: s, id: m.ID})
		pb.RegisterMaintenanceServer(server, &member{servers: s, id: m.ID})
		go server.Serve(listener)
		t.Cleanup(server.Stop)
	}
	asked, err := client.New(client.Config{Endpoints: s.members[0].ClientURLs, CA: ca, Cert: health.Cert, Key: health.Key, Dial: dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(asked.Close)
	return s, asked
}

func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

func TestConformance(t *testing.T) {
	etcdtest.RunConformance(t, func(t *testing.T) etcdtest.Subject {
		s, c := start(t)
		return etcdtest.Subject{Client: c, Fail: s.Fail, Raise: s.Raise}
	})
}

// The answer to a removal that was done can get lost; asked again, etcd does
// not know the member any more.
func TestOneLostAnswerIsNoFailure(t *testing.T) {
	s, c := start(t)
	s.lose = 1
	if err := c.RemoveMember(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if len(s.members) != 3 {
		t.Errorf("there are %d members", len(s.members))
	}
}

// The answer to an addition can get lost, too: asked again, etcd knows the peer.
func TestOneLostAdditionIsNoFailure(t *testing.T) {
	s, c := start(t)
	if err := c.RemoveMember(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	s.lose = 1
	m, err := c.AddLearner(t.Context(), []string{"https://192.0.2.9:2380"})
	if err != nil || !m.Learner || m.PeerURLs[0] != "https://192.0.2.9:2380" || len(s.members) != 4 {
		t.Errorf("added %+v of %d members: %v", m, len(s.members), err)
	}
}

// etcd's own refusal is an answer, and is not asked for elsewhere.
func TestRefusalIsTold(t *testing.T) {
	for _, refusal := range []error{
		status.Error(codes.FailedPrecondition, "etcdserver: re-configuration failed due to not enough started members"),
		status.Error(codes.Unavailable, "etcdserver: unhealthy cluster"),
	} {
		s, c := start(t)
		s.refuse = refusal
		err := c.RemoveMember(t.Context(), 2)
		unsettled := strings.HasSuffix(refusal.Error(), "unhealthy cluster")
		if err == nil || errors.Is(err, etcd.ErrUnavailable) || errors.Is(err, etcd.ErrUnsettled) != unsettled ||
			!unsettled && !strings.Contains(err.Error(), status.Convert(refusal).Message()) {
			t.Errorf("refused with %v, told %v", refusal, err)
		}
		_, err = c.AddLearner(t.Context(), []string{"https://192.0.2.9:2380"})
		if err == nil || errors.Is(err, etcd.ErrUnsettled) != unsettled {
			t.Errorf("refused to add with %v, told %v", refusal, err)
		}
	}
}

// A member that hangs takes its time and no more.
func TestMemberThatHangs(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c, err := client.New(client.Config{Endpoints: []string{"http://" + silent.Addr().String()}, Dial: dial, Timeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Members(t.Context()); !errors.Is(err, etcd.ErrUnavailable) || !strings.Contains(err.Error(), silent.Addr().String()) {
		t.Errorf("%v, want that %s does not answer", err, silent.Addr())
	}
}

func TestWrongConfigurationIsTold(t *testing.T) {
	if _, err := client.New(client.Config{CA: []byte("none")}); err == nil {
		t.Error("a CA that is none was taken")
	}
	for endpoint, says := range map[string]string{"127.0.0.1": "no URL", "https://127.0.0.1:2379": "no certificate"} {
		c, err := client.New(client.Config{Endpoints: []string{endpoint}, Key: secret.NewBytes(nil), Dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Members(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want that it says %q", endpoint, err, says)
		}
	}
}
