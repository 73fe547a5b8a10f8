package etcdcmd

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/client"
)

// nodes are names of Nodes by what tells them: their addresses and themselves.
// nil when no API server answers.
type nodes map[string]string

// askWithin bounds the question: etcd's state is told with or without it.
const askWithin = 3 * time.Second

func askNodes(ctx context.Context, s *session.Session) nodes {
	conf, err := administrator(ctx, s)
	if err != nil {
		return nil
	}
	api, err := client.New(conf)
	if err != nil {
		return nil
	}
	defer api.Close()
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	list, err := api.List(ctx, kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Node"}}, "")
	if err != nil {
		return nil
	}
	return nodesOf(list)
}

// administrator is how the cluster's administrator asks, where this machine has
// the file.
func administrator(ctx context.Context, s *session.Session) (client.Config, error) {
	data, err := s.Machine.ReadFile(ctx, cluster.AdminConf)
	if err != nil {
		return client.Config{}, err
	}
	conf, err := client.FromKubeconfig(data)
	conf.Dial, conf.Timeout = s.Machine.DialHost, askWithin
	return conf, err
}

func nodesOf(list []unstructured.Unstructured) nodes {
	found := nodes{}
	for _, n := range list {
		found[n.GetName()] = n.GetName()
		addresses, _, _ := unstructured.NestedSlice(n.Object, "status", "addresses")
		for _, a := range addresses {
			if a, ok := a.(map[string]any); ok {
				if address, ok := a["address"].(string); ok {
					found[address] = n.GetName()
				}
			}
		}
	}
	return found
}

// of is the Node of a member's machine: the one at its address, or of its name.
func (n nodes) of(m etcd.Member) string {
	for _, peer := range m.PeerURLs {
		if u, err := url.Parse(peer); err == nil && n[u.Hostname()] != "" {
			return n[u.Hostname()]
		}
	}
	return n[m.Name]
}

// gone are members whose machine has left the cluster. Where no member has a
// Node, etcd is on machines of its own. One that joins has its Node in a moment.
func (n nodes) gone(seen []etcd.Seen) []etcd.Finding {
	var without []etcd.Finding
	with := 0
	for _, m := range seen {
		switch {
		case n.of(m.Member) != "":
			with++
		case m.Name == "" || m.Learner:
		case m.Healthy():
			without = append(without, etcd.Finding{Message: fmt.Sprintf("member %s serves and has no Node: its machine joins just now, or its Node was deleted", m.Name),
				Hint: "clusteradm reset   # on its machine, if that is to leave"})
		default:
			without = append(without, etcd.Finding{Message: fmt.Sprintf("member %s has no Node: its machine has left the cluster", m.Name),
				Hint: "clusteradm etcd member remove " + m.Name})
		}
	}
	if with == 0 {
		return nil
	}
	return without
}
