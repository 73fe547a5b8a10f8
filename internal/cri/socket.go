package cri

import (
	"fmt"
	"path"
	"strings"
)

// Sockets are where container runtimes listen, as kubeadm looks for them, in
// its order: containerd, CRI-O, cri-dockerd.
func Sockets() []string {
	return []string{"/var/run/containerd/containerd.sock", "/var/run/crio/crio.sock", "/var/run/cri-dockerd.sock"}
}

// SocketPath is the path of a socket that is written with or without unix://,
// as users write it. Only sockets of this machine are taken.
func SocketPath(socket string) (string, error) {
	p, written := strings.CutPrefix(socket, "unix://")
	switch {
	case !written && strings.Contains(socket, "://"):
		return "", fmt.Errorf("read CRI socket %q: not a unix socket", socket)
	case !path.IsAbs(p) || path.Clean(p) != p || p == "/":
		return "", fmt.Errorf("read CRI socket %q: not an absolute path", socket)
	case strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", fmt.Errorf("read CRI socket %q: has control characters", socket)
	}
	return p, nil
}

// Unit is the systemd unit that usually listens on a socket, by its path, and
// containerd's for all that are not known.
func Unit(socket string) string {
	switch {
	case strings.Contains(socket, "crio"):
		return "crio"
	case strings.Contains(socket, "dockerd"):
		return "cri-docker"
	}
	return "containerd"
}
