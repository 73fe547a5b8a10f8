package config_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/config"
)

// elsewhere is a machine that the documents are not for: it has a name and an
// address that must not matter.
func elsewhere() config.Inputs {
	in := inputs()
	in.Elsewhere = true
	in.Hostname, in.DefaultAddress = "no name", netip.MustParseAddr("10.96.0.1")
	return in
}

func TestValidateEveryKind(t *testing.T) {
	docs := full + "---\n" + joinDoc + discovered + "---\n" + upgradeDoc
	got, err := config.Validate([]byte(docs), elsewhere())
	if err != nil {
		t.Fatal(err)
	}
	want := "Addons ClusterConfiguration InitConfiguration JoinConfiguration KubeProxyConfiguration KubeletConfiguration ResetConfiguration UpgradeConfiguration"
	if strings.Join(got.Kinds, " ") != want || len(got.Warnings) != 1 {
		t.Errorf("got %v, warnings %v", got.Kinds, got.Warnings)
	}

	// All errors of all documents at once, in the order of their lines.
	_, err = config.Validate([]byte(clusterDoc+"clusterName: a b\nx: y\n---\n"+joinDoc+"caCertPath: x\n---\n"+resetDoc+"criSocket: x\n---\n"+upgradeDoc+"diff: {contextLines: -1}\n---\n"+kubeletDoc+"clusterDNS: [z]\nclusterDomain: A_\n"), elsewhere())
	checkErrors(t, err, "3:14 clusterName: \n4:1 x: unknown field\n6:1 discovery: bootstrapToken or file\n8:13 caCertPath: \n12:12 criSocket: \n16:22 diff.contextLines: is negative\n20:14 clusterDNS[0]: \n21:16 clusterDomain: ")

	_, err = config.Validate(nil, elsewhere())
	checkErrors(t, err, "0:0 : no document")
	in := elsewhere()
	in.Rand = nil
	var fields config.Errors
	if _, err = config.Validate([]byte(initDoc+"bootstrapTokens: [{ttl: 1h}]\n"), in); err == nil || errors.As(err, &fields) {
		t.Errorf("without randomness: %v", err)
	}
}

// A file for another machine may name files of that machine; what is there and
// wrong is wrong.
func TestFilesElsewhere(t *testing.T) {
	docs := initDoc + "patches: {directory: gone}\n---\n" + joinDoc + "discovery: {file: {kubeConfigPath: gone.conf}}\n---\n" + addonsDoc + "podNetwork: {manifest: gone.yaml}\n"
	got, err := config.Validate([]byte(docs), elsewhere())
	if err != nil || len(got.Warnings) != 3 {
		t.Errorf("%v, %v", got, err)
	}
	_, err = config.Validate([]byte(docs), inputs())
	checkErrors(t, err, "3:22 patches.directory: read patches: \n7:36 discovery.file.kubeConfigPath: read discovery file: \n11:24 podNetwork.manifest: read manifest: ")
	in := elsewhere()
	in.ReadDir = func(string) ([]fs.DirEntry, error) { return nil, fs.ErrPermission }
	_, err = config.Validate([]byte(initDoc+"patches: {directory: p}\n"), in)
	checkErrors(t, err, "3:22 patches.directory: read patches: permission denied")
}

func TestUpgradeErrors(t *testing.T) {
	for name, c := range map[string]struct{ docs, want string }{
		"fields":   {upgradeDoc + "apply: {forced: true}\nnode: {kubernetesVersion: v1.36.0}\n", "3:9 apply.forced: unknown field\n4:8 node.kubernetesVersion: unknown field"},
		"types":    {upgradeDoc + "apply: {dryRun: 1}\ndiff: {contextLines: x}\n", "3:17 apply.dryRun: is a number\n4:22 diff.contextLines: is a string"},
		"versions": {upgradeDoc + "apply: {kubernetesVersion: stable}\ndiff: {kubernetesVersion: x}\nplan: {kubernetesVersion: 1.36}\n", "3:28 apply.kubernetesVersion: \"stable\" is not\n4:27 diff.kubernetesVersion: \n5:27 plan.kubernetesVersion: is a number"},
		"policies": {upgradeDoc + "apply: {imagePullPolicy: x}\nnode: {imagePullPolicy: y}\n", "3:26 apply.imagePullPolicy: \n4:25 node.imagePullPolicy: "},
		"patches":  {upgradeDoc + "apply: {patches: {directory: x}}\nnode: {patches: {}}\n", "3:30 apply.patches.directory: \"x\" is not an absolute path\n4:17 node.patches.directory: is required"},
		"names": {upgradeDoc + "apply: {ignorePreflightErrors: [all, x], skipPhases: [A]}\nnode: {ignorePreflightErrors: [x, All], skipPhases: [B]}\nplan: {ignorePreflightErrors: [all, x]}\ntimeouts: {upgradeManifests: -1s}\n",
			"3:33 apply.ignorePreflightErrors[0]: names single\n3:55 apply.skipPhases[0]: \n4:35 node.ignorePreflightErrors[1]: names single\n4:54 node.skipPhases[0]: \n5:32 plan.ignorePreflightErrors[0]: names single\n6:30 timeouts.upgradeManifests: must be"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Validate([]byte(c.docs), elsewhere())
			checkErrors(t, err, c.want)
		})
	}
}

// Each of these is valid, and may still not be meant.
func TestWarnings(t *testing.T) {
	for name, c := range map[string]struct{ docs, want string }{
		"leaf":       {clusterDoc + "certificateValidityPeriod: 8761h\n", "3:28 certificateValidityPeriod: is more than the recommended 8760h0m0s"},
		"CA":         {clusterDoc + "caCertificateValidityPeriod: 87601h\n", "3:30 caCertificateValidityPeriod: is more than"},
		"gate":       {clusterDoc + "featureGates: {PublicKeysECDSA: true}\n", "3:33 featureGates.PublicKeysECDSA: is deprecated"},
		"site-local": {clusterDoc + "networking: {podSubnet: 'fec0:1::/48,10.200.0.0/16'}\n", "3:25 networking.podSubnet: fec0:1::/48 has site-local"},
		"families":   {clusterDoc + "networking: {podSubnet: 'fd00:1::/48'}\n", "3:25 networking.podSubnet: has no range of the family of the service subnet"},
		"check":      {initDoc + "nodeRegistration: {ignorePreflightErrors: [Swapp, swap, FileAvailable--etc-x]}\n", "3:44 nodeRegistration.ignorePreflightErrors[0]: no check is called \"Swapp\""},
		"patch":      {initDoc + "patches: {directory: odd}\n", "3:22 patches.directory: ignore odd/empty.yaml: not a patch\n3:22 patches.directory: ignore odd/etcd.yaml: it is empty"},
		"older":      {oldInit, "1:13 apiVersion: kubeadm.k8s.io/v1beta3 is deprecated"},
		"anonymous":  {kubeletDoc + "authentication: {anonymous: {enabled: true}}\nreadOnlyPort: 10255\n", "3:39 authentication.anonymous.enabled: false is recommended\n4:15 readOnlyPort: 0 is recommended"},
		"proxy":      {proxyDoc + "bindAddress: 192.0.2.1\n", "3:14 bindAddress: 0.0.0.0 is recommended"},
	} {
		t.Run(name, func(t *testing.T) {
			got := load(t, c.docs, func(in *config.Inputs) { in.KnownChecks = []string{"Swap", "NumCPU", "FileAvailable-*"} })
			checkErrors(t, got.Warnings, c.want)
		})
	}
	in := inputs()
	in.KnownChecks = []string{"Swap"}
	in.Overrides.IgnorePreflightErrors = []string{"Sawp", "all"}
	in.Overrides.IgnorePreflightErrors = in.Overrides.IgnorePreflightErrors[:1]
	got, err := config.LoadReset([]byte(resetDoc+"ignorePreflightErrors: [Swap]\n"), in)
	if err != nil || len(got.Warnings) != 1 || got.Warnings[0].Flag != "--ignore-preflight-errors" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestPatches(t *testing.T) {
	got := load(t, initDoc+"patches: {directory: many}\n", nil)
	var names []string
	for _, p := range got.Node.Patches {
		names = append(names, p.File+" "+p.Target+" "+string(p.Type)+" "+string(p.JSON))
	}
	want := []string{
		`many/a/etcd.yaml etcd strategic {"a":1}`,
		`many/etcd0+json.json etcd json [{"op":"remove","path":"/x"}]`,
		`many/etcd1+merge.yaml etcd merge {"b":1}`,
		`many/etcd1+merge.yaml etcd merge {"c":1}`,
	}
	if !slices.Equal(names, want) {
		t.Errorf("patches = %q", names)
	}
	in := inputs()
	in.Overrides = config.Overrides{PatchesDir: "many"}
	join, err := config.LoadJoin([]byte(joinDoc+discovered), in)
	if err != nil || len(join.Node.Patches) != 4 {
		t.Errorf("%+v, %v", join, err)
	}
	if _, err := config.Load(nil, in); err != nil {
		t.Error(err)
	}
	if got := load(t, initDoc+"patches: {}\n", nil); len(got.Node.Patches) != 0 {
		t.Errorf("%+v", got.Node)
	}
}

func TestPatchErrors(t *testing.T) {
	for dir, want := range map[string]string{
		"wrong-type":  "3:22 patches.directory: read patch wrong-type/etcd+jsn.yaml: after the +",
		"wrong-shape": "3:22 patches.directory: apply patch wrong-shape/etcd+json.yaml to etcd: a json patch is a list",
		"deep":        "3:22 patches.directory: deep/1/2/3/4/5/6/7/8/9 is nested deeper",
		"gone":        "3:22 patches.directory: read patches: ",
		"net.yaml":    "3:22 patches.directory: read patches: ",
		"\"a\\nb\"":   "3:22 patches.directory: has control characters",
		"unreadable":  "3:22 patches.directory: read patch: ",
	} {
		_, err := config.Load([]byte(initDoc+"patches: {directory: "+dir+"}\n"), inputs())
		checkErrors(t, err, want)
	}
	in := inputs()
	in.ReadDir = nil
	in.Overrides.PatchesDir = "many"
	_, err := config.Load(nil, in)
	checkErrors(t, err, "0:0 patches.directory: cannot be read here")
	if !strings.Contains(err.Error(), "--patches") {
		t.Error(err)
	}
}

func TestHostnameOverride(t *testing.T) {
	override := func(name string) string {
		return initDoc + "nodeRegistration: {" + name + "kubeletExtraArgs: [{name: hostname-override, value: CP1}]}\n"
	}
	_, err := config.Load([]byte(override("name: cp2, ")), inputs())
	checkErrors(t, err, `3:83 nodeRegistration.kubeletExtraArgs[0].value: hostname-override differs from the node's name "cp2"`)
	for _, name := range []string{"", "name: Cp1, "} {
		if got := load(t, override(name), nil); got.Node.Name != "cp1" {
			t.Errorf("%+v", got.Node)
		}
	}
	in := inputs()
	in.Overrides.NodeName = "cp3"
	_, err = config.Load([]byte(override("")), in)
	checkErrors(t, err, `3:72 nodeRegistration.kubeletExtraArgs[0].value: hostname-override differs`)
}
