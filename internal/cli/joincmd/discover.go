package joincmd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/discovery"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/token"
)

// discover finds the cluster and proves that it is the right one, and that the
// server it names can be reached from here.
func discover(ctx context.Context, s *session.Session, join *config.Join) (discovery.Info, error) {
	say, done := s.Narrator()
	defer done()
	options := discovery.Options{
		Timeout: join.Discovery.Wait, Dial: s.Machine.DialHost, Now: s.Now,
		Waiting: func(what string) { say(event.Event{Kind: event.Waiting, Phase: "discovery", Message: what}) },
	}
	if join.Discovery.File != "" {
		info, err := discoverFile(ctx, s, join.Discovery, options)
		if err != nil {
			return discovery.Info{}, err
		}
		return info, discovery.Reach(ctx, info, options)
	}
	d := join.Discovery
	id, tokenSecret, err := token.Parse(d.Token.Reveal())
	if err != nil {
		return discovery.Info{}, err
	}
	options.Endpoint, options.TokenID, options.TokenSecret = d.Endpoint, id, tokenSecret
	options.CACertHashes, options.UnsafeSkipCAVerification = d.CACertHashes, d.UnsafeSkipCAVerification
	info, err := discovery.Token(ctx, options)
	if err != nil {
		return discovery.Info{}, err
	}
	// The cluster may name another server than the one that was asked.
	if server, err := url.Parse(info.Server); err == nil && server.Host == d.Endpoint {
		return info, nil
	}
	return info, discovery.Reach(ctx, info, options)
}

// discoverFile takes a file of this machine, which may refer to others, or one
// that is fetched.
func discoverFile(ctx context.Context, s *session.Session, d config.Discovery, options discovery.Options) (discovery.Info, error) {
	var info discovery.Info
	if discovery.IsURL(d.File) {
		data, err := discovery.Fetch(ctx, d.File, options)
		if err != nil {
			return info, err
		}
		if info, err = discovery.File(data, nil); err != nil {
			return info, err
		}
	} else {
		data, err := s.ReadFile(d.File)
		if err != nil {
			return info, fmt.Errorf("read discovery file: %w", err)
		}
		info, err = discovery.File(data, func(path string) ([]byte, error) {
			if !filepath.IsAbs(path) {
				path = filepath.Join(filepath.Dir(d.File), path)
			}
			return s.ReadFile(path)
		})
		if err != nil {
			return info, err
		}
	}
	if !info.HasCredentials() && d.TLSBootstrapToken.Empty() {
		return info, &exit.UsageError{Err: errors.New("the discovery file has no credentials to ask for the kubelet's certificate with: give --tls-bootstrap-token"),
			Help: "on a control plane run: clusteradm token create"}
	}
	return info, nil
}

// credentials are as whom the node asks for its certificate: a token that was
// given goes before what a discovery file brings.
func credentials(info discovery.Info, join *config.Join) discovery.Info {
	if bootstrap := join.Discovery.TLSBootstrapToken; !bootstrap.Empty() {
		return discovery.Info{Token: bootstrap}
	}
	return info
}

// RefusedError reports a cluster that was found and does not let this machine
// in, or has nothing for it.
type RefusedError struct {
	Problem, Mend string
	Err           error
}

func (e *RefusedError) Error() string { return "join: " + e.Problem + ": " + e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// Hint is the command that mends it.
func (e *RefusedError) Hint() string { return e.Mend }

// refused says what an answer of the API server means for a join. Its signature
// of an expired token may still stand when the token itself is refused.
func refused(err error, join *config.Join) error {
	const mend = "on a control plane run: "
	switch {
	case apierrors.IsUnauthorized(err) && join.Discovery.TLSBootstrapToken.Empty():
		return &RefusedError{"the cluster does not accept the credentials of the discovery file", "use a token instead; " + mend + "clusteradm token create", err}
	case apierrors.IsUnauthorized(err):
		return &RefusedError{"the cluster does not accept the token: it has expired, is unknown, or is not for authentication", mend + "clusteradm token create --print-join-command", err}
	case apierrors.IsForbidden(err):
		return &RefusedError{"the cluster does not let joining nodes read its configuration", mend + "clusteradm init phase upload-config all", err}
	case apierrors.IsNotFound(err):
		return &RefusedError{"the cluster has no configuration for joining nodes", mend + "clusteradm init phase upload-config all", err}
	}
	return err
}

// clusterOf reads what init uploaded for joining nodes.
func clusterOf(ctx context.Context, r kube.Reader) (*cluster.Cluster, error) {
	c, err := controlplane.Uploaded(ctx, r)
	if err != nil {
		return nil, err
	}
	c.Kubelet.YAML, err = controlplane.UploadedText(ctx, r, "kubelet-config", "kubelet")
	return c, err
}
