package joincmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/diagnosis"
	"github.com/clusteradm/clusteradm/internal/discovery"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/client"
	"github.com/clusteradm/clusteradm/internal/token"
	"github.com/clusteradm/clusteradm/phases"
)

// askTimeout bounds one question to the API server.
const askTimeout = 4 * time.Second

// lookAsJoiner asks the API server what it lets these credentials see and do.
// They are sent to nobody who is not proven.
func (l *looker) lookAsJoiner(ctx context.Context, options discovery.Options, known *discovery.Info, sight discovery.Sight) {
	not := func(format string, args ...any) {
		l.set(func(j *diagnosis.Join) { j.Access.NotAsked = fmt.Sprintf(format, args...) })
	}
	switch {
	case len(sight.Trusted) == 0:
		not("nothing proves the server at %s, so the token is not sent there", options.Endpoint)
		return
	case sight.ServerErr != nil:
		not("the server's certificate is not trusted, so nothing secret is sent there")
		return
	case sight.ClockErr != nil:
		not("a certificate is not valid at this machine's time")
		return
	}
	info := sight.Info
	info.CA = sight.Trusted
	if known == nil {
		l.reachOther(ctx, options, info)
	}
	as := discovery.Info{Token: l.join.Discovery.Token}
	if known != nil {
		as = credentials(*known, l.join)
	}
	l.mu.Lock()
	server := info.Server
	if l.seen.Endpoint.OtherFault.Text != "" { // the one that does answer
		server = "https://" + options.Endpoint
	}
	l.mu.Unlock()
	c, err := client.New(client.Config{Server: server, CA: info.CA, Cert: as.Cert, Key: as.Key, Token: as.Token, Dial: l.Machine.DialHost, Timeout: askTimeout})
	if err != nil {
		not("%v", err)
		return
	}
	defer c.Close()
	if found := l.ask(ctx, c); found != nil && l.join.Node.ControlPlane {
		l.lookAsControlPlane(ctx, c, found, info.CA)
	}
}

// api is what a diagnosis asks of an API server. Create is for reviews only,
// which are answered and kept nowhere.
type api interface {
	kube.Reader
	Create(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error)
}

// ask returns the cluster's configuration, if it is readable.
func (l *looker) ask(ctx context.Context, c api) *cluster.Cluster {
	var found *cluster.Cluster
	var a diagnosis.Access
	var errs [4]error
	var g errgroup.Group
	g.Go(func() error { a.MayRequest, errs[0] = may(ctx, c, ""); return nil })
	g.Go(func() error { a.MayApprove, _ = may(ctx, c, "nodeclient"); return nil })
	g.Go(func() error { found, errs[1] = clusterOf(ctx, c); return nil })
	g.Go(func() error { a.Node, errs[2] = nodeOf(ctx, c, l.join.Node.Name); return nil })
	g.Go(func() error { a.Requests, errs[3] = requests(ctx, c, l.join.Node.Name); return nil })
	_ = g.Wait() // each has its own
	for _, err := range errs {
		switch {
		case apierrors.IsUnauthorized(err):
			a.Authenticated, a.Fault = diagnosis.No, fault(err)
		case a.Authenticated == "" && asked(err):
			a.Authenticated = diagnosis.Yes
		case err != nil && a.Fault.Text == "":
			a.Fault = fault(err)
		}
	}
	if errs[1] != nil {
		a.Configuration = fault(refused(errs[1], l.join))
	}
	a.Node.Fault, a.RequestsFault = fault(errs[2]), fault(errs[3])
	l.set(func(j *diagnosis.Join) { j.Access = a })
	if errs[1] != nil {
		return nil
	}
	return found
}

// may asks whether these credentials may create requests for certificates, or
// what is below: nodeclient is what the approver asks before it approves.
func may(ctx context.Context, c api, subresource string) (diagnosis.Tristate, error) {
	review := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
		"spec": map[string]any{"resourceAttributes": map[string]any{
			"group": "certificates.k8s.io", "resource": "certificatesigningrequests", "subresource": subresource, "verb": "create"}},
	}}
	answer, err := c.Create(ctx, review)
	if err != nil {
		return "", err
	}
	allowed, ok, _ := unstructured.NestedBool(answer.Object, "status", "allowed")
	switch {
	case !ok:
		return "", errors.New("review access: the API server gives no answer")
	case allowed:
		return diagnosis.Yes, nil
	}
	return diagnosis.No, nil
}

func nodeOf(ctx context.Context, r kube.Reader, name string) (diagnosis.Node, error) {
	node, err := r.Get(ctx, phases.NodeRef(name))
	if apierrors.IsNotFound(err) {
		return diagnosis.Node{Seen: true}, nil
	}
	if err != nil {
		return diagnosis.Node{}, err
	}
	return readNode(node), nil
}

func readNode(node *unstructured.Unstructured) diagnosis.Node {
	n := diagnosis.Node{Seen: true, Exists: true}
	status, message := phases.Readiness(node)
	n.Ready, n.Message = status == "True", message
	n.MachineID, _, _ = unstructured.NestedString(node.Object, "status", "nodeInfo", "machineID")
	n.SystemUUID, _, _ = unstructured.NestedString(node.Object, "status", "nodeInfo", "systemUUID")
	for _, address := range kube.NodeAddresses(node) {
		if address.Type != "Hostname" {
			n.Addresses = append(n.Addresses, address.Address)
		}
	}
	return n
}

// lookAsAdmin asks, where there is an administrator's kubeconfig, what only it
// may see.
func (l *looker) lookAsAdmin(ctx context.Context) {
	if l.admin == "" {
		return
	}
	c, err := l.Client(l.admin)
	if err != nil {
		l.set(func(j *diagnosis.Join) { j.Admin = diagnosis.Admin{Asked: true, Fault: fault(err)} })
		return
	}
	defer c.Close()
	admin := diagnosis.Admin{Asked: true}
	var g errgroup.Group
	g.Go(func() error { admin.Manager = leaseOf(ctx, c, "kube-controller-manager"); return nil })
	g.Go(func() (err error) { admin.Token, err = l.tokenOf(ctx, c); return err })
	admin.Fault = fault(g.Wait())
	l.set(func(j *diagnosis.Join) { j.Admin = admin })
}

// tokenOf looks at the Secret of the token that was given.
func (l *looker) tokenOf(ctx context.Context, r kube.Reader) (diagnosis.AdminToken, error) {
	whole := l.join.Discovery.TLSBootstrapToken
	if whole.Empty() {
		whole = l.join.Discovery.Token
	}
	id, half, err := token.Parse(whole.Reveal())
	if err != nil {
		return diagnosis.AdminToken{}, nil // there is none to look for
	}
	found, err := r.Get(ctx, token.Ref(id))
	if apierrors.IsNotFound(err) {
		return diagnosis.AdminToken{Seen: true}, nil
	}
	if err != nil {
		return diagnosis.AdminToken{}, err
	}
	t, wellFormed := token.FromSecret(found)
	return diagnosis.AdminToken{Seen: true, Exists: wellFormed, Expires: t.Expires, Usages: t.Usages,
		OtherHalfDiffers: wellFormed && t.Secret.Reveal() != half.Reveal()}, nil
}

func leaseOf(ctx context.Context, r kube.Reader, name string) diagnosis.Lease {
	found, err := r.Get(ctx, kube.Ref{GroupVersionKind: schema.GroupVersionKind{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"}, Namespace: "kube-system", Name: name})
	if err != nil {
		return diagnosis.Lease{Seen: apierrors.IsNotFound(err)}
	}
	moment := func(field string) time.Time {
		text, _, _ := unstructured.NestedString(found.Object, "spec", field)
		at, _ := time.Parse(time.RFC3339Nano, text) // zero: not told
		return at
	}
	l := diagnosis.Lease{Seen: true, Exists: true, Renewed: moment("renewTime")}
	l.Holder, _, _ = unstructured.NestedString(found.Object, "spec", "holderIdentity")
	return l
}
