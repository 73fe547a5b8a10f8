package joincmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/etcd"
	etcdclient "github.com/clusteradm/clusteradm/internal/etcd/client"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/lease"
	"github.com/clusteradm/clusteradm/manifests"
)

// askEtcd finds out what this node is to the cluster's etcd.
func (p *prepared) askEtcd(ctx context.Context, s *session.Session, admin kube.Reader) error {
	in := &p.input
	endpoints, nodes, err := etcdEndpoints(ctx, admin)
	if err != nil {
		return err
	}
	ca, pair := in.PKI.Pairs["etcd/ca"], in.PKI.Pairs["etcd/healthcheck-client"]
	asked, err := etcdclient.New(etcdclient.Config{Endpoints: endpoints, CA: ca.Cert, Cert: pair.Cert, Key: pair.Key, Dial: s.Machine.DialHost})
	if err != nil {
		return err
	}
	p.closes = append(p.closes, asked.Close)
	p.parts.Etcd = asked
	at := standing{nodes: nodes}
	if at.seen, _, err = etcd.Look(ctx, asked); err != nil {
		return &MembershipError{err.Error(), "clusteradm etcd status   # on a control plane"}
	}
	if obj, err := admin.Get(ctx, lease.EtcdJoin); err == nil {
		at.turn = lease.Of(obj).Holder
	} else if !apierrors.IsNotFound(err) {
		return fmt.Errorf("ask whose turn it is to join etcd: %w", err)
	}
	dataDir := in.Cluster.Etcd.DataDir
	if err := at.lookForData(ctx, s.Machine, in.Cluster.Etcd); err != nil {
		return err
	}
	if in.Join.Etcd, err = at.membership(in.Node, dataDir); err != nil {
		return err
	}
	in.Join.Etcd.Now = s.Now
	for _, m := range in.Join.Etcd.Remove {
		s.Caution(event.Event{Message: fmt.Sprintf("etcd member %s at %s does not answer and its machine is gone, or was made anew: it is removed", m.Shown(), strings.Join(m.PeerURLs, ","))})
	}
	return nil
}

// lookForData finds what etcd has on this machine, and whose it is.
func (s *standing) lookForData(ctx context.Context, h host.Reader, e cluster.Etcd) error {
	dataDir := e.DataDir
	_, err := h.Stat(ctx, path.Join(dataDir, "member"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for data of etcd: %w", err)
	}
	s.data = err == nil
	elsewhere := slices.ContainsFunc(e.ExtraArgs, func(a cluster.Arg) bool { return a.Name == "wal-dir" })
	log, err := h.ReadDir(ctx, path.Join(dataDir, "member", "wal"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for data of etcd: %w", err)
	}
	s.empty = s.data && !elsewhere && !slices.ContainsFunc(log, func(f host.Info) bool { return strings.HasSuffix(f.Name, ".wal") })
	// Reset has the same file with another text: what it gave up may have lived on.
	mark, err := h.ReadFile(ctx, path.Join(dataDir, cluster.EtcdGivenUp))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for data of etcd: %w", err)
	}
	s.withdrawn = string(mark) == cluster.EtcdWithdrawn
	return nil
}

// etcdEndpoints are where etcd's members serve, as their pods say, and all Nodes.
func etcdEndpoints(ctx context.Context, r kube.Reader) (endpoints []string, all nodes, err error) {
	of := func(kind, namespace string) kube.Ref {
		return kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: kind}, Namespace: namespace}
	}
	pods, err := r.List(ctx, of("Pod", "kube-system"), "component=etcd,tier=control-plane")
	if err != nil {
		return nil, nodes{}, fmt.Errorf("find etcd: %w", err)
	}
	for _, pod := range pods {
		if urls := pod.GetAnnotations()[manifests.EtcdClientAnnotation]; urls != "" {
			endpoints = append(endpoints, strings.Split(urls, ",")...)
		}
	}
	list, err := r.List(ctx, of("Node", ""), "")
	if err != nil {
		return nil, nodes{}, fmt.Errorf("find etcd: %w", err)
	}
	for i := range list {
		node := &list[i]
		all.names = append(all.names, node.GetName())
		for _, a := range kube.NodeAddresses(node) {
			all.addresses = append(all.addresses, a.Address)
		}
		if _, ok := node.GetLabels()["node-role.kubernetes.io/control-plane"]; ok && len(pods) == 0 {
			endpoints = append(endpoints, memberOn(node)...)
		}
	}
	if len(endpoints) == 0 {
		return nil, nodes{}, errors.New("find etcd: the cluster has neither a pod of it nor a control plane that could run one")
	}
	return endpoints, all, nil
}

// memberOn is where a member on a control plane would serve.
func memberOn(node *unstructured.Unstructured) []string {
	for _, a := range kube.NodeAddresses(node) {
		if a.Type == "InternalIP" {
			return []string{"https://" + net.JoinHostPort(a.Address, "2379")}
		}
	}
	return nil
}
