package phases

import (
	"io/fs"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/pki"
)

func certs() plan.Phase {
	phase := plan.Phase{
		Name:    "certs",
		Short:   "Make the certificate authorities, certificates and keys",
		Long:    "Existing files are checked and used; nothing is overwritten. A key is always written before its certificate.",
		Example: "clusteradm init phase certs all",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			steps := []plan.Step{dir(in, "dir", in.Cluster.CertificatesDir, 0o755)}
			if in.Cluster.Etcd.External == nil {
				steps = append(steps, dir(in, "etcd-dir", in.Cluster.PKI("etcd"), 0o755))
			}
			return serial(steps...), nil
		},
	}
	// The names do not depend on the cluster: with an external etcd the phases
	// of its certificates are there and have nothing to do.
	for _, spec := range pki.Tree(&cluster.Cluster{}, cluster.Node{}) {
		phase.Sub = append(phase.Sub, certificate("init", spec.Name))
	}
	return phase
}

func certificate(list, name string) plan.Phase {
	short := "Make the " + name + " certificate and key"
	if name == "sa" {
		short = "Make the key pair that signs and checks service account tokens"
	}
	return plan.Phase{
		Name:    name,
		Short:   short,
		Example: "clusteradm " + list + " phase certs " + name,
		Plan: func(in plan.Input) ([]plan.Group, error) {
			for _, spec := range pki.Tree(in.Cluster, in.Node) {
				if spec.Name == name {
					return serial(pkiSteps(in, spec.KeyPath(), spec.CertPath(), spec.PublicPath())...), nil
				}
			}
			return nil, nil
		},
	}
}

// pkiSteps are the steps for those of paths that the bundle holds, in the
// bundle's order, which is the durable one.
func pkiSteps(in plan.Input, paths ...string) []plan.Step {
	var steps []plan.Step
	for _, f := range pki.Files(in.PKI) {
		for _, p := range paths {
			if f.Path == p {
				steps = append(steps, pkiStep(in, f))
			}
		}
	}
	return steps
}

func pkiStep(in plan.Input, f pki.NamedFile) plan.Step {
	step := secretFile(in, stepName(in, f.Path), f.Path, f.Content, fs.FileMode(f.Mode))
	if strings.HasPrefix(f.Path, in.Cluster.CertificatesDir+"/") {
		return kept(step)
	}
	return step
}

// kept makes a file step one that never replaces what is there.
func kept(s plan.Step) plan.Step {
	f := s.Effect.(effect.File)
	f.Keep = true
	s.Effect = f
	return s
}
