package config_test

import (
	"slices"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/config"
)

const resetDoc = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ResetConfiguration\n"

// The defaults are those of kubeadm's print reset-defaults.
func TestResetDefaults(t *testing.T) {
	got, err := config.LoadReset(nil, inputs())
	if err != nil {
		t.Fatal(err)
	}
	if got.CertificatesDir != "/etc/kubernetes/pki" || got.CRISocket != "unix:///var/run/containerd/containerd.sock" || got.CleanupTmpDir || got.DryRun || got.Force ||
		len(got.IgnorePreflight)+len(got.SkipPhases)+len(got.UnmountFlags)+len(got.Unused) != 0 || got.Timeouts.APICall != time.Minute || got.Timeouts.UpgradeManifests != 5*time.Minute {
		t.Errorf("reset = %+v", got)
	}
}

func TestReset(t *testing.T) {
	docs := resetDoc + `cleanupTmpDir: true
certificatesDir: /srv/pki/
criSocket: /run/crio/crio.sock
dryRun: true
force: true
ignorePreflightErrors: [Swap, IsPrivilegedUser]
skipPhases: [remove-etcd-member]
unmountFlags: [MNT_DETACH, UMOUNT_NOFOLLOW]
timeouts: {etcdAPICall: 7s}
---
` + clusterDoc
	in := inputs()
	got, err := config.LoadReset([]byte(docs), in)
	if err != nil {
		t.Fatal(err)
	}
	if got.CertificatesDir != "/srv/pki" || got.CRISocket != "unix:///run/crio/crio.sock" || !got.CleanupTmpDir || !got.DryRun || !got.Force ||
		!slices.Equal(got.IgnorePreflight, []string{"isprivilegeduser", "swap"}) || !slices.Equal(got.SkipPhases, []string{"remove-etcd-member"}) ||
		!slices.Equal(got.UnmountFlags, []string{"MNT_DETACH", "UMOUNT_NOFOLLOW"}) || got.Timeouts.EtcdCall != 7*time.Second || !slices.Equal(got.Unused, []string{"ClusterConfiguration"}) {
		t.Errorf("reset = %+v", got)
	}

	in.Overrides = config.Overrides{CertDir: "/p", CRISocket: "unix:///x.sock", SkipPhases: []string{"preflight"}, IgnorePreflightErrors: []string{"Mem"}}
	if got, err = config.LoadReset([]byte(docs), in); err != nil {
		t.Fatal(err)
	}
	if got.CertificatesDir != "/p" || got.CRISocket != "unix:///x.sock" || !slices.Equal(got.SkipPhases, []string{"preflight"}) || !slices.Equal(got.IgnorePreflight, []string{"isprivilegeduser", "mem", "swap"}) {
		t.Errorf("reset with flags = %+v", got)
	}

	in.Overrides = config.Overrides{DryRun: true, Force: true, CleanupTmpDir: true}
	if got, err = config.LoadReset(nil, in); err != nil || !got.DryRun || !got.Force || !got.CleanupTmpDir {
		t.Errorf("reset of flags = %+v, %v", got, err)
	}
}

func TestResetErrors(t *testing.T) {
	for name, c := range map[string]struct{ docs, want string }{
		"not a reset":   {initDoc, "0:0 : no document of kind ResetConfiguration"},
		"unknown field": {resetDoc + "forced: true\n", "3:1 forced: unknown field"},
		"values": {resetDoc + "certificatesDir: /\ncriSocket: tcp://x\nignorePreflightErrors: [all, swap]\nskipPhases: [A]\ntimeouts: {etcdAPICall: 0s}\n",
			"3:18 certificatesDir: is the root directory\n4:12 criSocket: \"tcp://x\" is not a socket\n5:25 ignorePreflightErrors[0]: names single checks\n6:14 skipPhases[0]: \n7:25 timeouts.etcdAPICall: must be"},
		"unmount flags":    {resetDoc + "unmountFlags: [MNT_FORCED]\n", `3:16 unmountFlags[0]: "MNT_FORCED" is not known`},
		"flags that clash": {resetDoc + "unmountFlags: [MNT_EXPIRE, MNT_DETACH]\n", "3:15 unmountFlags: MNT_EXPIRE goes with neither"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.LoadReset([]byte(c.docs), inputs())
			checkErrors(t, err, c.want)
		})
	}
	in := inputs()
	in.Overrides.CertDir = "x"
	_, err := config.LoadReset(nil, in)
	checkErrors(t, err, `0:0 certificatesDir: "x" is not an absolute path`)
}
