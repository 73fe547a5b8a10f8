package tokencmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/discovery"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/client"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

// shareError says why this machine cannot share the cluster's certificates.
type shareError struct{ reason, hint string }

func (e *shareError) Error() string { return "share certificates: " + e.reason }

// Hint is where or with what it can.
func (e *shareError) Hint() string { return e.hint }

// sharing is the plan that shares what all control planes have in common, from
// this machine, which has to be one of them.
type sharing struct {
	parts world.Parts
	plan  *plan.Plan
	key   secret.String
	// replaces is true when what is shared now is under another key: commands
	// with that one are of no use afterwards.
	replaces bool
}

func prepareSharing(ctx context.Context, s *session.Session, c *client.Client, key secret.String) (*sharing, error) {
	found, err := controlplane.Uploaded(ctx, c)
	if err != nil {
		return nil, err
	}
	if found.ControlPlaneEndpoint == "" {
		return nil, &shareError{"further control planes can join only a cluster that has a controlPlaneEndpoint", "clusteradm endpoint set HOST[:PORT]"}
	}
	bundle, err := localBundle(ctx, s, found)
	if err != nil {
		return nil, err
	}
	if err := sameCluster(ctx, c, found, bundle); err != nil {
		return nil, err
	}
	shared, err := s.Share(bundle, key)
	if err != nil {
		return nil, err
	}
	phase := phases.UploadCerts()
	p, err := plan.Build(phase.Name, []plan.Phase{phase}, plan.Input{Cluster: found, PKI: bundle,
		Facts: cluster.Facts{Now: s.Now()}, Shared: shared}, nil)
	if err != nil {
		return nil, err
	}
	live, err := c.Get(ctx, kube.RefOf(manifests.SharedCerts(nil)))
	if err == nil {
		_, err = pki.Open(kube.SecretData(live), shared.Key)
	}
	var other *pki.SharedError
	return &sharing{world.Parts{Kube: c}, p, shared.Key, errors.As(err, &other)}, nil
}

// localBundle is what this machine has of what control planes share.
func localBundle(ctx context.Context, s *session.Session, c *cluster.Cluster) (*pki.Bundle, error) {
	files := map[string]secret.Bytes{}
	for _, path := range pki.SharedFiles(c) {
		data, err := s.Machine.ReadFile(ctx, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("share certificates: %w", err)
		}
		files[path] = secret.NewBytes(data)
	}
	if _, ok := files[c.PKI("ca.crt")]; !ok {
		return nil, notControlPlane(c.PKI("ca.crt"))
	}
	if _, ok := files[c.PKI("sa.key")]; !ok { // a worker has a ca.crt, too
		return nil, notControlPlane(c.PKI("sa.key"))
	}
	return pki.Read(files, c)
}

func notControlPlane(path string) error {
	return &shareError{"this machine is no control plane: it has no " + path, "run it on a control plane"}
}

// sameCluster refuses to hand one cluster the keys of another: the kubeconfig
// may be that of any.
func sameCluster(ctx context.Context, c *client.Client, found *cluster.Cluster, b *pki.Bundle) error {
	info, err := clusterInfo(ctx, c)
	if err != nil {
		return err
	}
	theirs, err := discovery.Pins(info.CA)
	if err != nil {
		return fmt.Errorf("read cluster-info: %w", err)
	}
	mine, err := pki.Pin(b.Pairs["ca"].Cert)
	if err != nil {
		return err
	}
	if !slices.Contains(theirs, mine) {
		return &shareError{"the kubeconfig is of a cluster with another authority than " + found.PKI("ca.crt"),
			"clusteradm token create --print-join-command --control-plane --kubeconfig " + cluster.AdminConf}
	}
	return nil
}

// run carries the plan out. It leaves no journal: nothing of it is taken back,
// and doing it again does no harm.
func (sh *sharing) run(ctx context.Context, s *session.Session) error {
	e, done := s.Engine(sh.parts)
	e.Begin = nil
	_, err := e.Apply(ctx, sh.plan)
	done()
	if err == nil && sh.replaces {
		s.Caution(event.Event{Message: "commands that were printed earlier join no control plane any more: their certificate key is another"})
	}
	var stopped *engine.StoppedError
	if ctx.Err() != nil || !errors.As(err, &stopped) {
		return err
	}
	var failed []error
	for _, f := range stopped.Failed {
		failed = append(failed, f.Err)
	}
	return fmt.Errorf("share certificates: %w", errors.Join(failed...))
}

// warnUnshared says of a command that control planes join with that it does not
// work as things are, as far as that can be seen from here.
func warnUnshared(ctx context.Context, s *session.Session, r kube.Reader, key secret.String) {
	live, err := r.Get(ctx, kube.RefOf(manifests.SharedCerts(nil)))
	switch {
	case apierrors.IsNotFound(err):
		err = errors.New("the shared certificates are not there: they expired, or were never shared")
	case err == nil:
		_, err = pki.Open(kube.SecretData(live), key)
	}
	if err != nil {
		s.Caution(event.Event{Message: err.Error(), Hint: "clusteradm token create --print-join-command --control-plane"})
	}
}
