package client_test

import (
	"encoding/json"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cri/client"
)

func FuzzSandboxImage(f *testing.F) {
	for _, seed := range []string{"", "{", "null", "[]", `{"sandboxImage":7}`, `{"sandboxImage":"registry.k8s.io/pause:3.10","x":{}}`, `{"sandboxImage":"a","sandboxImage":"b"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, config string) {
		image := client.SandboxImage(config)
		if image != "" && !json.Valid([]byte(config)) {
			t.Errorf("%q, which is no JSON, says %q", config, image)
		}
	})
}
