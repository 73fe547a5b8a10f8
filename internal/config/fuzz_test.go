package config_test

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"

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
