package controlplane

import (
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/pki"
)

// DropUnusableKubelet has the kubelet's credentials made anew from the local CA
// when its kubelet.conf refers to a certificate that is missing, expired or of
// another node or cluster: the kubelet could not start with it, nor renew it.
func DropUnusableKubelet(in *plan.Input, kubeconfigs []pki.KubeconfigSpec) {
	conf, err := pki.DecodeKubeconfig(in.PKI.Kubeconfigs[cluster.KubeletConf])
	if err != nil || len(conf.Cert) > 0 {
		return // absent, or embedded and checked by pki.Ensure
	}
	for _, k := range kubeconfigs {
		if k.Path == cluster.KubeletConf && pki.UsableClient(k, in.HostFacts().PKI[cluster.KubeletClientPEM], in.PKI.Pairs["ca"].Cert, in.Facts.Now) != nil && !in.PKI.External("ca") {
			delete(in.PKI.Kubeconfigs, cluster.KubeletConf)
		}
	}
}
