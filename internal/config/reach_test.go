package config_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/config"
)

// The errors that are seldom seen are reached too.
func TestSeldomErrors(t *testing.T) {
	bomb := clusterDoc + "dns: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for i, name := range []string{"b", "c", "d", "e", "f"} {
		before := string(rune('a' + i))
		bomb += "x" + name + ": &" + name + " [" + strings.Repeat("*"+before+", ", 9) + "*" + before + "]\n"
	}
	for name, c := range map[string]struct{ docs, want string }{
		"too many values":   {bomb, "1:1 : expand aliases: more than"},
		"empty string":      {initDoc + "localAPIEndpoint: {bindPort: ''}\n", "3:30 localAPIEndpoint.bindPort: is an empty string"},
		"a time":            {initDoc + "localAPIEndpoint: {bindPort: 2020-01-01}\n", "3:30 localAPIEndpoint.bindPort: is a time"},
		"empty key":         {clusterDoc + "dns: {~: x}\n", "3:7 dns: has a key that is empty"},
		"mapping duration":  {initDoc + "timeouts: {discovery: {a: [b]}}\n", "3:23 timeouts.discovery: is not a duration"},
		"binary duration":   {initDoc + "timeouts: {discovery: !!binary aGk=}\n", "3:23 timeouts.discovery: is of the unsupported type !!binary"},
		"far from any name": {clusterDoc + strings.Repeat("z", 80) + ": x\n", "3:1 " + strings.Repeat("z", 80) + ": unknown field"},
		"env value":         {clusterDoc + "scheduler: {extraEnvs: [{name: A, value: \"\\a\"}]}\n", "3:42 scheduler.extraEnvs[0].value: has control characters"},
		"volume twice":      {clusterDoc + "scheduler: {extraVolumes: [{name: a, hostPath: /a, mountPath: /a}, {name: a, hostPath: /b, mountPath: /b}]}\n", "3:75 scheduler.extraVolumes[1].name: \"a\" is given twice"},
		"path":              {clusterDoc + "certificatesDir: \"/a\\a\"\n", "3:18 certificatesDir: has control characters"},
		"etcd http":         {clusterDoc + "etcd: {external: {endpoints: ['https://a:2379'], httpEndpoints: ['ftp://a']}}\n", "3:66 etcd.external.httpEndpoints[0]: does not use https"},
		"description":       {initDoc + "bootstrapTokens: [{description: \"\\a\"}]\n", "3:33 bootstrapTokens[0].description: has control characters"},
		"no address":        {initDoc + "localAPIEndpoint: {advertiseAddress: '::'}\n", "3:38 localAPIEndpoint.advertiseAddress: is required"},
		"empty manifest":    {addonsDoc + "podNetwork: {manifest: odd/empty.yaml}\n", "3:24 podNetwork.manifest: is an empty file"},
	} {
		t.Run(name, func(t *testing.T) {
			in := inputs()
			in.DefaultAddress = netip.Addr{}
			in.Overrides.APIServerAdvertiseAddress = ""
			if !strings.Contains(c.docs, "advertiseAddress") {
				in.DefaultAddress = netip.MustParseAddr("192.0.2.10")
			}
			_, err := config.Load([]byte(c.docs), in)
			checkErrors(t, err, c.want)
		})
	}
	_, err := config.LoadJoin([]byte(joinDoc+"discovery: {file: {kubeConfigPath: \"a\\a\"}}\n"), inputs())
	checkErrors(t, err, "3:36 discovery.file.kubeConfigPath: is neither a path nor a URL")
	in := inputs()
	in.ReadFile = nil
	in.Overrides.PodNetwork = "./net.yaml"
	_, err = config.Load(nil, in)
	checkErrors(t, err, "0:0 podNetwork.manifest: cannot be read here")
}

// Merge keys bring what is not written, of several sources the first.
func TestMergeKeys(t *testing.T) {
	got := load(t, clusterDoc+"scheduler: &a {extraArgs: [{name: v, value: '1'}]}\ncontrollerManager: {<<: [*a, {extraArgs: []}], extraEnvs: []}\n", nil)
	if len(got.Cluster.Controller.ExtraArgs) != 1 {
		t.Errorf("%+v", got.Cluster.Controller)
	}
}

func TestIPv6Defaults(t *testing.T) {
	in := inputs()
	in.DefaultAddress = netip.MustParseAddr("2001:db8::1")
	in.Overrides.ServiceCIDR = "fd00::/108"
	got, err := config.Load(nil, in)
	if err != nil || !strings.Contains(string(got.Cluster.KubeProxy.YAML), "bindAddress: '::'") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestGates(t *testing.T) {
	var g config.Gates
	for _, text := range []string{"B=true,", " A=false , C=1"} {
		if err := g.Set(text); err != nil {
			t.Error(err)
		}
	}
	if g.String() != "A=false,B=true,C=true" || g.Type() == "" {
		t.Errorf("gates = %s", g.String())
	}
	for _, text := range []string{"A", "A=maybe", "=,x"} {
		if err := g.Set(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
