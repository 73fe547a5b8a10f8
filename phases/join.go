package phases

import (
	"context"
	"fmt"
	"path"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// readyWithin is how long a join waits for its node to be Ready before it says
// that it is not: a pod network's first start pulls images.
const readyWithin = 2 * time.Minute

// Join is what makes a machine a node of a cluster. Phases that are of control
// planes have nothing to do for a worker. What starts with the kubelet is there
// before it: etcd's member too, which kubeadm adds only afterwards, in etcd-join.
func Join() []plan.Phase {
	return []plan.Phase{
		preflightPhase("join"),
		prepareControlPlane(),
		hidden(checkEtcd()),
		hidden(etcdMember()),
		kubeletJoin(),
		hidden(endpoint()),
		etcdJoin(),
		kubeletWaitBootstrap(),
		joinControlPlane(),
		waitJoined(),
	}
}

// bootstraps reports a kubelet that asks for its certificate with a token: on
// every worker, and on a control plane where nobody has the authority's key.
func bootstraps(in plan.Input) bool {
	return !in.Node.ControlPlane || in.PKI.Kubeconfigs[cluster.KubeletConf].Empty() ||
		in.PKI.External("ca") && in.HostFacts().Exists(cluster.BootstrapKubeletConf)
}

// kubeletJoin hands the kubelet a token to ask for its certificate with; one
// that has a usable certificate of this cluster keeps it.
func kubeletJoin() plan.Phase {
	return plan.Phase{
		Name:    "kubelet-start",
		Short:   "Write the kubelet's configuration and credentials and start it",
		Example: "clusteradm join phase kubelet-start --config join.yaml",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			files, err := kubeletFiles(in)
			if err != nil {
				return nil, err
			}
			var steps []plan.Step
			if !in.Node.ControlPlane {
				ca := in.Join.CACertPath
				steps = append(steps,
					dir(in, "pki-dir", path.Dir(ca), 0o755),
					dir(in, "manifests-dir", cluster.ManifestsDir, 0o700),
					kept(file(in, "ca.crt", ca, in.Join.CA, 0o644)))
			}
			if bootstraps(in) && !in.Join.Joined {
				steps = append(steps, secretFile(in, "bootstrap-kubelet.conf", cluster.BootstrapKubeletConf,
					secret.NewBytes(in.Join.BootstrapKubeconfig.Reveal()), 0o600))
			}
			return serial(append(append(steps, files...), startKubelet(in))...), nil
		},
	}
}

func kubeletWaitBootstrap() plan.Phase {
	return plan.Phase{
		Name:    "kubelet-wait-bootstrap",
		Short:   "Wait until the kubelet has its certificate and the node is Ready",
		Example: "clusteradm join phase kubelet-wait-bootstrap --config join.yaml",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			if !bootstraps(in) {
				return nil, nil
			}
			steps := []plan.Step{
				{Name: "certificate", Host: in.Node.Host, Effect: effect.Await{What: "kubelet certificate"},
					Until: []plan.Condition{bootstrapped(in)}},
				{Name: "bootstrap-kubelet.conf", Host: in.Node.Host, NoUndo: running,
					Effect: effect.Absent{Host: in.Node.Host, Path: cluster.BootstrapKubeletConf}},
			}
			if !in.Node.ControlPlane { // whose components are waited for instead
				steps = append(steps, plan.Step{Name: "node", Host: in.Node.Host, Effect: effect.Await{What: "node"},
					Until: []plan.Condition{nodeReady(in)}})
			}
			return serial(steps...), nil
		},
	}
}

func bootstrapped(in plan.Input) plan.Condition {
	return needsKubelet(in, plan.Condition{
		Name:   "the kubelet to get its certificate",
		Within: in.Cluster.Timeouts.TLSBootstrap,
		Hint:   "journalctl -u kubelet.service -n 50; kubectl get csr",
		Check: func(ctx context.Context, v plan.View) error {
			for _, p := range []string{cluster.KubeletConf, cluster.KubeletClientPEM} {
				if _, err := v.Host(in.Node.Host).ReadFile(ctx, p); err != nil {
					return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
				}
			}
			return nil
		},
	})
}
