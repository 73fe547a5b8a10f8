package joincmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"path"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/etcd"
	etcdclient "github.com/clusteradm/clusteradm/internal/etcd/client"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/client"
	"github.com/clusteradm/clusteradm/internal/lease"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

// NoEndpointError reports a cluster that has no address for all of its control
// planes: the nodes know the first one alone.
type NoEndpointError struct{}

func (NoEndpointError) Error() string {
	return "join as a control plane: the cluster has no controlPlaneEndpoint, so its nodes know the first control plane only"
}

// Hint is the command that gives it one.
func (NoEndpointError) Hint() string {
	return "on a control plane run: clusteradm endpoint set HOST:PORT"
}

// pkiFiles are the paths that facts are read of.
func pkiFiles(c *cluster.Cluster, n cluster.Node, caPath string) []string {
	if !n.ControlPlane {
		return []string{caPath}
	}
	files := pki.SharedFiles(c)
	for _, spec := range pki.Tree(c, n) {
		files = append(files, spec.KeyPath(), spec.CertPath(), spec.PublicPath())
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// takeIn has what control planes share, and what there is of this node's own.
func (p *prepared) takeIn(ctx context.Context, r kube.Reader, key secret.String) error {
	in := &p.input
	f := in.HostFacts()
	files, err := sharedFiles(ctx, r, in.Cluster, f.PKI, in.Join.CA, key)
	if err != nil {
		return err
	}
	if e := in.Cluster.Etcd.External; e != nil {
		paths := []string{e.CAFile, e.CertFile, e.KeyFile} // the last two may be one file
		slices.Sort(paths)
		for _, path := range slices.Compact(paths) {
			if data := files[path]; !data.Empty() {
				in.Join.Shared = append(in.Join.Shared, pki.NamedFile{Path: path, Content: data, Mode: 0o600})
			}
		}
	}
	all := maps.Clone(f.PKI)
	maps.Copy(all, files)
	in.PKI, err = pki.Read(all, in.Cluster)
	return err
}

// askExternalEtcd asks the etcd that others run with what this node will show
// it, for the checks: the files may have been downloaded and be nowhere yet.
func (p *prepared) askExternalEtcd(ctx context.Context, s *session.Session) error {
	in := &p.input
	given := map[string]secret.Bytes{}
	for _, f := range in.Join.Shared {
		given[f.Path] = f.Content
	}
	found, err := s.ExternalEtcd(ctx, in.Cluster, in.Node, given)
	f := in.HostFacts()
	f.Machine.Etcd = found
	in.Facts.Hosts[in.Node.Host] = f
	return err
}

// join makes what is this node's own and connects.
func (p *prepared) join(ctx context.Context, s *session.Session) error {
	if !p.input.Node.ControlPlane {
		return nil
	}
	if err := p.ensure(); err != nil {
		return err
	}
	return p.connect(ctx, s)
}

// ensure makes, in memory, this node's own keys and certificates.
func (p *prepared) ensure() (err error) {
	in := &p.input
	kubeconfigs := slices.DeleteFunc(pki.KubeconfigSpecs(in.Cluster, in.Node), func(k pki.KubeconfigSpec) bool {
		return k.Path == cluster.SuperAdminConf || k.Path == cluster.KubeletConf && in.PKI.External("ca")
	})
	controlplane.DropUnusableKubelet(in, kubeconfigs)
	in.PKI, err = pki.Ensure(in.PKI, pki.Tree(in.Cluster, in.Node), kubeconfigs, in.Facts.Now)
	return err
}

// connect reaches the cluster as its administrator, and its etcd, and finds out
// what this node is to that.
func (p *prepared) connect(ctx context.Context, s *session.Session) error {
	in := &p.input
	config, err := client.FromKubeconfig(in.PKI.Kubeconfigs[cluster.AdminConf].Reveal())
	if err != nil {
		return fmt.Errorf("connect with %s: %w", cluster.AdminConf, err)
	}
	config.Server, config.Dial, config.Timeout = in.Cluster.Endpoint(in.Node), s.Machine.DialHost, in.Cluster.Timeouts.APICall
	admin, err := client.New(config)
	if err != nil {
		return err
	}
	p.closes = append(p.closes, admin.Close)
	p.keeper = &lease.Keeper{Client: admin, Holder: in.Node.Name, Now: s.Now}
	p.parts.Kube = p.keeper
	if in.Cluster.Etcd.External != nil {
		return nil
	}
	return p.askEtcd(ctx, s, admin)
}

func (p *prepared) askEtcd(ctx context.Context, s *session.Session, admin kube.Reader) error {
	in := &p.input
	endpoints, names, err := etcdEndpoints(ctx, admin)
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
	at := standing{nodes: names}
	if at.seen, _, err = etcd.Look(ctx, asked); err != nil {
		return &MembershipError{err.Error(), "clusteradm etcd status   # on a control plane"}
	}
	if obj, err := admin.Get(ctx, lease.EtcdJoin); err == nil {
		at.turn = lease.Of(obj).Holder
	} else if !apierrors.IsNotFound(err) {
		return fmt.Errorf("ask whose turn it is to join etcd: %w", err)
	}
	dataDir := in.Cluster.Etcd.DataDir
	_, err = s.Machine.Stat(ctx, path.Join(dataDir, "member"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for data of etcd: %w", err)
	}
	at.data = err == nil
	if in.Join.Etcd, err = at.membership(in.Node, dataDir); err != nil {
		return err
	}
	in.Join.Etcd.Now = s.Now
	for _, m := range in.Join.Etcd.Remove {
		s.Caution(event.Event{Message: fmt.Sprintf("etcd member %s at %s does not answer and its machine is gone, or was made anew: it is removed", m.Shown(), strings.Join(m.PeerURLs, ","))})
	}
	return nil
}

// etcdEndpoints are where etcd's members serve, as their pods say, and the
// names of all Nodes.
func etcdEndpoints(ctx context.Context, r kube.Reader) (endpoints, names []string, err error) {
	of := func(kind, namespace string) kube.Ref {
		return kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: kind}, Namespace: namespace}
	}
	pods, err := r.List(ctx, of("Pod", "kube-system"), "component=etcd,tier=control-plane")
	if err != nil {
		return nil, nil, fmt.Errorf("find etcd: %w", err)
	}
	for _, pod := range pods {
		if urls := pod.GetAnnotations()[manifests.EtcdClientAnnotation]; urls != "" {
			endpoints = append(endpoints, strings.Split(urls, ",")...)
		}
	}
	nodes, err := r.List(ctx, of("Node", ""), "")
	if err != nil {
		return nil, nil, fmt.Errorf("find etcd: %w", err)
	}
	for _, node := range nodes {
		names = append(names, node.GetName())
		if _, ok := node.GetLabels()["node-role.kubernetes.io/control-plane"]; ok && len(pods) == 0 {
			endpoints = append(endpoints, memberOn(node)...)
		}
	}
	if len(endpoints) == 0 {
		return nil, nil, errors.New("find etcd: the cluster has neither a pod of it nor a control plane that could run one")
	}
	return endpoints, names, nil
}

// memberOn is where a member on a control plane would serve.
func memberOn(node unstructured.Unstructured) []string {
	addresses, _, _ := unstructured.NestedSlice(node.Object, "status", "addresses")
	for _, a := range addresses {
		if address, ok := a.(map[string]any); ok && address["type"] == "InternalIP" {
			ip, _ := address["address"].(string)
			return []string{"https://" + net.JoinHostPort(ip, "2379")}
		}
	}
	return nil
}

// withdrawWithin bounds taking back a membership after a join that failed.
const withdrawWithin = 20 * time.Second

// apply carries a plan out. A control plane's turn is kept meanwhile, and the run
// ends when it is lost.
func (p *prepared) apply(ctx context.Context, s *session.Session, list *plan.Plan) error {
	if p.keeper == nil {
		_, err := s.Apply(ctx, p.parts, list)
		return err
	}
	kept, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() { defer close(done); p.keeper.Keep(kept, cancel) }()
	_, err := s.Apply(kept, p.parts, list)
	lost := (*lease.LostError)(nil)
	if errors.As(context.Cause(kept), &lost) {
		err = &endedError{cause: lost, err: err}
	}
	cancel(nil)
	<-done
	after, end := context.WithTimeout(context.WithoutCancel(ctx), withdrawWithin)
	defer end()
	if err != nil && lost == nil && ctx.Err() == nil {
		err = p.withdraw(after, s, p.diagnose(err))
	}
	return errors.Join(err, p.keeper.GiveBack(after))
}

// endedError is a run that was ended for a cause: that it was cancelled is no
// interruption by the user.
type endedError struct{ cause, err error }

func (e *endedError) Error() string { return e.cause.Error() }

// As finds what the run came to.
func (e *endedError) As(target any) bool {
	stopped, ok := target.(**engine.StoppedError)
	return ok && errors.As(e.err, stopped)
}

func (e *endedError) Unwrap() error { return e.cause }

// WithdrawnError reports a member that never started, and that etcd therefore
// does not have any more.
type WithdrawnError struct{ Err error }

func (e *WithdrawnError) Error() string {
	return e.Err.Error() + "; etcd on this node never started, so its member was removed again and keeps nobody from joining"
}

func (e *WithdrawnError) Unwrap() error { return e.Err }

// withdraw takes the membership of this node back when it was waited for in
// vain. An interrupted run leaves it: its etcd may be about to start, and the
// next run goes on.
func (p *prepared) withdraw(ctx context.Context, s *session.Session, failed error) error {
	in := p.input
	stopped := (*engine.StoppedError)(nil)
	if in.Cluster.Etcd.External != nil || in.Join.Etcd.Data || !errors.As(failed, &stopped) || !phases.StartsEtcd(stopped.Step) {
		return failed
	}
	members, err := p.parts.Etcd.Members(ctx)
	if err != nil {
		return errors.Join(failed, err)
	}
	own, ok := phases.Unstarted(members, in.Node)
	if !ok {
		return failed
	}
	withdraw, err := plan.Build("withdraw", []plan.Phase{phases.Withdraw(own)}, in, nil)
	if err != nil {
		return errors.Join(failed, err)
	}
	e, done := s.Engine(world.Parts{Kube: p.parts.Kube, Etcd: p.parts.Etcd})
	defer done()
	e.Begin = nil // the journal stays that of the join
	if _, err := e.Apply(ctx, withdraw); err != nil {
		return errors.Join(failed, fmt.Errorf("remove the member again: %w", err))
	}
	return &WithdrawnError{Err: failed}
}
