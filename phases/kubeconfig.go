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
		Plan: func(in plan.Input) ([]plan.Group, error) {
			// Certificates of the usual place have made it.
			if in.HostFacts().Exists(cluster.KubernetesDir) || strings.HasPrefix(in.Cluster.CertificatesDir, cluster.KubernetesDir+"/") {
				return nil, nil
			}
			return serial(dir(in, "dir", cluster.KubernetesDir, 0o755)), nil
		},
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
// there is one owner of the file and no second start of the kubelet. One that
// has its certificate embedded, as kubeadm writes it first, becomes one that
// refers to it: the kubelet never renews an embedded one.
func kubeletKubeconfig(in plan.Input) ([]plan.Group, error) {
	existing := in.PKI.Kubeconfigs[cluster.KubeletConf]
	conf, err := pki.DecodeKubeconfig(existing)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", cluster.KubeletConf, err)
	}
	if len(conf.Cert) == 0 {
		return serial(secretFile(in, "kubelet.conf", cluster.KubeletConf, existing, 0o600)), nil
	}
	steps := []plan.Step{dir(in, "kubelet-pki-dir", path.Dir(initialClient), 0o755)}
	if !usableKubeletClient(in) {
		pair := secret.NewBytes(bytes.Join([][]byte{conf.Cert, conf.Key.Reveal()}, nil))
		steps = append(steps,
			secretFile(in, "kubelet-client", initialClient, pair, 0o600),
			plan.Step{Name: "kubelet-client-current", Host: in.Node.Host, Effect: effect.Symlink{
				Host: in.Node.Host, Path: cluster.KubeletClientPEM, Target: path.Base(initialClient)}},
		)
	}
	refers := pki.EncodeKubeletKubeconfig(in.Cluster.Name, in.Cluster.KubeletEndpoint(in.Node), in.Node.Name, conf.CA)
	return serial(append(steps, secretFile(in, "kubelet.conf", cluster.KubeletConf, refers, 0o600))...), nil
}

// usableKubeletClient reports that the kubelet's own certificate serves, which
// it may have rotated since.
func usableKubeletClient(in plan.Input) bool {
	for _, k := range pki.KubeconfigSpecs(in.Cluster, in.Node) {
		if k.Path == cluster.KubeletConf {
			return pki.UsableClient(k, in.HostFacts().PKI[cluster.KubeletClientPEM], in.PKI.Pairs["ca"].Cert, in.Facts.Now) == nil
		}
	}
	return false
}

// stepName is a path's short name in step IDs: below the certificates
// directory, or the base name.
func stepName(in plan.Input, p string) string {
	if rest, ok := strings.CutPrefix(p, in.Cluster.CertificatesDir+"/"); ok {
		return rest
	}
	return path.Base(p)
}
