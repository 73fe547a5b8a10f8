package phases

import "github.com/clusteradm/clusteradm/internal/plan"

// Init is what makes a machine the first control plane of a cluster.
func Init() []plan.Phase {
	return []plan.Phase{
		preflightPhase("init"),
		certs(),
		kubeconfigs(),
		etcd(),
		controlPlane(),
		kubeletStart(),
		waitControlPlane(),
		uploadConfig(),
		UploadCerts(),
		markControlPlane(),
		bootstrapToken(),
		kubeletFinalize(),
		addon(),
		controlPlaneReady(),
		hidden(endpoint()),
		nothing("show-join-command", "Print the command with which further nodes join"),
	}
}

// nothing is a phase of kubeadm's that has no steps.
func nothing(name, short string, sub ...plan.Phase) plan.Phase {
	return plan.Phase{Name: name, Short: short, Sub: sub}
}

func hidden(phase plan.Phase) plan.Phase {
	phase.Hidden = true
	return phase
}
