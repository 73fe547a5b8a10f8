// Package etcdrolecmd is what makes a machine an etcd machine: `clusteradm etcd
// init`, `join` and `client-certificate`. Such a machine runs a member of an
// etcd that control planes elsewhere use, as a static pod of a kubelet that
// belongs to no cluster. What kubeadm's documents say of etcd.local and of the
// node is all that they need.
package etcdrolecmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/config"
)

// options are the parsed flags.
type options struct {
	config.Overrides
	file     string
	endpoint string // of join: a member that is there
}

func (o *options) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.APIServerAdvertiseAddress, "advertise-address", "", "address the member is reached at (default: that of the default route)")
	f.StringVar(&o.CertDir, "cert-dir", "", "directory of certificates and keys (default /etc/kubernetes/pki)")
	f.StringVar(&o.file, "config", "", "path of the configuration file: etcd.local of its ClusterConfiguration, and its InitConfiguration")
	f.StringVar(&o.CRISocket, "cri-socket", "", "socket of the container runtime")
	f.BoolVar(&o.DryRun, "dry-run", false, "say what would be changed and change nothing")
	f.StringSliceVar(&o.IgnorePreflightErrors, "ignore-preflight-errors", nil, "checks whose errors are shown as warnings; all for every one")
	f.StringVar(&o.ImageRepository, "image-repository", "", "registry of etcd's image (default registry.k8s.io)")
	f.StringVar(&o.KubernetesVersion, "kubernetes-version", "", "version of Kubernetes whose etcd it is (default "+config.DefaultKubernetesVersion+")")
	f.StringVar(&o.NodeName, "node-name", "", "name of the member (default: the host name)")
	f.StringVar(&o.PatchesDir, "patches", "", "directory of patches, target[suffix][+strategic|merge|json].yaml")
	f.StringSliceVar(&o.SkipPhases, "skip-phases", nil, "phases to leave out")
}

// load reads flags and documents. One file may serve all machines of a cluster,
// but for the kind of etcd.
func (o *options) load(ctx context.Context, s *session.Session) (*config.Loaded, error) {
	docs, err := s.Documents(o.file)
	if err != nil {
		return nil, err
	}
	loaded, err := config.Load(docs, s.Inputs(ctx, o.Overrides))
	if err != nil {
		return nil, err
	}
	if loaded.Cluster.Etcd.External != nil {
		return nil, &exit.UsageError{Err: errors.New("etcd.external says where control planes find etcd; a machine that is to run it has etcd.local, or neither"),
			Help: "clusteradm config print init-defaults"}
	}
	return loaded, nil
}
