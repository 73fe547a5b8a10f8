package config_test

import (
	"bytes"
	"errors"
	"strconv"
	"testing"

	"github.com/clusteradm/clusteradm/internal/config"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Whatever comes in, there is an error, or a cluster whose own document is
// valid and means the same.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{"", full, initDoc, clusterDoc + "dns: &a {x: *a}\n", joinDoc + discovered, resetDoc + "unmountFlags: [MNT_FORCE]\n", kubeletDoc + "a: {<<: [*b]}\n", addonsDoc, proxyDoc + "? [a]\n: b\n", "--- !!binary x\n", "{}\n---\n- 1"} {
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
