package phases

import (
	"fmt"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/pki"
)

func uploadConfig() plan.Phase {
	return plan.Phase{
		Name:  "upload-config",
		Short: "Upload the configuration that joining nodes and upgrades read",
		Sub: []plan.Phase{{
			Name:    "kubeadm",
			Short:   "Upload the ClusterConfiguration",
			Example: "clusteradm init phase upload-config kubeadm",
			Plan: func(in plan.Input) ([]plan.Group, error) {
				data, err := config.MarshalClusterConfiguration(in.Cluster)
				if err != nil {
					return nil, err
				}
				return together(objects(append(manifests.ClusterAdmins(), manifests.KubeadmConfig(data)...))), nil
			},
		}, {
			Name:    "kubelet",
			Short:   "Upload the kubelet's configuration",
			Example: "clusteradm init phase upload-config kubelet",
			Plan: func(in plan.Input) ([]plan.Group, error) {
				return together(objects(manifests.KubeletConfigMap(in.Cluster))), nil
			},
		}, {
			Name:    "endpoint",
			Short:   "Upload how the API servers are reached, where clusteradm brings that",
			Example: "clusteradm init phase upload-config endpoint --config cluster.yaml",
			Plan: func(in plan.Input) ([]plan.Group, error) {
				if in.Cluster.LoadBalancer == nil && in.Cluster.VirtualIP == nil {
					return nil, nil
				}
				data, err := config.MarshalEndpoint(in.Cluster)
				if err != nil {
					return nil, err
				}
				return together(objects(manifests.EndpointConfig(data))), nil
			},
		}},
	}
}

// UploadCerts shares what control planes have in common with those that join.
// What is encrypted, and under which key, is the command's to say: without the
// flag --upload-certs it is nothing.
func UploadCerts() plan.Phase {
	return plan.Phase{
		Name:  "upload-certs",
		Short: "Share the certificates that further control planes need, encrypted",
		Long: `Share the certificates and keys that all control planes have in common, with
--upload-certs, in the Secret kubeadm-certs of kube-system. They are encrypted
under the certificate key, which is printed and kept nowhere, and the cluster
deletes them after two hours.`,
		Example: "clusteradm init phase upload-certs --upload-certs",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			if in.Shared.Key.Empty() {
				return nil, nil
			}
			return together(append(objects(manifests.UploadCertsRBAC()), plan.Step{Name: "certificates", NoUndo: running,
				Effect: effect.SharedCerts{Secret: manifests.SharedCerts(in.Shared.Sealed), Under: in.Shared.Key,
					Owner: manifests.TokenSecret(in.Shared.Owner, in.Facts.Now), Now: in.Facts.Now}})), nil
		},
	}
}

// markControlPlane gives the Node its labels and taints. What the kubelet would
// have put on a Node that it registers itself is put on this one too.
func markControlPlane() plan.Phase {
	return plan.Phase{
		Name:    "mark-control-plane",
		Short:   "Label and taint the node as a control plane",
		Example: "clusteradm init phase mark-control-plane",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			labels := map[string]string{
				"node-role.kubernetes.io/control-plane":                   "",
				"node.kubernetes.io/exclude-from-external-load-balancers": "",
			}
			for name, value := range kubeletLabels(in.Node) {
				labels[name] = value
			}
			var taints []map[string]any
			for _, t := range append(in.Node.Taints, kubeletTaints(in.Node)...) {
				taint := map[string]any{"key": t.Key, "effect": t.Effect}
				if t.Value != "" {
					taint["value"] = t.Value
				}
				taints = append(taints, taint)
			}
			step := plan.Step{Name: "node", NoUndo: running, Effect: effect.NodeState{
				Name: in.Node.Name, Labels: labels, Taints: taints, Wait: registersItself(in)}}
			if registersItself(in) {
				step.Needs = []plan.Condition{nodeRegistered(in)}
			}
			return together([]plan.Step{step}), nil
		},
	}
}

func bootstrapToken() plan.Phase {
	return plan.Phase{
		Name:    "bootstrap-token",
		Short:   "Make a bootstrap token and what nodes need to join with it",
		Example: "clusteradm init phase bootstrap-token",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			steps := objects(manifests.BootstrapRBAC())
			// As kubeadm, from admin.conf: a phase run without the configuration
			// must not publish another endpoint or no authority.
			admin, err := pki.DecodeKubeconfig(in.PKI.Kubeconfigs[cluster.AdminConf])
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", cluster.AdminConf, err)
			}
			if len(admin.CA) == 0 {
				return nil, fmt.Errorf("read %s: it holds no certificate authority", cluster.AdminConf)
			}
			info := pki.EncodeClusterInfo(admin.Server, admin.CA)
			steps = append(steps, objects(manifests.ClusterInfo(info.Reveal()))...)
			for _, t := range in.Cluster.Tokens {
				steps = append(steps, tokenStep(in, t))
			}
			return together(steps), nil
		},
	}
}

func tokenStep(in plan.Input, t cluster.Token) plan.Step {
	return plan.Step{Name: "token-" + t.ID, NoUndo: running, Effect: effect.Token{
		ID: t.ID, Secret: manifests.TokenSecret(t, in.Facts.Now), Any: t.Generated, Now: in.Facts.Now}}
}
