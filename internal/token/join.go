package token

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/clusteradm/clusteradm/internal/secret"
)

// JoinCommand is the command with which a node joins: server is the API
// server's URL, pins those of the cluster's authorities. With a certificate key
// the node becomes a control plane.
func JoinCommand(server string, whole secret.String, pins []string, certificateKey secret.String) (string, error) {
	endpoint, err := url.Parse(server)
	if err != nil || endpoint.Hostname() == "" {
		return "", fmt.Errorf("print join command: the API server is no https://host:port")
	}
	port := endpoint.Port()
	if port == "" {
		port = "443"
	}
	args := []string{"clusteradm join", net.JoinHostPort(endpoint.Hostname(), port), "--token", whole.Reveal()}
	for _, pin := range pins {
		args = append(args, "--discovery-token-ca-cert-hash", pin)
	}
	if !certificateKey.Empty() {
		args = append(args, "--control-plane --certificate-key", certificateKey.Reveal())
	}
	return strings.Join(args, " "), nil
}
