package config_test

import (
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/config"
)

func TestEndpointIsHostAndPort(t *testing.T) {
	for given, want := range map[string]string{
		"k8s.example.com": "k8s.example.com:6443", "k8s.example.com:443": "k8s.example.com:443", "192.0.2.1": "192.0.2.1:6443",
		"fd00::1": "[fd00::1]:6443", "[fd00::1]": "[fd00::1]:6443", "[fd00::1]:443": "[fd00::1]:443",
	} {
		if got, err := config.Endpoint(given); err != nil || got != want {
			t.Errorf("%s: %s, %v", given, got, err)
		}
	}
	for _, given := range []string{"", "a b", "https://k8s.example.com:6443", "k8s.example.com:0", "k8s.example.com:many", "192.0.2", "Upper.Case", ":6443"} {
		if got, err := config.Endpoint(given); err == nil {
			t.Errorf("%q is %s", given, got)
		}
	}
}

// What kubeadm wrote stays byte for byte but for the lines that change.
func TestSetEndpoint(t *testing.T) {
	for name, tc := range map[string]struct {
		before, after string
		sans          []string
	}{
		"none before": {"apiServer: {}\ncertificatesDir: /x\ncontrollerManager: {}\ndns: {}\n",
			"apiServer: {}\ncertificatesDir: /x\ncontrolPlaneEndpoint: new:6443\ncontrollerManager: {}\ndns: {}\n", nil},
		"last":        {"clusterName: a\n", "clusterName: a\ncontrolPlaneEndpoint: new:6443\n", nil},
		"another":     {"a: 1 # one\ncontrolPlaneEndpoint: \"old:6443\"\nz: 2\n", "a: 1 # one\ncontrolPlaneEndpoint: new:6443\nz: 2\n", nil},
		"there":       {"controlPlaneEndpoint: 'new:6443'\n", "controlPlaneEndpoint: 'new:6443'\n", nil},
		"first name":  {"apiServer: {}\ncontrolPlaneEndpoint: old:6443\n", "apiServer:\n  certSANs:\n  - old\ncontrolPlaneEndpoint: new:6443\n", []string{"old"}},
		"no server":   {"dns: {}\n", "apiServer:\n  certSANs:\n  - old\ncontrolPlaneEndpoint: new:6443\ndns: {}\n", []string{"old"}},
		"with others": {"apiServer:\n  extraArgs:\n  - name: v\n    value: \"1\"\ndns: {}\n", "apiServer:\n  certSANs:\n  - old\n  extraArgs:\n  - name: v\n    value: \"1\"\ncontrolPlaneEndpoint: new:6443\ndns: {}\n", []string{"old"}},
		"more names":  {"apiServer:\n  certSANs:\n  - a\n  extraArgs: []\n", "apiServer:\n  certSANs:\n  - a\n  - 192.0.2.1\n  extraArgs: []\ncontrolPlaneEndpoint: new:6443\n", []string{"a", "192.0.2.1"}},
		"flow style":  {"{apiServer: {certSANs: [a]}, dns: {}}", "apiServer:\n  certSANs:\n  - a\n  - old\ncontrolPlaneEndpoint: new:6443\ndns: {}\n", []string{"old"}},
		"folded":      {"controlPlaneEndpoint: >-\n  old:6443\ndns: {}\n", "controlPlaneEndpoint: new:6443\ndns: {}\n", nil},
	} {
		got, err := config.SetEndpoint([]byte(tc.before), "new:6443", tc.sans...)
		if err != nil || string(got) != tc.after {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, tc.after)
		}
	}
	for _, bad := range []string{"", "[1]", "{", "text"} {
		if _, err := config.SetEndpoint([]byte(bad), "new:6443"); err == nil || strings.Contains(err.Error(), "text") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
