package client

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clusteradm/clusteradm/internal/etcd"
)

// What is said on the wire, as etcd's rpc.proto has it. Field numbers never
// change there; fields that are not read here are passed over.
const (
	memberList    = "/etcdserverpb.Cluster/MemberList"
	memberAdd     = "/etcdserverpb.Cluster/MemberAdd"
	memberPromote = "/etcdserverpb.Cluster/MemberPromote"
	memberRemove  = "/etcdserverpb.Cluster/MemberRemove"
	memberStatus  = "/etcdserverpb.Maintenance/Status"
	alarm         = "/etcdserverpb.Maintenance/Alarm"
	moveLeader    = "/etcdserverpb.Maintenance/MoveLeader"
	defragment    = "/etcdserverpb.Maintenance/Defragment"
)

// The values of etcd's enumerations that are sent.
const (
	alarmGet        = 0
	alarmDeactivate = 2
)

// alarmKinds are etcd's AlarmType by number.
var alarmKinds = map[uint64]etcd.AlarmKind{1: etcd.NoSpace, 2: etcd.Corrupt}

// message is one that is sent: its fields, encoded one after the other.
type message []byte

// number adds a number; zero is left out.
func (m message) number(field protowire.Number, value uint64) message {
	if value == 0 {
		return m
	}
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), value)
}

func (m message) texts(field protowire.Number, values []string) message {
	for _, value := range values {
		m = protowire.AppendString(protowire.AppendTag(m, field, protowire.BytesType), value)
	}
	return m
}

// answer is one that is received, decoded field by field.
type answer func(number protowire.Number, varint uint64, bytes []byte) error

// fields calls f for each field that is a number or bytes.
func fields(b []byte, f answer) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var varint uint64
		var bytes []byte
		switch kind {
		case protowire.VarintType:
			varint, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if kind == protowire.VarintType || kind == protowire.BytesType {
			if err := f(number, varint, bytes); err != nil {
				return err
			}
		}
	}
	return nil
}

func decodeMember(b []byte) (etcd.Member, error) {
	var m etcd.Member
	err := fields(b, func(number protowire.Number, varint uint64, bytes []byte) error {
		switch number {
		case 1:
			m.ID = varint
		case 2:
			m.Name = string(bytes)
		case 3:
			m.PeerURLs = append(m.PeerURLs, string(bytes))
		case 4:
			m.ClientURLs = append(m.ClientURLs, string(bytes))
		case 5:
			m.Learner = varint != 0
		}
		return nil
	})
	return m, err
}

// nothing is what is made of an answer that says no more than that it was done.
func nothing(protowire.Number, uint64, []byte) error { return nil }

// invokeMembers asks for the members; linearizable is what the cluster agrees
// on, else it is what the one that is asked knows.
func invokeMembers(ctx context.Context, conn *grpc.ClientConn, linearizable bool) ([]etcd.Member, error) {
	request := message(nil)
	if linearizable {
		request = request.number(1, 1)
	}
	var members []etcd.Member
	err := invoke(ctx, conn, memberList, request, func(number protowire.Number, _ uint64, bytes []byte) error {
		if number != 2 {
			return nil
		}
		m, err := decodeMember(bytes)
		members = append(members, m)
		return err
	})
	return members, err
}

// invokeAdd adds a learner and returns it.
func invokeAdd(ctx context.Context, conn *grpc.ClientConn, peerURLs []string) (m etcd.Member, err error) {
	err = invoke(ctx, conn, memberAdd, message(nil).texts(1, peerURLs).number(2, 1), func(number protowire.Number, _ uint64, bytes []byte) (err error) {
		if number == 2 {
			m, err = decodeMember(bytes)
		}
		return err
	})
	return m, err
}

// invokeStatus asks a member what it is.
func invokeStatus(ctx context.Context, conn *grpc.ClientConn) (s etcd.Status, err error) {
	err = invoke(ctx, conn, memberStatus, nil, func(number protowire.Number, varint uint64, bytes []byte) error {
		switch number {
		case 1: // the header, whose second field is the member
			return fields(bytes, func(number protowire.Number, varint uint64, _ []byte) error {
				if number == 2 {
					s.ID = varint
				}
				return nil
			})
		case 2:
			s.Version = string(bytes)
		case 3:
			s.Size = int64(varint)
		case 4:
			s.Leader = varint
		case 5:
			s.Index = varint
		case 6:
			s.Term = varint
		case 7:
			s.Applied = varint
		case 8:
			s.Errors = append(s.Errors, string(bytes))
		case 9:
			s.InUse = int64(varint)
		case 10:
			s.Learner = varint != 0
		case 12:
			s.Quota = int64(varint)
		}
		return nil
	})
	return s, err
}

// invokeAlarms asks for the alarms, or takes one back.
func invokeAlarms(ctx context.Context, conn *grpc.ClientConn, request message) ([]etcd.Alarm, error) {
	var alarms []etcd.Alarm
	err := invoke(ctx, conn, alarm, request, func(number protowire.Number, _ uint64, bytes []byte) error {
		if number != 2 {
			return nil
		}
		var a etcd.Alarm
		err := fields(bytes, func(number protowire.Number, varint uint64, _ []byte) error {
			switch number {
			case 1:
				a.Member = varint
			case 2:
				a.Kind = alarmKinds[varint]
			}
			return nil
		})
		alarms = append(alarms, a)
		return err
	})
	return alarms, err
}

func invoke(ctx context.Context, conn *grpc.ClientConn, method string, request message, response answer) error {
	return conn.Invoke(ctx, method, request, response, grpc.ForceCodec(codec{}))
}

// codec hands messages to gRPC.
type codec struct{}

func (codec) Name() string { return "proto" }

func (codec) Marshal(v any) ([]byte, error) {
	m, ok := v.(message)
	if !ok {
		return nil, fmt.Errorf("encode %T: not a message of etcd's", v)
	}
	return m, nil
}

func (codec) Unmarshal(data []byte, v any) error {
	f, ok := v.(answer)
	if !ok {
		return fmt.Errorf("decode %T: not an answer of etcd's", v)
	}
	return fields(data, f)
}
