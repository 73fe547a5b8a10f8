package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/config"
)

const (
	containerdSocket = "/var/run/containerd/containerd.sock"
	crioSocket       = "/var/run/crio/crio.sock"
)

// Which of several runtimes is meant nobody can know: taking one would start
// the cluster on the other.
func TestRuntimeSocket(t *testing.T) {
	const init = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nnodeRegistration: {criSocket: %}\n"
	for name, c := range map[string]struct {
		found      []string
		configured string
		flag       string
		want       string
	}{
		"none":                {nil, "", "", "unix://" + containerdSocket},
		"one":                 {[]string{crioSocket}, "", "", "unix://" + crioSocket},
		"several":             {[]string{containerdSocket, crioSocket}, "", "", ""},
		"several, configured": {[]string{containerdSocket, crioSocket}, crioSocket, "", "unix://" + crioSocket},
		"several, by flag":    {[]string{containerdSocket, crioSocket}, "", crioSocket, "unix://" + crioSocket},
		"one, another wanted": {[]string{containerdSocket}, "", "unix:///run/k3s/containerd.sock", "unix:///run/k3s/containerd.sock"},
		"flag over file":      {nil, crioSocket, containerdSocket, "unix://" + containerdSocket},
	} {
		in := inputs()
		in.CRISockets, in.Overrides.CRISocket = c.found, c.flag
		docs := ""
		if c.configured != "" {
			docs = strings.Replace(init, "%", c.configured, 1)
		}
		loaded, err := config.Load([]byte(docs), in)
		if c.want != "" {
			if err != nil || loaded.Node.CRISocket != c.want {
				t.Errorf("%s: %+v, %v; want %s", name, loaded, err, c.want)
			}
			continue
		}
		var errs config.Errors
		if !errors.As(err, &errs) || len(errs) != 1 || !strings.Contains(err.Error(), "nodeRegistration.criSocket: is required") ||
			!strings.Contains(err.Error(), strings.Join(c.found, ", ")) || errs[0].Hint != "--cri-socket=unix://"+containerdSocket {
			t.Errorf("%s: %v", name, err)
		}
	}
	in := inputs()
	in.CRISockets = []string{containerdSocket, crioSocket}
	if _, err := config.LoadReset(nil, in); err == nil || !strings.Contains(err.Error(), "criSocket: is required") {
		t.Errorf("reset: %v", err)
	}
	if _, err := config.LoadJoin(nil, in); err == nil || !strings.Contains(err.Error(), "nodeRegistration.criSocket: is required") {
		t.Errorf("join: %v", err)
	}
}
