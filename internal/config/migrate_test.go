package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
)

const (
	oldInit    = "apiVersion: kubeadm.k8s.io/v1beta3\nkind: InitConfiguration\n"
	oldCluster = "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\n"
	oldJoin    = "apiVersion: kubeadm.k8s.io/v1beta3\nkind: JoinConfiguration\n"
	upgradeDoc = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: UpgradeConfiguration\n"
)

// The files *.kubeadm.yaml are what `kubeadm config migrate` of v1.36.3 made of
// the files beside them; that of upgrade, for which its migrate has a fault, is
// of `kubeadm config print upgrade-defaults`.
func TestMigrateIsKubeadms(t *testing.T) {
	old, err := filepath.Glob("testdata/migrate/*.old.yaml")
	if err != nil || len(old) < 5 {
		t.Fatal(old, err)
	}
	for _, file := range old {
		in := inputs()
		in.ReadDir = func(string) ([]os.DirEntry, error) { return nil, os.ErrNotExist }
		got, _, err := config.Migrate(read(t, file), in)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		want := strings.Replace(file, ".old.", ".kubeadm.", 1)
		if !bytes.Equal(bytes.TrimSpace(got), bytes.TrimSpace(read(t, want))) {
			t.Errorf("%s differs from %s:\n%s", file, want, got)
		}
		again, warnings, err := config.Migrate(got, in)
		if err != nil || !bytes.Equal(got, again) {
			t.Errorf("%s: migrated again it changes, or fails: %v\n%s", file, err, again)
		}
		for _, w := range warnings {
			if strings.Contains(w.Message, "deprecated") {
				t.Errorf("%s: what was migrated is deprecated: %v", file, w)
			}
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What only a machine knows is left to it, what kubeadm would drop is kept, and
// no document is made up.
func TestMigrateKeepsWhatItMust(t *testing.T) {
	got, warnings, err := config.Migrate([]byte(oldCluster+"apiServer: {timeoutForControlPlane: 9m}\n---\n"+kubeletDoc+"maxPods: 50 # enough\n---\n"+addonsDoc+"podNetwork: {kind: flannel}\n"), inputs())
	if err != nil {
		t.Fatal(err)
	}
	text := string(got)
	for _, want := range []string{"controlPlaneComponentHealthCheck: 9m0s", "kind: ClusterConfiguration", "encryptionAlgorithm: RSA-2048", "maxPods: 50 # enough", "kind: flannel", "kind: InitConfiguration"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, no := range []string{"192.0.2.10", "node-1", "criSocket", "token", "JoinConfiguration", "timeoutForControlPlane"} {
		if strings.Contains(text, no) {
			t.Errorf("%q in\n%s", no, text)
		}
	}
	if len(warnings) != 1 || warnings[0].Line != 1 || warnings[0].Path != "apiVersion" || !strings.Contains(warnings[0].Hint, "clusteradm config migrate") {
		t.Errorf("warnings = %v", warnings)
	}
	if got, _, err := config.Migrate([]byte(initDoc), inputs()); err != nil || strings.Contains(string(got), "ClusterConfiguration") {
		t.Errorf("%v\n%s", err, got)
	}
	if _, _, err := config.Migrate(nil, inputs()); err == nil {
		t.Error("nothing was migrated")
	}
}

// Every place is that of the user's text, every field the one written there.
func TestOlderErrors(t *testing.T) {
	for name, c := range map[string]struct{ docs, want string }{
		"newer field":     {oldInit + "timeouts: {discovery: 1m}\n", "3:1 timeouts: unknown field"},
		"newer fields":    {oldCluster + "encryptionAlgorithm: RSA-2048\nproxy: {disabled: true}\n", "3:1 encryptionAlgorithm: unknown field\n4:1 proxy: unknown field"},
		"list of args":    {oldCluster + "scheduler: {extraArgs: [{name: v, value: '1'}]}\n", "3:24 scheduler.extraArgs: is a list, must be a mapping"},
		"arg":             {oldCluster + "scheduler:\n  extraArgs:\n    v: \"1\"\n    --x: \"2\"\n", "6:10 scheduler.extraArgs.--x: \"--x\" begins with a dash"},
		"arg with a dot":  {oldCluster + "etcd: {local: {extraArgs: {a.b: \"x\\n\"}}}\n", "3:33 etcd.local.extraArgs[a.b]: has control characters"},
		"number for arg":  {oldCluster + "scheduler: {extraArgs: {v: 4}}\n", "3:28 scheduler.extraArgs.v: is a number, must be a string"},
		"kubelet arg":     {oldInit + "nodeRegistration: {kubeletExtraArgs: {z: a b, node-labels: 'a b=c'}}\n", "3:42 nodeRegistration.kubeletExtraArgs.z: has blanks\n3:60 nodeRegistration.kubeletExtraArgs.node-labels: has blanks\n3:60 nodeRegistration.kubeletExtraArgs.node-labels: \"a b\" is not a label key"},
		"timeout":         {oldCluster + "apiServer: {timeoutForControlPlane: -1s}\n", "3:37 apiServer.timeoutForControlPlane: must be more than zero"},
		"unchanged field": {oldCluster + "networking: {podSubnet: x}\n", "3:25 networking.podSubnet: \"x\" is not an address range"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load([]byte(c.docs), inputs())
			checkErrors(t, err, c.want)
		})
	}
	_, err := config.LoadJoin([]byte(oldJoin+"discovery:\n  timeout: 0s\n  bootstrapToken: {token: abcdef.0123456789abcdef, apiServerEndpoint: 'a:1', unsafeSkipCAVerification: true}\n"), inputs())
	checkErrors(t, err, "4:12 discovery.timeout: must be more than zero")
	_, err = config.LoadReset([]byte(strings.Replace(resetDoc, "v1beta4", "v1beta3", 1)), inputs())
	checkErrors(t, err, "1:13 apiVersion: unknown apiVersion")
	for version, want := range map[string]string{"v1beta2": "v1.22", "v1alpha3": "v1.14", "v2": "write apiVersion"} {
		_, err := config.Load([]byte("apiVersion: kubeadm.k8s.io/"+version+"\nkind: InitConfiguration\n"), inputs())
		checkErrors(t, err, "1:13 apiVersion: unknown apiVersion")
		var wrong config.Errors
		if !errors.As(err, &wrong) || len(wrong.Hints()) != 1 || !strings.Contains(wrong.Hints()[0], want) {
			t.Errorf("%s: hints = %v", version, wrong.Hints())
		}
	}
}

func TestOlderIsRead(t *testing.T) {
	got := load(t, string(read(t, "testdata/migrate/full.old.yaml")), func(in *config.Inputs) {
		in.ReadDir = func(string) ([]os.DirEntry, error) { return nil, nil }
	})
	if got.Cluster.Timeouts.ControlPlaneHealth != 450*time.Second || got.Cluster.KeyAlgorithm != cluster.RSA2048 || got.Node.ImagePullParallel ||
		!slices.Equal(got.Cluster.APIServer.ExtraArgs, []cluster.Arg{{Name: "audit-log-path", Value: "-"}, {Name: "z-last", Value: "1"}}) ||
		!slices.Equal(got.Node.KubeletArgs, []cluster.Arg{{Name: "node-labels", Value: "a=b"}, {Name: "v", Value: "4"}}) {
		t.Errorf("cluster = %+v\nnode = %+v", got.Cluster, got.Node)
	}
	if len(got.Warnings) != 2 || got.Warnings[0].Line != 2 || got.Warnings[1].Kind != "ClusterConfiguration" {
		t.Errorf("warnings = %v", got.Warnings)
	}
	// A timeout of the newer document is the one that is meant.
	got = load(t, initDoc+"timeouts: {controlPlaneComponentHealthCheck: 3m}\n---\n"+oldCluster+"apiServer: {timeoutForControlPlane: 9m}\n", nil)
	if got.Cluster.Timeouts.ControlPlaneHealth != 3*time.Minute {
		t.Errorf("timeouts = %+v", got.Cluster.Timeouts)
	}
	join, err := config.LoadJoin([]byte(oldJoin+discovered), inputs())
	if err != nil || len(join.Warnings) != 1 || join.Timeouts.Discovery != 5*time.Minute {
		t.Errorf("join = %+v, %v", join, err)
	}
	old, err := config.UnmarshalClusterConfiguration([]byte(oldCluster + "kubernetesVersion: v1.29.1\nscheduler: {extraArgs: {v: '2'}}\n"))
	if err != nil || len(old.Scheduler.ExtraArgs) != 1 {
		t.Errorf("uploaded = %+v, %v", old, err)
	}
}
