package joincmd

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/diagnosis"
	"github.com/clusteradm/clusteradm/internal/etcd"
	etcdclient "github.com/clusteradm/clusteradm/internal/etcd/client"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/lease"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// lookAsControlPlane makes, in memory, the certificates that the join of a
// control plane would, and looks with them at what only those may see.
func (l *looker) lookAsControlPlane(ctx context.Context, r kube.Reader, c *cluster.Cluster, ca []byte) {
	shared := func(err error) bool {
		l.set(func(j *diagnosis.Join) { j.Shared = diagnosis.Shared{Asked: true, Fault: fault(err)} })
		return err == nil
	}
	if c.ControlPlaneEndpoint == "" {
		shared(NoEndpointError{})
		return
	}
	files := pkiFiles(c, l.join.Node, c.PKI("ca.crt"))
	f, err := l.Facts(ctx, c, l.join.Node, files, false)
	if err != nil {
		shared(err)
		return
	}
	p := &prepared{input: plan.Input{Cluster: c, Node: l.join.Node, Facts: session.HostFacts(l.Now(), l.join.Node.Host, f), Join: plan.Join{CA: ca}}}
	if !shared(p.takeIn(ctx, r, l.join.CertificateKey)) {
		return
	}
	if !shared(p.ensure()) {
		return
	}
	l.set(func(j *diagnosis.Join) { j.Shared.Signs = !p.input.PKI.External("ca") })
	if c.Etcd.External != nil {
		l.set(func(j *diagnosis.Join) { j.Etcd.Fault.Text = "the cluster's etcd is not on its control planes" })
		return
	}
	admin, err := p.administrator(l.Session, askTimeout)
	if err != nil {
		shared(err)
		return
	}
	defer admin.Close()
	l.lookAtMembers(ctx, admin, p)
}

// lookAtMembers asks etcd for its members, each what it is, and judges them as
// the join itself does.
func (l *looker) lookAtMembers(ctx context.Context, admin kube.Reader, p *prepared) {
	in := p.input
	endpoints, nodes, err := etcdEndpoints(ctx, admin)
	if err != nil {
		l.set(func(j *diagnosis.Join) { j.Etcd.Fault = fault(err) })
		return
	}
	pair := in.PKI.Pairs["etcd/healthcheck-client"]
	at := standing{nodes: nodes}
	if !l.members(ctx, etcdclient.Config{Endpoints: endpoints, CA: in.PKI.Pairs["etcd/ca"].Cert, Cert: pair.Cert, Key: pair.Key}, &at) {
		return
	}
	turn := leaseOf(ctx, admin, lease.EtcdJoin.Name)
	at.turn = turn.Holder
	if err := at.lookForData(ctx, l.Machine, in.Cluster.Etcd); err != nil {
		l.set(func(j *diagnosis.Join) { j.Etcd.Fault = fault(err) })
		return
	}
	membership, refusal := at.membership(in.Node, in.Cluster.Etcd.DataDir)
	var removes []string
	for _, m := range membership.Remove {
		removes = append(removes, m.Shown())
	}
	l.set(func(j *diagnosis.Join) {
		j.Machine.EtcdData, j.Etcd.Turn, j.Etcd.Refusal, j.Etcd.Removes = at.data, turn, fault(refusal), removes
	})
}

// lookAtLocalEtcd goes by the etcd that is set up here, where the cluster
// cannot be asked for others.
func (l *looker) lookAtLocalEtcd(ctx context.Context) {
	c, err := l.EtcdConfig(ctx, l.local)
	if err != nil {
		l.set(func(j *diagnosis.Join) { j.Etcd.Fault = fault(err) })
		return
	}
	l.members(ctx, c, &standing{})
}

// members looks at the members; false where etcd does not answer.
func (l *looker) members(ctx context.Context, config etcdclient.Config, at *standing) bool {
	config.Dial = l.Machine.DialHost
	c, err := etcdclient.New(config)
	if err == nil {
		defer c.Close()
		at.seen, _, err = etcd.Look(ctx, c)
	}
	if err != nil {
		l.set(func(j *diagnosis.Join) { j.Etcd.Fault = fault(err) })
		return false
	}
	leader, _ := etcd.Leader(at.seen)
	seen := make([]diagnosis.Member, 0, len(at.seen))
	for _, m := range at.seen {
		seen = append(seen, diagnosis.Member{ID: m.ID, Name: m.Name, PeerURLs: m.PeerURLs, Learner: m.Learner,
			Answers: m.Healthy(), Fault: fault(m.Err), Index: m.Status.Index, Leader: m.ID == leader})
	}
	l.set(func(j *diagnosis.Join) { j.Etcd.Seen, j.Etcd.Members = true, seen })
	return true
}

// asked reports an answer of the API server, whatever it is.
func asked(err error) bool {
	return err == nil || apierrors.IsForbidden(err) || apierrors.IsNotFound(err)
}
