package phases

import (
	"path"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/pki"
)

// ofControlPlane makes a plan one that a worker has nothing to do for.
func ofControlPlane(steps func(plan.Input) ([]plan.Step, error)) func(plan.Input) ([]plan.Group, error) {
	return func(in plan.Input) ([]plan.Group, error) {
		if !in.Node.ControlPlane {
			return nil, nil
		}
		list, err := steps(in)
		return serial(list...), err
	}
}

// prepareControlPlane writes all that a control plane is made of, but for etcd.
func prepareControlPlane() plan.Phase {
	return plan.Phase{
		Name:    "control-plane-prepare",
		Short:   "Write the certificates, kubeconfigs and manifests of a further control plane",
		Example: "clusteradm join phase control-plane-prepare all --config join.yaml",
		Plan: ofControlPlane(func(in plan.Input) ([]plan.Step, error) {
			steps := []plan.Step{dir(in, "pki-dir", in.Cluster.CertificatesDir, 0o755)}
			if in.Cluster.Etcd.External == nil {
				steps = append(steps, dir(in, "etcd-pki-dir", in.Cluster.PKI("etcd"), 0o755))
			}
			return append(steps, dir(in, "manifests-dir", cluster.ManifestsDir, 0o700)), nil
		}),
		Sub: []plan.Phase{{
			Name:    "download-certs",
			Short:   "Write the keys and certificates that all control planes share",
			Example: "clusteradm join phase control-plane-prepare download-certs --config join.yaml",
			Plan:    ofControlPlane(func(in plan.Input) ([]plan.Step, error) { return sharedFiles(in), nil }),
		}, {
			Name:    "certs",
			Short:   "Make this node's certificates",
			Example: "clusteradm join phase control-plane-prepare certs --config join.yaml",
			Plan: ofControlPlane(func(in plan.Input) ([]plan.Step, error) {
				var paths []string
				for _, spec := range pki.Tree(in.Cluster, in.Node) {
					if !shared(spec) {
						paths = append(paths, spec.KeyPath(), spec.CertPath())
					}
				}
				return pkiSteps(in, paths...), nil
			}),
		}, {
			Name:    "kubeconfig",
			Short:   "Make this node's kubeconfigs",
			Example: "clusteradm join phase control-plane-prepare kubeconfig --config join.yaml",
			Plan:    ofControlPlane(joinKubeconfigs),
		}, {
			Name:    "control-plane",
			Short:   "Write the control plane's manifests",
			Example: "clusteradm join phase control-plane-prepare control-plane --config join.yaml",
			Plan: ofControlPlane(func(in plan.Input) ([]plan.Step, error) {
				var steps []plan.Step
				for _, c := range components {
					step, err := c.step(in)
					if err != nil {
						return nil, err
					}
					steps = append(steps, step)
				}
				return steps, nil
			}),
		}},
	}
}

// shared reports what is the same on every control plane.
func shared(s pki.Spec) bool { return s.IsCA || s.KeyOnly }

func sharedFiles(in plan.Input) []plan.Step {
	var paths []string
	for _, spec := range pki.Tree(in.Cluster, in.Node) {
		if shared(spec) {
			paths = append(paths, spec.KeyPath(), spec.CertPath(), spec.PublicPath())
		}
	}
	steps := pkiSteps(in, paths...)
	seen := map[string]bool{in.Cluster.CertificatesDir: true}
	for _, f := range in.Join.Shared {
		if d := path.Dir(f.Path); !seen[d] {
			seen[d] = true
			steps = append(steps, plan.Step{Name: "dir" + dashed(d), Host: in.Node.Host,
				Effect: effect.Dir{Host: in.Node.Host, Path: d, Attr: host.Attr{Mode: 0o755}, Keep: true}})
		}
		step := pkiStep(in, f)
		step.Name = "file" + dashed(f.Path) // any directory has a ca.crt
		steps = append(steps, step)
	}
	return steps
}

func dashed(path string) string { return strings.ReplaceAll(path, "/", "-") }

// joinKubeconfigs are those of init without super-admin.conf, which only the
// first control plane has.
func joinKubeconfigs(in plan.Input) ([]plan.Step, error) {
	steps := pkiSteps(in, cluster.AdminConf, cluster.ControllerConf, cluster.SchedulerConf)
	if bootstraps(in) {
		return steps, nil
	}
	groups, err := kubeletKubeconfig(in)
	for _, g := range groups {
		steps = append(steps, g.Steps...)
	}
	return steps, err
}

// joinControlPlane marks the node by way of the cluster, while its own API
// server still starts: the kubelet takes over a Node that it finds.
func joinControlPlane() plan.Phase {
	mark := markControlPlane()
	mark.Example = "clusteradm join phase control-plane-join mark-control-plane --config join.yaml"
	marked := mark.Plan
	mark.Plan = func(in plan.Input) ([]plan.Group, error) {
		if !in.Node.ControlPlane {
			return nil, nil
		}
		return marked(in)
	}
	return plan.Phase{Name: "control-plane-join", Short: "Mark a further control plane", Sub: []plan.Phase{mark}}
}

// waitJoined waits for this node's own components, asked directly.
func waitJoined() plan.Phase {
	return plan.Phase{
		Name:    "wait-control-plane",
		Short:   "Wait until a further control plane is healthy",
		Example: "clusteradm join phase wait-control-plane --config join.yaml",
		Plan: ofControlPlane(func(in plan.Input) ([]plan.Step, error) {
			ca := in.PKI.Pairs["ca"].Cert
			server := in.Node.LocalEndpoint()
			conditions := []plan.Condition{
				healthy(in, "the API server", plan.Probe{URL: server + "/livez", CA: ca}),
				healthy(in, "the API server", plan.Probe{URL: server + "/readyz", CA: ca}),
			}
			return []plan.Step{{Name: "components", Host: in.Node.Host, Effect: effect.Await{What: "components"},
				Until: append(conditions, componentsHealthy(in)...)}}, nil
		}),
	}
}
