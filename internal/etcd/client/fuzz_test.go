package client_test

import (
	"slices"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clusteradm/clusteradm/internal/etcd/client"
)

// What etcd's own code takes for a member, this does, and sees the same.
func FuzzMember(f *testing.F) {
	member := pb.Member{ID: 7, Name: "a", PeerURLs: []string{"x", "y"}, ClientURLs: []string{"z"}, IsLearner: true}
	data, err := member.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)-1])
	f.Add(protowire.AppendFixed32(protowire.AppendTag(data, 99, protowire.Fixed32Type), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		var theirs pb.Member
		if theirs.Unmarshal(data) != nil {
			_, _ = client.DecodeMember(data)
			return
		}
		ours, err := client.DecodeMember(data)
		if err != nil {
			return // more careful than the generated code, with groups and the like
		}
		if ours.ID != theirs.ID || ours.Name != theirs.Name || ours.Learner != theirs.IsLearner ||
			!slices.Equal(ours.PeerURLs, theirs.PeerURLs) || !slices.Equal(ours.ClientURLs, theirs.ClientURLs) {
			t.Errorf("%x is %+v, etcd says %+v", data, ours, theirs)
		}
	})
}
