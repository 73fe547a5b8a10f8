package config

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
)

func defaultUpgrade(up *v1beta4.UpgradeConfiguration) {
	for _, field := range []**bool{&up.Apply.CertificateRenewal, &up.Apply.EtcdUpgrade, &up.Node.CertificateRenewal, &up.Node.EtcdUpgrade, &up.Plan.EtcdUpgrade} {
		if *field == nil {
			yes := true
			*field = &yes
		}
	}
	for _, field := range []**bool{&up.Apply.ImagePullSerial, &up.Node.ImagePullSerial} { // as for init and join
		if *field == nil {
			*field = new(bool)
		}
	}
	setDefault(&up.Apply.ImagePullPolicy, string(corev1.PullIfNotPresent))
	setDefault(&up.Node.ImagePullPolicy, string(corev1.PullIfNotPresent))
	up.Timeouts = defaultTimeouts(up.Timeouts)
	for _, version := range []*string{&up.Apply.KubernetesVersion, &up.Diff.KubernetesVersion, &up.Plan.KubernetesVersion} {
		*version = withV(*version)
	}
}

func (c *checker) upgrade(up *v1beta4.UpgradeConfiguration) {
	root := c.at(v1beta4.UpgradeKind, "")
	apply, diff, node, plan := root.child("apply"), root.child("diff"), root.child("node"), root.child("plan")
	apply.child("kubernetesVersion").upgradeVersion(up.Apply.KubernetesVersion)
	diff.child("kubernetesVersion").upgradeVersion(up.Diff.KubernetesVersion)
	plan.child("kubernetesVersion").upgradeVersion(up.Plan.KubernetesVersion)
	if up.Diff.ContextLines < 0 {
		diff.child("contextLines").bad("is negative", "")
	}
	apply.child("patches").child("directory").patchesDir(up.Apply.Patches)
	node.child("patches").child("directory").patchesDir(up.Node.Patches)
	apply.child("imagePullPolicy").pullPolicy(up.Apply.ImagePullPolicy)
	node.child("imagePullPolicy").pullPolicy(up.Node.ImagePullPolicy)
	apply.child("ignorePreflightErrors").ignored(up.Apply.IgnorePreflightErrors)
	node.child("ignorePreflightErrors").ignored(up.Node.IgnorePreflightErrors)
	plan.child("ignorePreflightErrors").ignored(up.Plan.IgnorePreflightErrors)
	apply.child("skipPhases").phases(up.Apply.SkipPhases)
	node.child("skipPhases").phases(up.Node.SkipPhases)
	root.child("timeouts").timeouts(up.Timeouts)
}

// upgradeVersion may be left to the command's argument.
func (f field) upgradeVersion(value string) {
	if value != "" {
		f.version(value)
	}
}

func (f field) patchesDir(conf *v1beta4.Patches) {
	if conf != nil {
		f.absolutePath(conf.Directory)
	}
}

func (f field) pullPolicy(value string) {
	f.oneOf(value, string(corev1.PullAlways), string(corev1.PullIfNotPresent), string(corev1.PullNever))
}
