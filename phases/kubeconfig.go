package phases

import (
	"bytes"
	"fmt"
	"path"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

func kubeconfigs() plan.Phase {
	phase := plan.Phase{
		Name:    "kubeconfig",
		Short:   "Make the kubeconfig files of the control plane and the administrator",
		Example: "clusteradm init phase kubeconfig all",
	}
	for _, spec := range pki.KubeconfigSpecs(&cluster.Cluster{}, cluster.Node{}) {
		p := plan.Phase{
			Name:    spec.Name,
			Short:   "Make " + spec.Path,
			Example: "clusteradm init phase kubeconfig " + spec.Name,
			Plan: func(in plan.Input) ([]plan.Group, error) {
				return serial(pkiSteps(in, spec.Path)...), nil
			},
		}
		if spec.Path == cluster.KubeletConf {
			p.Plan = kubeletKubeconfig
		}
		phase.Sub = append(phase.Sub, p)
	}
	return phase
}

// initialClient is the kubelet's first client certificate and key.
const initialClient = cluster.KubeletDir + "/pki/kubelet-client-init.pem"

// kubeletKubeconfig writes kubelet.conf at once as kubeadm leaves it in the
// end: referring to the certificate that the kubelet rotates by itself. So
// there is one owner of the file and no second start of the kubelet.
func kubeletKubeconfig(in plan.Input) ([]plan.Group, error) {
	if existing := in.HostFacts().PKI[cluster.KubeletConf]; !existing.Empty() {
		return serial(secretFile(in, "kubelet.conf", cluster.KubeletConf, existing, 0o600)), nil
	}
	made, err := pki.DecodeKubeconfig(in.PKI.Kubeconfigs[cluster.KubeletConf])
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", cluster.KubeletConf, err)
	}
	var steps []plan.Step
	if in.HostFacts().PKI[cluster.KubeletClientPEM].Empty() {
		pair := secret.NewBytes(bytes.Join([][]byte{made.Cert, made.Key.Reveal()}, nil))
		steps = append(steps,
			dir(in, "kubelet-pki-dir", path.Dir(initialClient), 0o755),
			secretFile(in, "kubelet-client", initialClient, pair, 0o600),
			plan.Step{Name: "kubelet-client-current", Host: in.Node.Host, Effect: effect.Symlink{
				Host: in.Node.Host, Path: cluster.KubeletClientPEM, Target: path.Base(initialClient)}},
		)
	}
	conf := pki.EncodeKubeletKubeconfig(in.Cluster.Name, in.Node.LocalEndpoint(), in.Node.Name, made.CA)
	return serial(append(steps, secretFile(in, "kubelet.conf", cluster.KubeletConf, conf, 0o600))...), nil
}

// stepName is a path's short name in step IDs: below the certificates
// directory, or the base name.
func stepName(in plan.Input, p string) string {
	if rest, ok := strings.CutPrefix(p, in.Cluster.CertificatesDir+"/"); ok {
		return rest
	}
	return path.Base(p)
}
