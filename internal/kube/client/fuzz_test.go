package client

import (
	"strings"
	"testing"
)

// Whatever a kubeconfig holds, it ends in an error or in a Config that New
// refuses or takes; one that New takes has a server.
func FuzzFromKubeconfig(f *testing.F) {
	const half = "s3cr3ts3cr3t"
	const head = "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
	for _, seed := range []string{
		"", "{}", "current-context: c", head,
		head + "clusters: [{name: k, cluster: {server: 'https://a:6443'}}]\nusers: [{name: u, user: {token: " + half + "}}]",
		head + "clusters: [{name: k, cluster: {server: 'https://u:" + half + "@a', proxy-url: ':'}}]\nusers: [{name: u}]",
		head + "clusters: [{name: k, cluster: {insecure-skip-tls-verify: true}}]\nusers: [{name: u, user: {exec: {}}}]",
		head + "users: [{name: u, user: {client-key-data: '" + half + "'}}]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		config, err := FromKubeconfig([]byte(text))
		if err != nil {
			return
		}
		if _, err := New(config); err == nil && !strings.HasPrefix(strings.ToLower(config.Server), "https://") {
			t.Errorf("taken without a server: %q", config.Server)
		}
	})
}
