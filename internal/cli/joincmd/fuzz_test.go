package joincmd

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Whoever may make requests for certificates says what is in them.
func FuzzReadRequest(f *testing.F) {
	f.Add([]byte(`{"metadata":{"name":"csr-1","creationTimestamp":"2026-11-27T12:00:00Z"},"spec":{"signerName":"kubernetes.io/kube-apiserver-client-kubelet","request":"LS0t"},"status":{"conditions":[{"type":"Denied","reason":"ByHand","message":"no"},{"type":"Approved"},7]}}`), "w1")
	f.Add([]byte(`{"status":{"conditions":"none"}}`), "")
	f.Add([]byte(base64.StdEncoding.EncodeToString([]byte("-----BEGIN CERTIFICATE REQUEST-----\nMA==\n-----END CERTIFICATE REQUEST-----\n"))), "w1")
	f.Fuzz(func(t *testing.T, data []byte, node string) {
		if name := requested(string(data)); name != "" && strings.TrimSpace(name) == "" {
			t.Errorf("a name of blanks: %q", name)
		}
		var u unstructured.Unstructured
		if json.Unmarshal(data, &u.Object) != nil || u.Object == nil {
			return
		}
		r, ok := readRequest(&u, node)
		if ok && r.Name != u.GetName() {
			t.Errorf("request %+v of %s", r, u.GetName())
		}
		readNode(&u)
	})
}
