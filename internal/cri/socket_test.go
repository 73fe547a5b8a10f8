package cri_test

import (
	"testing"

	"github.com/clusteradm/clusteradm/internal/cri"
)

func TestSocketPath(t *testing.T) {
	for socket, want := range map[string]string{
		"unix:///run/containerd/containerd.sock": "/run/containerd/containerd.sock",
		"/run/crio/crio.sock":                    "/run/crio/crio.sock",
		"":                                       "",
		"unix://":                                "",
		"/":                                      "",
		"run/x.sock":                             "",
		"unix://run/x.sock":                      "",
		"tcp://127.0.0.1:2375":                   "",
		"npipe:////./pipe/x":                     "",
		"/run/../x.sock":                         "",
		"/run//x.sock":                           "",
		"/run/x.sock/":                           "",
		"/run/x\n.sock":                          "",
	} {
		if got, err := cri.SocketPath(socket); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", socket, got, err, want)
		}
	}
}

func TestUnit(t *testing.T) {
	want := []string{"containerd", "crio", "cri-docker"}
	for i, socket := range cri.Sockets() {
		if got := cri.Unit("unix://" + socket); got != want[i] {
			t.Errorf("%s is of %s, want %s", socket, got, want[i])
		}
	}
	if got := cri.Unit("/run/k3s/other.sock"); got != "containerd" {
		t.Errorf("an unknown socket is of %s", got)
	}
}
