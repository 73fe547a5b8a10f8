package effect

import (
	"context"
	"fmt"

	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// EtcdPod is the manifest of a member that is about to start for the first
// time. Its --initial-cluster has to be the membership as it is then, or etcd
// refuses to start; so it is rendered from what etcd says and not planned.
// Once the member has data of its own, etcd does not read the flag any more,
// and the manifest is a File like any other.
type EtcdPod struct {
	Host    string // on which it is written and from which etcd is asked
	Path    string
	PeerURL string // of the member itself
	// Render names the member itself also where it is not in the list yet.
	Render func([]etcd.Member) (secret.Bytes, error)
}

type etcdPodObserved struct {
	file   File // as it is to be
	before plan.Observed
	member bool
}

// Key implements plan.Effect: it is the file's, which has one owner.
func (e EtcdPod) Key() string { return e.file(secret.Bytes{}).Key() }

func (e EtcdPod) file(content secret.Bytes) File {
	return File{Host: e.Host, Path: e.Path, Content: content, Attr: host.Attr{Mode: 0o600}}
}

// Observe implements plan.Effect.
func (e EtcdPod) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	members, err := v.Etcd(e.Host).Members(ctx)
	if err != nil {
		return nil, wrapObserve(e, err)
	}
	content, err := e.Render(members)
	if err != nil {
		return nil, wrapObserve(e, err)
	}
	o := etcdPodObserved{file: e.file(content)}
	_, o.member = MemberAt(members, e.PeerURL)
	o.before, err = o.file.Observe(ctx, v)
	return o, err
}

// Diff implements plan.Effect.
func (e EtcdPod) Diff(observed plan.Observed) plan.Change {
	o := observed.(etcdPodObserved)
	return o.file.Diff(o.before)
}

// Apply implements plan.Effect.
func (e EtcdPod) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	o := observed.(etcdPodObserved)
	if !o.member {
		return fmt.Errorf("write %s: etcd has no member at %s", e.Path, e.PeerURL)
	}
	return o.file.Apply(ctx, w, o.before)
}

// Undo implements plan.Undoer.
func (e EtcdPod) Undo(observed plan.Observed) (plan.Undo, error) {
	o := observed.(etcdPodObserved)
	return o.file.Undo(o.before)
}
