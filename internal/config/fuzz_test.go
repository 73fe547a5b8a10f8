package config_test

import (
	"bytes"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/config"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Whatever comes in, there is an error, or a cluster whose own document is
// valid and means the same.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{"", full, initDoc, oldInit + "nodeRegistration: {kubeletExtraArgs: {v: x}}\n", oldCluster + "apiServer: {timeoutForControlPlane: 1m}\n", oldJoin + discovered, upgradeDoc, clusterDoc + "dns: &a {x: *a}\n", joinDoc + discovered, resetDoc + "unmountFlags: [MNT_FORCE]\n", kubeletDoc + "a: {<<: [*b]}\n", addonsDoc, endpointDoc + virtualIP + "nodeLoadBalancer: {}\n", proxyDoc + "? [a]\n: b\n", "--- !!binary x\n", "{}\n---\n- 1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, docs []byte) {
		_, resetErr := config.LoadReset(docs, inputs())
		checkError(t, resetErr)
		_, joinErr := config.LoadJoin(docs, inputs())
		checkError(t, joinErr)
		got, err := config.Load(docs, inputs())
		checkError(t, err)
		if err != nil {
			return
		}
		first, err := config.MarshalClusterConfiguration(got.Cluster)
		if err != nil {
			t.Fatal(err)
		}
		read, err := config.UnmarshalClusterConfiguration(first)
		if err != nil {
			t.Fatalf("%v\n%s", err, first)
		}
		second, err := config.MarshalClusterConfiguration(read)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%v\n%s\n%s", err, first, second)
		}
	})
}

func checkError(t *testing.T, err error) {
	var fields config.Errors
	if err != nil && (!errors.As(err, &fields) || len(fields) == 0) {
		t.Fatalf("%T %v", err, err)
	}
}

// Whatever comes in, there is an error whose places are in the input, or a file
// that is valid, means the same to init, and stays as it is when migrated again.
func FuzzMigrate(f *testing.F) {
	for _, seed := range []string{full, oldInit + "nodeRegistration: {kubeletExtraArgs: {a.b: x, v: '1'}, taints: []}\n", oldCluster + "apiServer: {timeoutForControlPlane: 9m}\netcd: {local: {extraArgs: {}}}\n---\n" + initDoc,
		oldJoin + discovered + "---\n" + oldCluster, upgradeDoc + "apply: {patches: {directory: /x}}\n", resetDoc, kubeletDoc + "a: &b [1]\nc: *b\n", addonsDoc + "# a comment\npodNetwork: {kind: flannel} # another\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, docs []byte) {
		first, _, err := config.Migrate(docs, elsewhere())
		checkError(t, err)
		var fields config.Errors
		if errors.As(err, &fields) {
			for _, one := range fields {
				if one.Line < 0 || one.Line > lines(docs) || one.Message == "" {
					t.Fatalf("%+v is not in\n%s", one, docs)
				}
			}
			return
		}
		second, _, err := config.Migrate(first, elsewhere())
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%v\n%s\n%s", err, first, second)
		}
	})
}

// lines is at least the number of lines, in any of YAML's line breaks.
func lines(docs []byte) int {
	n := 2
	for _, r := range string(docs) {
		if strings.ContainsRune("\n\r\u0085\u2028\u2029", r) {
			n++
		}
	}
	return n
}

// Of any document only the endpoint and the names change, and once.
func FuzzSetEndpoint(f *testing.F) {
	for _, seed := range []string{clusterDoc, clusterDoc + "apiServer: {}\n", "apiServer:\n  certSANs:\n  - a\ncontrolPlaneEndpoint: |-\n  x\n", "{}", "a: &b [1]\nc: *b\n", "apiServer:\n  certSANs: [a]\n  extraArgs: []\nz: 1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := config.SetEndpoint(data, "k8s.example.com:6443", "old.example.com")
		if err != nil {
			return
		}
		if again, err := config.SetEndpoint(out, "k8s.example.com:6443", "old.example.com"); err != nil || !bytes.Equal(again, out) {
			t.Fatalf("%v\n%s\n%s", err, out, again)
		}
		var before, after map[string]any
		if yaml.Unmarshal(data, &before) != nil || yaml.Unmarshal(out, &after) != nil || after["controlPlaneEndpoint"] != "k8s.example.com:6443" {
			t.Fatalf("%s", out)
		}
		for _, changed := range []map[string]any{before, after} {
			delete(changed, "controlPlaneEndpoint")
			if server, ok := changed["apiServer"].(map[string]any); ok {
				delete(server, "certSANs")
			}
			if server, ok := changed["apiServer"].(map[string]any); ok && len(server) == 0 {
				delete(changed, "apiServer")
			}
		}
		if server, ok := before["apiServer"]; ok && server == nil {
			delete(before, "apiServer")
		}
		if _, ok := before["apiServer"].(map[string]any); ok == (before["apiServer"] != nil) && !reflect.DeepEqual(before, after) {
			t.Fatalf("%v\n%v", before, after)
		}
	})
}
