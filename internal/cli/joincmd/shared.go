package joincmd

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

// SharedError reports that what all control planes share is not to be had.
type SharedError struct {
	Problem string
	Mends   []string
	Err     error
}

func (e *SharedError) Error() string {
	if e.Err == nil {
		return "join as a control plane: " + e.Problem
	}
	return "join as a control plane: " + e.Problem + ": " + e.Err.Error()
}

func (e *SharedError) Unwrap() error { return e.Err }

// Hints are the commands that make it to be had.
func (e *SharedError) Hints() []string { return e.Mends }

// share is how a control plane gives its certificates to others, and what prints
// the command that takes them. Only its disk has the keys: a machine that joins
// could not upload them anew, whoever calls it.
var share = []string{"on a control plane run: clusteradm token create --print-join-command --control-plane"}

// sharedFiles are the keys and certificates that control planes share, by path:
// those on this machine, and with a key those that were uploaded. What is on
// the machine is never replaced.
func sharedFiles(ctx context.Context, r kube.Reader, c *cluster.Cluster, here map[string]secret.Bytes, ca []byte, key secret.String) (map[string]secret.Bytes, error) {
	files := map[string]secret.Bytes{}
	var absent []string
	for _, path := range pki.SharedFiles(c) {
		if data := here[path]; !data.Empty() {
			files[path] = data
		} else {
			absent = append(absent, path)
		}
	}
	if len(absent) > 0 && !key.Empty() {
		uploaded, err := download(ctx, r, c, key)
		if err != nil && len(needed(c, files)) > 0 {
			return nil, err
		}
		for _, path := range slices.Sorted(maps.Keys(uploaded)) {
			if have, ok := files[path]; ok && !bytes.Equal(have.Reveal(), uploaded[path].Reveal()) {
				return nil, &SharedError{path + " on this machine is not the cluster's", []string{"clusteradm reset   # then join again"}, nil}
			}
			files[path] = uploaded[path]
		}
	}
	if missing := needed(c, files); len(missing) > 0 {
		return nil, &SharedError{"neither on this machine nor to be downloaded without --certificate-key: " + strings.Join(missing, ", "), share, nil}
	}
	return files, sameAuthority(c.PKI("ca.crt"), files, ca)
}

// needed are those that are missing and cannot be done without. The key of an
// authority can: then others issued what it would have.
func needed(c *cluster.Cluster, files map[string]secret.Bytes) []string {
	need := []string{c.PKI("ca.crt"), c.PKI("front-proxy-ca.crt"), c.PKI("sa.key")}
	if e := c.Etcd.External; e == nil {
		need = append(need, c.PKI("etcd", "ca.crt"))
	}
	return slices.DeleteFunc(need, func(path string) bool { return !files[path].Empty() })
}

func sameAuthority(path string, files map[string]secret.Bytes, ca []byte) error {
	mine, err := pki.Pin(files[path].Reveal())
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	theirs, err := pki.Pin(ca)
	if err != nil {
		return fmt.Errorf("read the cluster's certificate authority: %w", err)
	}
	if mine != theirs {
		return &SharedError{path + " on this machine is of another cluster", []string{"clusteradm reset   # then join again"}, nil}
	}
	return nil
}

// download fetches what a control plane uploaded, and decrypts it.
func download(ctx context.Context, r kube.Reader, c *cluster.Cluster, key secret.String) (map[string]secret.Bytes, error) {
	obj, err := r.Get(ctx, kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, Namespace: "kube-system", Name: "kubeadm-certs"})
	switch {
	case apierrors.IsNotFound(err):
		return nil, &SharedError{"the uploaded certificates are not there: they were not uploaded, or have expired, which they do after two hours", share, err}
	case apierrors.IsForbidden(err):
		return nil, &SharedError{"the cluster does not let joining nodes read the uploaded certificates: they were never uploaded", share, err}
	case err != nil:
		return nil, fmt.Errorf("download the shared certificates: %w", err)
	}
	return pki.Unseal(kube.SecretData(obj), key, c)
}
