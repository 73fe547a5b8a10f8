package config_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/config"
)

const (
	initDoc    = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n"
	clusterDoc = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
	joinDoc    = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n"
	kubeletDoc = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
	proxyDoc   = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
	addonsDoc  = "apiVersion: clusteradm.io/v1alpha1\nkind: Addons\n"
	discovered = "discovery: {bootstrapToken: {token: abcdef.0123456789abcdef, apiServerEndpoint: 'a:6443', unsafeSkipCAVerification: true}}\n"
)

// Every body follows two lines of header, so that its own first line is the
// third.
func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		docs string
		want string // of every error: "line:column path: part of the message", separated by newlines
	}{
		// Reading.
		"no mapping":         {"- a\n", "1:1 : is a list, must be a mapping"},
		"syntax":             {initDoc + "a: [\n", "3:0 : parse yaml"},
		"no kind":            {"apiVersion: a/b\n", "1:1 kind: is missing"},
		"kind no string":     {"apiVersion: a/b\nkind: 3\n", "2:7 kind: is a number, must be a string"},
		"unknown kind":       {"apiVersion: a/b\nkind: Pod\n", `2:7 kind: unknown kind "Pod"`},
		"unknown version":    {"apiVersion: a/b\nkind: InitConfiguration\n", `1:13 apiVersion: unknown apiVersion "a/b"`},
		"v1beta2":            {"apiVersion: kubeadm.k8s.io/v1beta2\nkind: InitConfiguration\n", "1:13 apiVersion: unknown apiVersion"},
		"kind twice":         {initDoc + "---\n" + initDoc, "4:1 : a second document of this kind; the first is document 1"},
		"only join":          {joinDoc + discovered, "0:0 : no document of kind InitConfiguration"},
		"unknown field":      {clusterDoc + "networking:\n  podSubnets: x\n", "4:3 networking.podSubnets: unknown field"},
		"wrong case":         {clusterDoc + "Networking: {}\n", "3:1 Networking: unknown field"},
		"duplicate":          {clusterDoc + "clusterName: a\nclusterName: b\n", "4:1 clusterName: duplicate field, first set in line 3"},
		"number for string":  {clusterDoc + "apiServer:\n  extraArgs:\n  - name: v\n    value: 4\n", "6:12 apiServer.extraArgs[0].value: is a number, must be a string"},
		"yes for string":     {clusterDoc + "clusterName: yes\n", "3:14 clusterName: is a boolean, must be a string"},
		"string for number":  {initDoc + "localAPIEndpoint: {bindPort: '6443'}\n", "3:30 localAPIEndpoint.bindPort: is a string, must be a whole number"},
		"too large a number": {initDoc + "localAPIEndpoint: {bindPort: 4294967297}\n", "3:30 localAPIEndpoint.bindPort: is a number, must be a whole number of at most 32 bits"},
		"string for bool":    {clusterDoc + "dns: {disabled: maybe}\n", "3:17 dns.disabled: is a string, must be true or false"},
		"list for mapping":   {clusterDoc + "networking: []\n", "3:13 networking: is a list, must be a mapping"},
		"mapping for list":   {initDoc + "skipPhases: {}\n", "3:13 skipPhases: is a mapping, must be a list"},
		"bad duration":       {initDoc + "timeouts: {discovery: soon}\n", "3:23 timeouts.discovery: is not a duration"},
		"number duration":    {initDoc + "timeouts: {discovery: 5}\n", "3:23 timeouts.discovery: is not a duration"},
		"bad time":           {initDoc + "bootstrapTokens: [{expires: tomorrow}]\n", "3:29 bootstrapTokens[0].expires: is not a time"},
		"key no string":      {clusterDoc + "dns: {[a]: b}\n", "3:7 dns: has a key that is a list"},
		"alias of itself":    {clusterDoc + "dns: &a {x: *a}\n", "1:1 : expand aliases: nested deeper"},
		"bad merge":          {clusterDoc + "dns: {<<: 3}\n", "1:1 : expand aliases: a merge key"},
		"kubelet field":      {kubeletDoc + "maxPod: 3\n", "3:1 maxPod: unknown field"},
		"proxy type":         {proxyDoc + "ipvs: {strictARP: 3}\n", "3:19 ipvs.strictARP: is a number, must be true or false"},
		"both kinds of mistake at once": {clusterDoc + "clusterNam: x\nimageRepository: 3\nnetworking: {dnsDomain: A_}\n---\n" + initDoc + "certificateKey: 12\n",
			"3:1 clusterNam: unknown field\n4:18 imageRepository: is a number\n5:25 networking.dnsDomain: \"A_\" is not a DNS name\n9:17 certificateKey: is a number"},

		// The cluster.
		"version label":       {clusterDoc + "kubernetesVersion: stable-1\n", `3:20 kubernetesVersion: "stable-1" is not a Kubernetes version`},
		"version path":        {clusterDoc + "kubernetesVersion: v1.36.3/../../x\n", "3:20 kubernetesVersion: "},
		"old version":         {clusterDoc + "kubernetesVersion: v1.34.1\n", "3:20 kubernetesVersion: v1.34.1 is too old"},
		"endpoint":            {clusterDoc + "controlPlaneEndpoint: https://x\n", "3:23 controlPlaneEndpoint: "},
		"endpoint port":       {clusterDoc + "controlPlaneEndpoint: 'x:066'\n", `3:23 controlPlaneEndpoint: "066" is not a port`},
		"endpoint address":    {clusterDoc + "controlPlaneEndpoint: '1.2.3.400:1'\n", "3:23 controlPlaneEndpoint: \"1.2.3.400\" is not an IP address"},
		"relative path":       {clusterDoc + "certificatesDir: pki\n", `3:18 certificatesDir: "pki" is not an absolute path`},
		"path up":             {clusterDoc + "certificatesDir: /a/../b\n", `3:18 certificatesDir: "/a/../b" is not in its simplest form`},
		"root":                {clusterDoc + "etcd: {local: {dataDir: /}}\n", "3:25 etcd.local.dataDir: is the root directory"},
		"repository":          {clusterDoc + "imageRepository: 'a b'\n", "3:18 imageRepository: "},
		"tag":                 {clusterDoc + "dns: {imageTag: 'a/b'}\n", "3:17 dns.imageTag: "},
		"cluster name":        {clusterDoc + "clusterName: 'a b'\n", "3:14 clusterName: "},
		"algorithm":           {clusterDoc + "encryptionAlgorithm: RSA-1024\n", `3:22 encryptionAlgorithm: "RSA-1024" is not known`},
		"gate":                {clusterDoc + "featureGates: {X: true, NodeLocalCRISocket: false}\n", "3:19 featureGates.X: unknown feature gate\n3:45 featureGates.NodeLocalCRISocket: cannot be switched off"},
		"rootless":            {clusterDoc + "featureGates: {RootlessControlPlane: true}\n", "3:38 featureGates.RootlessControlPlane: is not supported"},
		"validity":            {clusterDoc + "certificateValidityPeriod: -1h\ncaCertificateValidityPeriod: 0s\n", "3:28 certificateValidityPeriod: must be\n4:30 caCertificateValidityPeriod: must be"},
		"leaf outlives CA":    {clusterDoc + "caCertificateValidityPeriod: 1h\n", "1:1 certificateValidityPeriod: is longer"},
		"SAN":                 {clusterDoc + "apiServer: {certSANs: [ok, 'a b', 'fe80::1%eth0']}\n", "3:28 apiServer.certSANs[1]: \n3:35 apiServer.certSANs[2]: "},
		"arg with dashes":     {clusterDoc + "scheduler: {extraArgs: [{name: --v, value: x}, {value: z}]}\n", "3:32 scheduler.extraArgs[0].name: \"--v\" begins with a dash\n3:48 scheduler.extraArgs[1].name: is required"},
		"arg name":            {clusterDoc + "scheduler: {extraArgs: [{name: 'a=b', value: \"x\\n\"}]}\n", "3:32 scheduler.extraArgs[0].name: \n3:46 scheduler.extraArgs[0].value: has control characters"},
		"env":                 {clusterDoc + "scheduler: {extraEnvs: [{name: 'A=', valueFrom: {fieldRef: {fieldPath: x}}}]}\n", "3:32 scheduler.extraEnvs[0].name: \n3:49 scheduler.extraEnvs[0].valueFrom: is not supported"},
		"volume":              {clusterDoc + "scheduler: {extraVolumes: [{name: A, hostPath: x, mountPath: '/a:b', pathType: Dir}]}\n", "3:35 scheduler.extraVolumes[0].name: \n3:48 scheduler.extraVolumes[0].hostPath: \n3:62 scheduler.extraVolumes[0].mountPath: has a colon\n3:80 scheduler.extraVolumes[0].pathType: "},
		"both etcds":          {clusterDoc + "etcd: {local: {}, external: {}}\n", "3:7 etcd: local and external"},
		"external etcd":       {clusterDoc + "etcd: {external: {endpoints: ['http://a', 'x'], certFile: c}}\n", "3:18 etcd.external: certFile and keyFile\n3:18 etcd.external.caFile: is required\n3:31 etcd.external.endpoints[0]: does not use https\n3:43 etcd.external.endpoints[1]: is not a URL\n3:59 etcd.external.certFile: "},
		"no endpoints":        {clusterDoc + "etcd: {external: {}}\n", "3:18 etcd.external.endpoints: is required"},
		"service range":       {clusterDoc + "networking: {serviceSubnet: 10.0.0.0/8}\n", "3:29 networking.serviceSubnet: 10.0.0.0/8 is too large"},
		"small ranges":        {clusterDoc + "networking: {serviceSubnet: 10.0.0.0/29, podSubnet: 10.1.0.0/30}\n", "3:29 networking.serviceSubnet: 10.0.0.0/29 is too small\n3:53 networking.podSubnet: 10.1.0.0/30 is too small\n3:53 networking.podSubnet: 10.1.0.0/30 is smaller than"},
		"one family twice":    {clusterDoc + "networking: {podSubnet: '10.1.0.0/16,10.2.0.0/16'}\n", "3:25 networking.podSubnet: has more than one range of a family"},
		"no range":            {clusterDoc + "networking: {podSubnet: 10.1.0.0}\n", "3:25 networking.podSubnet: \"10.1.0.0\" is not an address range"},
		"host bits":           {clusterDoc + "networking: {podSubnet: 10.1.2.3/16}\n", "3:25 networking.podSubnet: 10.1.2.3/16 has bits set"},
		"overlap":             {clusterDoc + "networking: {podSubnet: 10.96.0.0/16}\n", "3:25 networking.podSubnet: 10.96.0.0/16 overlaps the service subnet 10.96.0.0/12"},
		"node mask":           {clusterDoc + "networking: {podSubnet: 10.0.0.0/12}\ncontrollerManager: {extraArgs: [{name: node-cidr-mask-size-ipv4, value: '30'}]}\n", "3:25 networking.podSubnet: 10.0.0.0/12 is more than 16 bits"},
		"node mask no number": {clusterDoc + "networking: {podSubnet: 10.0.0.0/16}\ncontrollerManager: {extraArgs: [{name: node-cidr-mask-size-ipv4, value: x}]}\n", "4:32 controllerManager.extraArgs: node-cidr-mask-size-ipv4 is not"},
		"node in range":       {clusterDoc + "networking: {podSubnet: 192.0.0.0/16}\n", "0:0 localAPIEndpoint.advertiseAddress: 192.0.2.10 lies in"},
		"family":              {clusterDoc + "networking: {serviceSubnet: 'fd00::/108'}\n", "0:0 localAPIEndpoint.advertiseAddress: 192.0.2.10 and the service subnet"},

		// The node.
		"address":       {initDoc + "localAPIEndpoint: {advertiseAddress: 127.0.0.1}\n", "3:38 localAPIEndpoint.advertiseAddress: 127.0.0.1 is not an address that other"},
		"no address":    {initDoc + "localAPIEndpoint: {advertiseAddress: host}\n", `3:38 localAPIEndpoint.advertiseAddress: "host" is not an IP address`},
		"port":          {initDoc + "localAPIEndpoint: {bindPort: 70000}\n", "3:30 localAPIEndpoint.bindPort: 70000 is not a port"},
		"node name":     {initDoc + "nodeRegistration: {name: ../a}\n", "3:26 nodeRegistration.name: "},
		"socket":        {initDoc + "nodeRegistration: {criSocket: 'tcp://x'}\n", "3:31 nodeRegistration.criSocket: "},
		"taint":         {initDoc + "nodeRegistration: {taints: [{key: 'a b', effect: No}]}\n", "3:29 nodeRegistration.taints[0]: \"a b\" is not a label key\n3:50 nodeRegistration.taints[0].effect: "},
		"taint twice":   {initDoc + "nodeRegistration: {taints: [{key: a, effect: NoExecute}, {key: a, effect: NoExecute}]}\n", "3:58 nodeRegistration.taints[1]: is given twice"},
		"pull policy":   {initDoc + "nodeRegistration: {imagePullPolicy: Often}\n", "3:37 nodeRegistration.imagePullPolicy: "},
		"kubelet arg":   {initDoc + "nodeRegistration: {kubeletExtraArgs: [{name: a, value: 'x y'}]}\n", "3:56 nodeRegistration.kubeletExtraArgs[0].value: has blanks"},
		"node label":    {initDoc + "nodeRegistration: {kubeletExtraArgs: [{name: node-labels, value: 'a=b,c=d/e'}]}\n", `3:66 nodeRegistration.kubeletExtraArgs[0].value: "d/e" is not a label value`},
		"ignore":        {initDoc + "nodeRegistration: {ignorePreflightErrors: [ALL, swap]}\n", "3:44 nodeRegistration.ignorePreflightErrors[0]: names single checks"},
		"phase":         {initDoc + "skipPhases: [../x]\n", "3:14 skipPhases[0]: "},
		"timeout":       {initDoc + "timeouts: {tlsBootstrap: 0s}\n", "3:26 timeouts.tlsBootstrap: must be"},
		"key":           {initDoc + "certificateKey: abcd\n", "3:17 certificateKey: is not a certificate key"},
		"token":         {initDoc + "bootstrapTokens: [{token: abc}]\n", "3:27 bootstrapTokens[0].token: is not a bootstrap token"},
		"token parts":   {initDoc + "bootstrapTokens: [{ttl: -1h, usages: [x], groups: [z]}]\n", "3:25 bootstrapTokens[0].ttl: is negative\n3:38 bootstrapTokens[0].usages: \n3:51 bootstrapTokens[0].groups: need the usage\n3:52 bootstrapTokens[0].groups[0]: \"z\" is not"},
		"token expiry":  {initDoc + "bootstrapTokens: [{expires: 2020-01-01T00:00:00Z}]\n", "3:29 bootstrapTokens[0].expires: is in the past"},
		"token both":    {initDoc + "bootstrapTokens: [{expires: 2030-01-01T00:00:00Z, ttl: 1h}]\n", "3:29 bootstrapTokens[0].expires: cannot be set together"},
		"token id":      {initDoc + "bootstrapTokens: [{token: aaaaaa.0123456789abcdef}, {token: aaaaaa.0123456789abcdeg}]\n", "3:61 bootstrapTokens[1].token: has the same id as bootstrapTokens[0]"},
		"pod network":   {addonsDoc + "podNetwork: {kind: weave}\n", `3:20 podNetwork.kind: "weave" is not known`},
		"no manifest":   {addonsDoc + "podNetwork: {kind: manifest}\n", "3:13 podNetwork.manifest: is required"},
		"lost manifest": {addonsDoc + "podNetwork: {manifest: gone.yaml}\n", "3:24 podNetwork.manifest: read manifest: "},
		"two networks":  {addonsDoc + "podNetwork: {kind: flannel, manifest: x}\n", "3:39 podNetwork.manifest: needs the kind"},
		"flannel v6":    {addonsDoc + "podNetwork: {kind: flannel}\n---\n" + clusterDoc + "networking: {serviceSubnet: '10.96.0.0/16,fd00::/108'}\n", "7:13 networking.podSubnet: is required"},
		"cluster DNS":   {kubeletDoc + "clusterDNS: [x]\n", "3:14 clusterDNS[0]: is not an IP address"},
		"proxy address": {proxyDoc + "bindAddress: x\nclusterCIDR: z\nclientConnection: {kubeconfig: z}\n", "3:14 bindAddress: \n4:14 clusterCIDR: \n5:32 clientConnection.kubeconfig: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load([]byte(c.docs), inputs())
			checkErrors(t, err, c.want)
		})
	}
}

func TestJoinErrors(t *testing.T) {
	for name, c := range map[string]struct{ docs, want string }{
		"nothing":        {"", "0:0 discovery: bootstrapToken or file is required"},
		"not a join":     {initDoc, "0:0 : no document of kind JoinConfiguration\n0:0 discovery: bootstrapToken or file"},
		"both":           {joinDoc + "discovery: {bootstrapToken: {}, file: {}}\n", "3:12 discovery: bootstrapToken and file cannot\n3:29 discovery.bootstrapToken.apiServerEndpoint: is required\n3:29 discovery.bootstrapToken.token: \n3:29 discovery.bootstrapToken.caCertHashes: is required\n3:39 discovery.file.kubeConfigPath: is required"},
		"pin":            {joinDoc + "discovery: {bootstrapToken: {token: abcdef.0123456789abcdef, apiServerEndpoint: a, caCertHashes: [x]}}\n", "3:81 discovery.bootstrapToken.apiServerEndpoint: \"a\" is not host:port\n3:99 discovery.bootstrapToken.caCertHashes[0]: is not a CA key's hash"},
		"no token":       {joinDoc + "discovery: {bootstrapToken: {apiServerEndpoint: '192.0.2.1:6443', unsafeSkipCAVerification: true}}\n", "3:29 discovery.bootstrapToken.token: is required"},
		"plain URL":      {joinDoc + "discovery: {file: {kubeConfigPath: 'http://x'}, tlsBootstrapToken: x}\n", "3:36 discovery.file.kubeConfigPath: is a URL that\n3:68 discovery.tlsBootstrapToken: is not a bootstrap token"},
		"CA path":        {joinDoc + "caCertPath: ca.pem\n" + discovered, "3:13 caCertPath: "},
		"control plane":  {joinDoc + "controlPlane: {localAPIEndpoint: {advertiseAddress: ff02::1}, certificateKey: x}\n" + discovered, "3:53 controlPlane.localAPIEndpoint.advertiseAddress: \n3:79 controlPlane.certificateKey: "},
		"others' fields": {joinDoc + discovered + "---\n" + clusterDoc + "x: y\n", "7:1 x: unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.LoadJoin([]byte(c.docs), inputs())
			checkErrors(t, err, c.want)
		})
	}
}

func checkErrors(t *testing.T, err error, want string) {
	t.Helper()
	var got config.Errors
	if !errors.As(err, &got) {
		t.Fatalf("error is %T: %v", err, err)
	}
	wants := strings.Split(want, "\n")
	for i := range max(len(wants), len(got)) {
		switch {
		case i >= len(got):
			t.Errorf("missing: %s", wants[i])
		case i >= len(wants):
			t.Errorf("not expected: %s", place(got[i]))
		case !strings.HasPrefix(place(got[i]), wants[i]):
			t.Errorf("got  %s\nwant %s", place(got[i]), wants[i])
		}
	}
}

func place(e config.FieldError) string {
	return itoa(e.Line) + ":" + itoa(e.Column) + " " + e.Path + ": " + e.Message
}

func TestErrorsNameTheFlag(t *testing.T) {
	in := inputs()
	in.Overrides = config.Overrides{PodNetworkCIDR: "x", Token: "secret-token", APIServerBindPort: 99999, PodNetwork: "flanel", CertificateKey: "secret-key"}
	_, err := config.Load([]byte(full), in)
	text := err.Error()
	for _, want := range []string{
		`--pod-network-cidr: ClusterConfiguration networking.podSubnet: "x" is not an address range`, "--token: InitConfiguration bootstrapTokens[0].token: is not a bootstrap token",
		"--apiserver-bind-port: InitConfiguration localAPIEndpoint.bindPort: 99999 is not a port", `--pod-network: Addons podNetwork.kind: "flanel" is not known`, "--certificate-key: ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "secret") {
		t.Errorf("a secret is shown:\n%s", text)
	}
	var fields config.Errors
	if !errors.As(err, &fields) || len(fields.Hints()) == 0 {
		t.Error("no hints")
	}
	var one config.FieldError
	if !errors.As(err, &one) {
		t.Error("no single error to be found")
	}
}

// One kind of error may have several causes, and each its own way out.
func TestHintsFitTheMistake(t *testing.T) {
	hints := func(err error) string {
		var all config.Errors
		errors.As(err, &all)
		return strings.Join(all.Hints(), "\n")
	}
	join := func(endpoint, token string) string {
		in := inputs()
		in.Overrides = config.Overrides{APIServerEndpoint: endpoint, Token: token, DiscoveryTokenSkipCAHash: true}
		_, err := config.LoadJoin(nil, in)
		return hints(err)
	}
	load := func(docs string) string {
		_, err := config.Load([]byte(docs), inputs())
		return hints(err)
	}
	for name, c := range map[string]struct{ got, want string }{
		"no port":               {join("192.0.2.1", "abcdef.0123456789abcdef"), "6443"},
		"no brackets":           {join("fd00::1:6443", "abcdef.0123456789abcdef"), "[address]:port"},
		"a join's token":        {join("a:6443", "abc"), "clusteradm token create --print-join-command"},
		"an init's token":       {load(initDoc + "bootstrapTokens: [{token: abc}]\n"), "clusteradm token generate"},
		"arguments of v1beta3":  {load(clusterDoc + "scheduler: {extraArgs: {v: '2'}}\n"), "- {name: FLAG, value: VALUE}"},
		"a mapping of any kind": {load(clusterDoc + "apiServer: {certSANs: {a: b}}\n"), ""},
	} {
		if !strings.Contains(c.got, c.want) || c.want == "" && c.got != "" {
			t.Errorf("%s: hints are %q, want %q", name, c.got, c.want)
		}
	}
}

func TestJoin(t *testing.T) {
	in := inputs()
	in.Overrides = config.Overrides{APIServerEndpoint: "[fd00::1]:6443", Token: "abcdef.0123456789abcdef", DiscoveryTokenCACertHash: []string{"sha256:" + strings.Repeat("0a", 32)}}
	got, err := config.LoadJoin(nil, in)
	if err != nil {
		t.Fatal(err)
	}
	d := got.Discovery
	if d.Endpoint != "[fd00::1]:6443" || d.Token.Reveal() != "abcdef.0123456789abcdef" || d.TLSBootstrapToken != d.Token || len(d.CACertHashes) != 1 || got.CACertPath != "/etc/kubernetes/pki/ca.crt" {
		t.Errorf("discovery = %+v", d)
	}
	if got.Node.ControlPlane || got.Node.Taints != nil || got.Node.Name != "node-1" || got.Node.Address != netip.MustParseAddr("192.0.2.10") || got.Timeouts.Discovery != 5*time.Minute || d.Wait != 0 {
		t.Errorf("node = %+v", got.Node)
	}
	got, err = config.LoadJoin([]byte(joinDoc+"timeouts: {discovery: 5m0s}\n"), in)
	if err != nil || got.Discovery.Wait != 5*time.Minute {
		t.Errorf("discovery = %+v, %v", got.Discovery, err)
	}
}

// The kubelet goes by its flag, so everything must.
func TestHostnameOverrideNamesTheNode(t *testing.T) {
	in := inputs()
	in.Overrides = config.Overrides{DiscoveryFile: "/x/y.conf", TLSBootstrapToken: "abcdef.0123456789abcdef"}
	got, err := config.LoadJoin([]byte(joinDoc+"nodeRegistration:\n  kubeletExtraArgs: [{name: v, value: '2'}, {name: hostname-override, value: Rack7.example.com}]\n"), in)
	if err != nil || got.Node.Name != "rack7.example.com" {
		t.Errorf("node = %+v, %v", got, err)
	}
}

func TestJoinControlPlane(t *testing.T) {
	in := inputs()
	in.Overrides = config.Overrides{ControlPlane: true, APIServerBindPort: 7443, CertificateKey: strings.Repeat("ab", 32), DiscoveryFile: "file:///x/y.conf", TLSBootstrapToken: "abcdef.0123456789abcdef"}
	got, err := config.LoadJoin([]byte(joinDoc+"skipPhases: [preflight]\n---\n"+clusterDoc), in)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Node.ControlPlane || got.Node.BindPort != 7443 || len(got.Node.Taints) != 1 || got.CertificateKey.Reveal() != strings.Repeat("ab", 32) ||
		got.Discovery.File != "/x/y.conf" || strings.Join(got.Unused, "") != "ClusterConfiguration" || got.SkipPhases[0] != "preflight" {
		t.Errorf("join = %+v", got)
	}
}
