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
	memberList   = "/etcdserverpb.Cluster/MemberList"
	memberRemove = "/etcdserverpb.Cluster/MemberRemove"
	memberStatus = "/etcdserverpb.Maintenance/Status"
)

// message is one that is sent: varint fields by number, zeros left out.
type message map[protowire.Number]uint64

func (m message) bytes() []byte {
	var b []byte
	for number, value := range m {
		if value != 0 {
			b = protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), value)
		}
	}
	return b
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

// invokeMembers asks for the members; linearizable is what the cluster agrees
// on, else it is what the one that is asked knows.
func invokeMembers(ctx context.Context, conn *grpc.ClientConn, linearizable bool) ([]etcd.Member, error) {
	request := message{}
	if linearizable {
		request[1] = 1
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

// invokeStatus asks a member who it is and whom it follows; 0 is nobody.
func invokeStatus(ctx context.Context, conn *grpc.ClientConn) (id, leader uint64, err error) {
	err = invoke(ctx, conn, memberStatus, message{}, func(number protowire.Number, varint uint64, bytes []byte) error {
		switch number {
		case 1: // the header, whose second field is the member
			return fields(bytes, func(number protowire.Number, varint uint64, _ []byte) error {
				if number == 2 {
					id = varint
				}
				return nil
			})
		case 4:
			leader = varint
		}
		return nil
	})
	return id, leader, err
}

func invokeRemove(ctx context.Context, conn *grpc.ClientConn, id uint64) error {
	return invoke(ctx, conn, memberRemove, message{1: id}, func(protowire.Number, uint64, []byte) error { return nil })
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
	return m.bytes(), nil
}

func (codec) Unmarshal(data []byte, v any) error {
	f, ok := v.(answer)
	if !ok {
		return fmt.Errorf("decode %T: not an answer of etcd's", v)
	}
	return fields(data, f)
}
