package phases

import (
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
)

const kubeletUnit = "kubelet.service"

func kubeletStart() plan.Phase {
	return plan.Phase{
		Name:    "kubelet-start",
		Short:   "Write the kubelet's configuration and start it",
		Example: "clusteradm init phase kubelet-start",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			steps, err := kubeletFiles(in)
			if err != nil {
				return nil, err
			}
			return serial(append(steps, startKubelet(in))...), nil
		},
	}
}

func kubeletFiles(in plan.Input) ([]plan.Step, error) {
	config, err := kubeletConfig(in)
	if err != nil {
		return nil, err
	}
	// A packaged kubelet restarts by itself until it finds its configuration: it
	// may run from here on, so this file comes last and is not taken back.
	last := file(in, "config.yaml", cluster.KubeletConfig, config, 0o644)
	last.NoUndo = running
	steps, err := endpointFiles(in)
	if err != nil {
		return nil, err
	}
	return append(steps,
		dir(in, "dir", cluster.KubeletDir, 0o755),
		file(in, "instance-config.yaml", cluster.KubeletInstance, manifests.KubeletInstanceConfig(in.Node), 0o644),
		file(in, "kubeadm-flags.env", cluster.KubeletFlagsEnv, manifests.KubeletFlagsEnv(in.Node, options(in)), 0o644),
		last,
	), nil
}

// kubeletConfig is the kubelet's configuration on this node, patches and all.
func kubeletConfig(in plan.Input) ([]byte, error) {
	shared, err := sharedKubelet(in)
	if err != nil {
		return nil, err
	}
	return manifests.KubeletConfig(shared, in.Node)
}

func sharedKubelet(in plan.Input) ([]byte, error) {
	shared, err := manifests.SharedKubeletConfig(in.Cluster, options(in))
	if err != nil {
		return nil, err
	}
	return patchedKubelet(in.Node, shared)
}

// startKubelet starts the kubelet after everything that it reads is there:
// manifests that it finds at its start run at once, later ones may wait for
// its next look at the directory.
func startKubelet(in plan.Input) plan.Step {
	return plan.Step{
		Name: "kubelet", Host: in.Node.Host, NoUndo: running,
		Effect: effect.Unit{Host: in.Node.Host, Name: kubeletUnit,
			Inputs: []string{cluster.KubeletConfig, cluster.KubeletFlagsEnv, cluster.BootstrapKubeletConf}},
	}
}

// kubeletFinalize has nothing left to do: kubelet.conf refers to the rotating
// certificate from the start.
func kubeletFinalize() plan.Phase {
	return nothing("kubelet-finalize", "Let the kubelet rotate its certificate (kubelet.conf does from the start)",
		nothing("enable-client-cert-rotation", "Let the kubelet rotate its certificate"))
}
