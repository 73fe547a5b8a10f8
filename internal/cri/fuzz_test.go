package cri_test

import (
	"path"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cri"
)

func FuzzSocketPath(f *testing.F) {
	for _, seed := range append(cri.Sockets(), "unix:///run/containerd/containerd.sock", "", "unix://", "tcp://127.0.0.1:1", "/run/../x", "unix:///a\x00b", "unix://unix:///x") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, socket string) {
		got, err := cri.SocketPath(socket)
		if err != nil {
			if got != "" {
				t.Errorf("%q: an error and %q", socket, got)
			}
			return
		}
		if !path.IsAbs(got) || path.Clean(got) != got || strings.ContainsRune(got, 0) {
			t.Errorf("%q gives %q", socket, got)
		}
		for _, written := range []string{got, "unix://" + got} {
			if again, err := cri.SocketPath(written); err != nil || again != got {
				t.Errorf("%q gives %q, and %q gives %q, %v", socket, got, written, again, err)
			}
		}
	})
}
