package discovery

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// seedCA is any certificate: seeds must be the same in every run.
const seedCA = "-----BEGIN CERTIFICATE-----\nMIIBAA==\n-----END CERTIFICATE-----\n"

func fileSeeds() []string {
	data := "certificate-authority-data: " + base64.StdEncoding.EncodeToString([]byte(seedCA))
	return []string{
		"", "{}", "clusters: [{}]", "clusters: [{name: '', cluster: {server: 'https://a:6443'}}]",
		discoveryFile(data, "token: "+canary), discoveryFile("certificate-authority: /ca.crt", "client-key: k, client-certificate: c"),
		discoveryFile(data, "exec: {command: x}"), "users: [{user: {token: [" + canary + "]}}]",
	}
}

// Whatever a discovery file holds, it ends in an error or in a whole Info, and
// no error repeats a secret.
func FuzzFile(f *testing.F) {
	for _, seed := range fileSeeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []func(string) ([]byte, error){nil, func(string) ([]byte, error) { return []byte(seedCA), nil }} {
			info, err := File([]byte(text), read)
			switch {
			case err == nil && (!strings.HasPrefix(strings.ToLower(info.Server), "https://") || len(info.CA) == 0 || info.ClusterName == ""):
				t.Errorf("half an Info: %+v", info)
			// Names are repeated, and fuzzing may make a name of anything.
			case err != nil && !strings.Contains(err.Error(), "is not defined") && strings.Contains(err.Error(), canary):
				t.Errorf("the error repeats a secret: %v", err)
			}
		}
	})
}

// What answers at an endpoint is nobody's friend until it is proven.
func FuzzClusterInfo(f *testing.F) {
	for _, seed := range fileSeeds() {
		f.Add(seed, "")
		f.Add(seed, "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..x")
	}
	f.Fuzz(func(t *testing.T, content, signature string) {
		s := &search{Options: options("127.0.0.1:1", "sha256:"+strings.Repeat("ab", 32)), limits: shortPatience()}
		s.Now = time.Now
		found := configMap{Data: map[string]string{kubeconfigKey: content, signaturePrefix + id: signature}}
		if info, _, err := s.prove(found); err == nil {
			t.Errorf("proven without the pinned authority: %+v", info)
		} else if strings.Contains(err.Error(), canary) {
			t.Errorf("the error repeats a secret: %v", err)
		}
		s.CACertHashes = nil
		if info, _, err := s.prove(found); err == nil && len(info.CA) == 0 {
			t.Errorf("half an Info: %+v", info)
		}
	})
}
