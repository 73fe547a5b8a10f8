package clusters

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// Member is a member of etcd as etcdctl lists it.
type Member struct {
	ID         uint64   `json:"ID"`
	Name       string   `json:"name"` // empty until it starts
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"` // none until it starts
	IsLearner  bool     `json:"isLearner"`
}

// Etcdctl asks the member of a control plane, by its loopback address.
func Etcdctl(ctx context.Context, n *nodes.Node, args ...string) (string, error) {
	const dir = "/etc/kubernetes/pki/etcd/"
	return Must(ctx, n, append([]string{"etcdctl", "--endpoints=https://127.0.0.1:2379", "--cacert=" + dir + "ca.crt",
		"--cert=" + dir + "healthcheck-client.crt", "--key=" + dir + "healthcheck-client.key"}, args...)...)
}

// Members lists etcd's members.
func Members(ctx context.Context, n *nodes.Node) ([]Member, error) {
	out, err := Etcdctl(ctx, n, "member", "list", "-w", "json")
	if err != nil {
		return nil, err
	}
	var list struct{ Members []Member }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, fmt.Errorf("read etcd members: %w", err)
	}
	return list.Members, nil
}

// Leader is the name of etcd's leader, as the member of n sees it.
func Leader(ctx context.Context, n *nodes.Node) (string, error) {
	out, err := Etcdctl(ctx, n, "endpoint", "status", "-w", "json")
	if err != nil {
		return "", err
	}
	var list []struct{ Status struct{ Leader uint64 } }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return "", fmt.Errorf("read etcd status: %w", err)
	}
	members, err := Members(ctx, n)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(members, func(m Member) bool { return len(list) == 1 && m.ID == list[0].Status.Leader })
	if i < 0 {
		return "", fmt.Errorf("find etcd's leader: none of %d members", len(members))
	}
	return members[i].Name, nil
}

// ExactMembers says what is wrong with etcd if it has other members than those
// of these nodes, or one of them is no healthy voter at its node's address.
func (c *Cluster) ExactMembers(ctx context.Context, from *nodes.Node, names ...string) error {
	members, err := Members(ctx, from)
	if err != nil {
		return err
	}
	var wrong []string
	for _, m := range members {
		n := c.Lab.Node(m.Name)
		switch {
		case n == nil || !slices.Contains(names, m.Name):
			wrong = append(wrong, fmt.Sprintf("%q %v should not be there", m.Name, m.PeerURLs))
		case m.IsLearner:
			wrong = append(wrong, m.Name+" is a learner")
		case !slices.Equal(m.PeerURLs, []string{"https://" + n.Address() + ":2380"}) || !slices.Equal(m.ClientURLs, []string{"https://" + n.Address() + ":2379"}):
			wrong = append(wrong, fmt.Sprintf("%s has %v and %v", m.Name, m.PeerURLs, m.ClientURLs))
		}
	}
	for _, name := range names {
		if n := len(slices.DeleteFunc(slices.Clone(members), func(m Member) bool { return m.Name != name })); n != 1 {
			wrong = append(wrong, fmt.Sprintf("%s is there %d times", name, n))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("etcd's members: %s", strings.Join(wrong, "; "))
	}
	_, err = Etcdctl(ctx, from, "endpoint", "health", "--cluster")
	return err
}
