package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
	corev1 "k8s.io/api/core/v1"
	bootstrap "k8s.io/cluster-bootstrap/token/api"
)

func (c *checker) init(init *v1beta4.InitConfiguration, now time.Time) {
	root := c.at(v1beta4.InitKind, "")
	root.child("bootstrapTokens").tokens(init.BootstrapTokens, now)
	root.node(init.NodeRegistration)
	root.child("localAPIEndpoint").endpoint(init.LocalAPIEndpoint)
	root.child("certificateKey").certificateKey(init.CertificateKey)
	root.child("skipPhases").phases(init.SkipPhases)
	root.child("timeouts").timeouts(init.Timeouts)
}

func (c *checker) join(join *v1beta4.JoinConfiguration, in Inputs) {
	root := c.at(v1beta4.JoinKind, "")
	root.node(join.NodeRegistration)
	root.child("discovery").discovery(join.Discovery, in)
	if f := root.child("caCertPath"); !strings.HasSuffix(join.CACertPath, ".crt") {
		f.bad(strconv.Quote(join.CACertPath)+" does not end in .crt", "")
	} else {
		f.absolutePath(join.CACertPath)
	}
	if cp := join.ControlPlane; cp != nil {
		root.child("controlPlane").child("localAPIEndpoint").endpoint(cp.LocalAPIEndpoint)
		root.child("controlPlane").child("certificateKey").certificateKey(cp.CertificateKey)
	}
	root.child("skipPhases").phases(join.SkipPhases)
	root.child("timeouts").timeouts(join.Timeouts)
}

func (f field) phases(skip []string) {
	for i, phase := range skip {
		if !matches(`^[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*)?$`, phase) {
			f.item(i).bad(strconv.Quote(phase)+" is not the name of a phase", "names are as in the help, such as addon/kube-proxy")
		}
	}
}

func (f field) timeouts(t *v1beta4.Timeouts) {
	for _, bound := range []struct {
		name  string
		value time.Duration
	}{
		{"controlPlaneComponentHealthCheck", t.ControlPlaneComponentHealthCheck.Duration},
		{"kubeletHealthCheck", t.KubeletHealthCheck.Duration},
		{"kubernetesAPICall", t.KubernetesAPICall.Duration},
		{"etcdAPICall", t.EtcdAPICall.Duration},
		{"tlsBootstrap", t.TLSBootstrap.Duration},
		{"discovery", t.Discovery.Duration},
		{"upgradeManifests", t.UpgradeManifests.Duration},
	} {
		if bound.value <= 0 {
			f.child(bound.name).bad("must be more than zero", "")
		}
	}
}

func (f field) tokens(tokens []v1beta4.BootstrapToken, now time.Time) {
	ids := map[string]int{}
	for i, t := range tokens {
		at := f.item(i)
		at.bootstrapToken(t, now)
		id, _, _ := strings.Cut(t.Token, ".")
		if first, twice := ids[id]; twice {
			at.child("token").bad(fmt.Sprintf("has the same id as bootstrapTokens[%d]", first), "")
		}
		ids[id] = i
	}
}

func (f field) bootstrapToken(t v1beta4.BootstrapToken, now time.Time) {
	f.child("token").token(t.Token)
	if hasControl(t.Description) {
		f.child("description").bad("has control characters", "")
	}
	switch {
	case t.TTL != nil && t.Expires != nil:
		f.child("expires").bad("cannot be set together with ttl", "keep one of the two")
	case t.TTL != nil && t.TTL.Duration < 0:
		f.child("ttl").bad("is negative", "0s never expires")
	case t.Expires != nil && !t.Expires.After(now):
		f.child("expires").bad("is in the past", "")
	}
	for _, usage := range t.Usages {
		if !slices.Contains(bootstrap.KnownTokenUsages, usage) {
			f.child("usages").bad(strconv.Quote(usage)+" is not a usage", "usages are signing and authentication")
			break
		}
	}
	groups := f.child("groups")
	if len(t.Groups) > 0 && !slices.Contains(t.Usages, "authentication") {
		groups.bad("need the usage authentication", "")
	}
	for i, group := range t.Groups {
		if !matches(bootstrap.BootstrapGroupPattern, group) || strings.ContainsAny(group, ",\n") {
			groups.item(i).bad(strconv.Quote(group)+" is not a bootstrap group", "groups begin with system:bootstrappers:")
		}
	}
}

func (f field) node(node v1beta4.NodeRegistrationOptions) {
	f = f.child("nodeRegistration")
	if name := f.child("name"); !f.c.leftToMachine(node.Name) && name.required(node.Name, "the hostname is not known; give the name with --node-name") {
		name.dnsName(node.Name)
	}
	f.child("criSocket").runtime(node.CRISocket)
	f.child("imagePullPolicy").pullPolicy(node.ImagePullPolicy)
	f.child("kubeletExtraArgs").kubeletArgs(node.KubeletExtraArgs)
	f.child("kubeletExtraArgs").hostnameOverride(node)
	f.child("ignorePreflightErrors").ignored(node.IgnorePreflightErrors)
	seen := map[string]bool{}
	for i, taint := range node.Taints {
		t := f.child("taints").item(i)
		t.label(taint.Key, taint.Value)
		t.child("effect").oneOf(string(taint.Effect), string(corev1.TaintEffectNoSchedule), string(corev1.TaintEffectPreferNoSchedule), string(corev1.TaintEffectNoExecute))
		if id := taint.Key + ":" + string(taint.Effect); seen[id] {
			t.bad("is given twice", "")
		} else {
			seen[id] = true
		}
	}
}

// ignored warns of names that stand for nothing: what they were to ignore will
// not be ignored.
func (f field) ignored(names []string) {
	for i, name := range names {
		lower := strings.ToLower(name)
		if lower == "all" {
			if len(checkNames(names)) > 1 {
				f.item(i).bad("names single checks beside all", "leave the single checks out, or all")
			}
			continue
		}
		if f.c.known != nil && !slices.ContainsFunc(f.c.known, func(known string) bool { return standsFor(strings.ToLower(known), lower) }) {
			f.item(i).warn("no check is called "+strconv.Quote(name), "clusteradm help preflight-checks")
		}
	}
}

func standsFor(known, name string) bool {
	if prefix, all := strings.CutSuffix(known, "*"); all {
		return strings.HasPrefix(name, prefix)
	}
	return known == name
}

// leftToMachine tells whether an absent value will come from a machine that
// this is not.
func (c *checker) leftToMachine(value string) bool { return value == "" && c.elsewhere }

// hostnameOverride would have the kubelet register a Node that nothing else
// waits for.
func (f field) hostnameOverride(node v1beta4.NodeRegistrationOptions) {
	for i, arg := range node.KubeletExtraArgs {
		if arg.Name == "hostname-override" && strings.ToLower(strings.TrimSpace(arg.Value)) != node.Name {
			f.item(i).child("value").bad("hostname-override differs from the node's name "+strconv.Quote(node.Name), "leave it out: nodeRegistration.name, or --node-name, is passed on to the kubelet")
		}
	}
}

func (f field) runtime(socket string) {
	if !f.c.leftToMachine(socket) {
		f.socket(socket)
	}
}

func (f field) socket(value string) {
	if value == "" && len(f.c.sockets) > 1 {
		f.bad("is required: this machine has several container runtimes, on "+strings.Join(f.c.sockets, ", "), "--cri-socket=unix://"+f.c.sockets[0])
		return
	}
	rest, ok := strings.CutPrefix(value, "unix://")
	if !ok || hasControl(value) || strings.ContainsAny(value, " \"'\\") || !path.IsAbs(rest) || path.Clean(rest) != rest {
		f.bad(strconv.Quote(value)+" is not a socket", "write it as "+defaultCRISocket)
	}
}

func (f field) endpoint(e v1beta4.APIEndpoint) {
	f.child("bindPort").port(e.BindPort)
	a := f.child("advertiseAddress")
	addr, err := netip.ParseAddr(e.AdvertiseAddress)
	switch {
	case f.c.leftToMachine(e.AdvertiseAddress):
	case e.AdvertiseAddress == "":
		a.bad("is required", "the machine's address is not known; give it with --apiserver-advertise-address")
	case err != nil || addr.Zone() != "" || addr.Is4In6():
		a.bad(strconv.Quote(e.AdvertiseAddress)+" is not an IP address", "")
	case !addr.IsGlobalUnicast():
		a.bad(e.AdvertiseAddress+" is not an address that other machines can reach", "")
	}
}

func (f field) discovery(d v1beta4.Discovery, in Inputs) {
	switch {
	case d.BootstrapToken == nil && d.File == nil:
		f.bad("bootstrapToken or file is required", "give the endpoint, --token and --discovery-token-ca-cert-hash, or --discovery-file")
	case d.BootstrapToken != nil && d.File != nil:
		f.bad("bootstrapToken and file cannot both be set", "keep one of the two")
	}
	if b := d.BootstrapToken; b != nil {
		at := f.child("bootstrapToken")
		if e := at.child("apiServerEndpoint"); e.required(b.APIServerEndpoint, "") {
			e.hostPort(b.APIServerEndpoint)
		}
		at.child("token").token(b.Token)
		if len(b.CACertHashes) == 0 && !b.UnsafeSkipCAVerification {
			at.child("caCertHashes").bad("is required", "clusteradm token create --print-join-command prints it; without it anybody who has the token can pose as the cluster")
		}
		for i, pin := range b.CACertHashes {
			if !matches(`^(?i:sha256):[0-9a-fA-F]{64}$`, pin) {
				at.child("caCertHashes").item(i).bad("is not a CA key's hash", "write sha256: and 64 hexadecimal digits")
			}
		}
	}
	// The token for both uses has been reported already.
	if t := d.TLSBootstrapToken; t != "" && (d.BootstrapToken == nil || d.BootstrapToken.Token != t) {
		f.child("tlsBootstrapToken").token(t)
	}
	if d.File != nil {
		f.child("file").child("kubeConfigPath").pathOrURL(d.File.KubeConfigPath, in)
	}
}

func (f field) pathOrURL(value string, in Inputs) {
	u, err := url.Parse(value)
	switch {
	case value == "":
		f.bad("is required", "")
	case err != nil || hasControl(value):
		f.bad("is neither a path nor a URL", "")
	case u.Scheme != "" && (u.Scheme != "https" || u.Host == ""):
		f.bad("is a URL that is not https", "")
	case u.Scheme == "" && in.ReadFile != nil:
		if _, err := in.ReadFile(value); err != nil {
			f.unreadable("read discovery file", err)
		}
	}
}
