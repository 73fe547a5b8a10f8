package phases

import (
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/manifests"
)

func options(in plan.Input) manifests.Options {
	f := in.HostFacts()
	return manifests.Options{
		TrustDirs:       f.TrustDirs,
		ProxyEnv:        f.ProxyEnv,
		ExternalCA:      in.PKI != nil && in.PKI.External("ca"),
		SystemdResolved: f.SystemdResolved,
		Hostname:        f.Hostname,
	}
}

// etcd comes before the others: it is what they wait for.
func etcd() plan.Phase {
	return plan.Phase{
		Name:  "etcd",
		Short: "Write the static pod manifest of etcd",
		Sub: []plan.Phase{{
			Name:    "local",
			Short:   "Write the static pod manifest of a local etcd",
			Example: "clusteradm init phase etcd local",
			Plan: func(in plan.Input) ([]plan.Group, error) {
				if in.Cluster.Etcd.External != nil {
					return nil, nil
				}
				return localEtcd(in, nil)
			},
		}},
	}
}

func localEtcd(in plan.Input, initial []manifests.Member) ([]plan.Group, error) {
	pod, err := manifests.Etcd(in.Cluster, in.Node, initial)
	if err != nil {
		return nil, err
	}
	step, err := manifest(in, manifests.EtcdName, pod)
	return serial(
		dir(in, "data-dir", in.Cluster.Etcd.DataDir, 0o700),
		inUse(in),
		dir(in, "manifests-dir", cluster.ManifestsDir, 0o700),
		step,
	), err
}

// inUse takes back what an interrupted reset said of etcd's data: somebody
// counts on them again, so the next reset has to ask.
func inUse(in plan.Input) plan.Step {
	return plan.Step{Name: "data-in-use", Host: in.Node.Host,
		Effect: effect.Absent{Host: in.Node.Host, Path: in.Cluster.Etcd.DataDir + "/" + cluster.EtcdGivenUp}}
}

func controlPlane() plan.Phase {
	phase := plan.Phase{
		Name:  "control-plane",
		Short: "Write the static pod manifests of the control plane",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			if in.Cluster.Etcd.External == nil {
				return nil, nil
			}
			return serial(dir(in, "manifests-dir", cluster.ManifestsDir, 0o700)), nil
		},
	}
	for _, c := range components {
		phase.Sub = append(phase.Sub, plan.Phase{
			Name:    c.name,
			Short:   "Write the static pod manifest of " + c.pod,
			Example: "clusteradm init phase control-plane " + c.name,
			Plan: func(in plan.Input) ([]plan.Group, error) {
				step, err := c.step(in)
				return serial(step), err
			},
		})
	}
	return phase
}

// component is a static pod of the control plane, without etcd.
type component struct {
	name, pod string
	render    func(*cluster.Cluster, cluster.Node, manifests.Options) ([]byte, error)
}

var components = []component{
	{"apiserver", manifests.KubeAPIServer, manifests.APIServer},
	{"controller-manager", manifests.KubeControllerManager, manifests.ControllerManager},
	{"scheduler", manifests.KubeScheduler, manifests.Scheduler},
}

func (c component) step(in plan.Input) (plan.Step, error) {
	pod, err := c.render(in.Cluster, in.Node, options(in))
	if err != nil {
		return plan.Step{}, err
	}
	return manifest(in, c.pod, pod)
}

// manifest is never shown in a diff: flags, variables and proxy URLs can hold
// credentials.
func manifest(in plan.Input, name string, rendered []byte) (plan.Step, error) {
	content, err := patchedPod(in.Node, name, rendered)
	return secretFile(in, name, cluster.ManifestsDir+"/"+name+".yaml", secret.NewBytes(content), 0o600), err
}
