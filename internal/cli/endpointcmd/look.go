package endpointcmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/addons"
	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

// serverAnnotation is where an API server announces itself, on its pod; kubeadm
// reads it back, too.
const serverAnnotation = "kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint"

func ref(group, kind, namespace, name string) kube.Ref {
	return kube.Ref{GroupVersionKind: schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind}, Namespace: namespace, Name: name}
}

// objects reads what of a cluster says where it is.
func objects(ctx context.Context, r kube.Reader) (plan.Endpoint, error) {
	var e plan.Endpoint
	g, ctx := errgroup.WithContext(ctx)
	for into, of := range map[**unstructured.Unstructured]kube.Ref{
		&e.Configuration: ref("", "ConfigMap", "kube-system", "kubeadm-config"),
		&e.ClusterInfo:   ref("", "ConfigMap", "kube-public", "cluster-info"),
		&e.Proxy:         ref("", "ConfigMap", "kube-system", "kube-proxy"),
		&e.ProxyDaemon:   ref("apps", "DaemonSet", "kube-system", "kube-proxy"),
		&e.Settings:      ref("", "ConfigMap", "kube-system", manifests.ConfigMapName),
		&e.Flannel:       ref("apps", "DaemonSet", addons.FlannelNamespace, "kube-flannel-ds"),
	} {
		g.Go(func() error {
			found, err := r.Get(ctx, of)
			if err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("read %s: %w", of, err)
			}
			if err == nil {
				*into = found
			}
			return nil
		})
	}
	g.Go(func() (err error) { e.APIServers, err = servers(ctx, r); return err })
	return e, g.Wait()
}

// servers are all API servers of a cluster: those that it has among its
// endpoints, and those whose pod is there although they do not answer now.
func servers(ctx context.Context, r kube.Reader) ([]plan.APIServer, error) {
	found := map[string]string{} // node by address
	listed, err := controlplane.APIServers(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, addr := range listed {
		found[addr.String()] = ""
	}
	pods, err := r.List(ctx, ref("", "Pod", "kube-system", ""), "component=kube-apiserver")
	if err != nil {
		return nil, fmt.Errorf("find the API servers: %w", err)
	}
	for _, p := range pods {
		if addr := p.GetAnnotations()[serverAnnotation]; addr != "" {
			node, _, _ := unstructured.NestedString(p.Object, "spec", "nodeName")
			found[addr] = node
		}
	}
	var list []plan.APIServer
	for addr, node := range found {
		list = append(list, plan.APIServer{Node: node, Address: addr})
	}
	slices.SortFunc(list, func(a, b plan.APIServer) int { return strings.Compare(a.Node+" "+a.Address, b.Node+" "+b.Address) })
	return list, nil
}

// foreignError reports an endpoint at which something else answers.
type foreignError struct {
	address string
	err     error
}

func (e *foreignError) Error() string {
	return "use " + e.address + ": what answers there is no API server of this cluster: " + e.err.Error()
}

// Hint shows what answers.
func (e *foreignError) Hint() string {
	return "openssl s_client -connect " + e.address + " </dev/null | openssl x509 -noout -subject -issuer -ext subjectAltName"
}

// onTheWire asks all API servers, and the endpoint itself, for the certificate
// that they serve. That they do not answer, or lack the name, is no error; what
// belongs to another cluster at the endpoint is.
func onTheWire(ctx context.Context, v plan.View, e *plan.Endpoint, now time.Time) error {
	var g errgroup.Group
	for i := range e.APIServers {
		s := &e.APIServers[i]
		g.Go(func() error {
			if err := serves(ctx, v, s.Address, e.Names, e.CA, now); err != nil {
				s.Problem = err.Error()
			}
			return nil
		})
	}
	g.Go(func() error {
		err := serves(ctx, v, e.Address, []string{hostOf(e.Address)}, e.CA, now)
		var check *pki.CheckError
		switch {
		case err == nil:
		case !errors.As(err, &check):
			e.Silent = err.Error()
		case check.Problem != pki.SANs:
			return &foreignError{e.Address, err}
		}
		return nil
	})
	return g.Wait()
}

func serves(ctx context.Context, v plan.View, addr string, names []string, ca []byte, now time.Time) error {
	der, err := v.Served(ctx, "", addr)
	for _, name := range names {
		if err == nil {
			err = pki.CheckServer(addr, der, ca, name, now)
		}
	}
	return err
}

// unbalanced are the nodes on which no load balancer is ready.
func unbalanced(ctx context.Context, r kube.Reader) ([]string, error) {
	nodes, err := r.List(ctx, phases.NodeRef(""), "")
	if err != nil {
		return nil, fmt.Errorf("find the load balancers: %w", err)
	}
	pods, err := r.List(ctx, ref("", "Pod", "kube-system", ""), "component="+manifests.HAProxyName)
	if err != nil {
		return nil, fmt.Errorf("find the load balancers: %w", err)
	}
	ready := map[string]bool{}
	for i := range pods {
		if status, _ := phases.Readiness(&pods[i]); status == "True" {
			name, _, _ := unstructured.NestedString(pods[i].Object, "spec", "nodeName")
			ready[name] = true
		}
	}
	var list []string
	for _, n := range nodes {
		if !ready[n.GetName()] {
			list = append(list, n.GetName())
		}
	}
	slices.Sort(list)
	return list, nil
}
