package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// clear makes a node's directories as if no tool had been there. kubelet's own
// are not touched but for its certificates.
const clear = `rm -rf /etc/kubernetes /var/lib/kubelet/pki /var/lib/clusteradm && mkdir -p /etc/kubernetes/manifests`

// measureKeys measures all certificates and kubeconfig files of a control plane.
func (s *session) measureKeys(ctx context.Context) (err error) {
	c, err := s.up(ctx, "bench-k", "cp1")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, down(ctx, c)) }()
	n := c.ControlPlane()
	// It would start again and again without a configuration.
	if _, err := clusters.Must(ctx, n, "systemctl", "stop", "kubelet"); err != nil {
		return err
	}
	rows := []struct {
		Row
		keys string // what both are told; empty: nothing
	}{
		{Row: Row{Name: "certificates and kubeconfigs, defaults (" + ecdsa + ", " + rsa + ")", Unit: "ms", Bar: Bar{Ratio: 20}}},
		{Row{Name: "certificates and kubeconfigs, both " + ecdsa, Unit: "ms"}, ecdsa},
		{Row{Name: "certificates and kubeconfigs, both " + rsa, Unit: "ms"}, rsa},
	}
	for i := range rows {
		row := &rows[i]
		if err := c.WriteInitConfig(ctx, n, "/root/init.yaml", false, algorithm(row.keys)); err != nil {
			return err
		}
		if err := s.settle(ctx); err != nil {
			return err
		}
		// The first round warms up.
		err := interleave(ctx, max(15, s.runs)+1, func(round int, t tool) error {
			took, err := keysOnce(ctx, n, t)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err == nil {
				err = checkKeys(ctx, n, expected(t, row.keys))
			}
			if round > 0 {
				row.of(t).add(milliseconds(took), err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.logf("%s: %v", row.Name, row.cells()[1:4])
		s.report.Rows = append(s.report.Rows, row.Row)
	}
	return nil
}

func keysOnce(ctx context.Context, n *nodes.Node, t tool) (time.Duration, error) {
	if _, err := clusters.Must(ctx, n, "sh", "-c", clear); err != nil {
		return 0, err
	}
	var total time.Duration
	for _, phase := range []string{"certs", "kubeconfig"} {
		took, err := onNode(ctx, n, t.path, "init", "phase", phase, "all", "--config", "/root/init.yaml")
		if err != nil {
			return 0, err
		}
		total += took.wall
	}
	return total, nil
}

// expected is the algorithm a tool should have used.
func expected(t tool, keys string) x509.PublicKeyAlgorithm {
	if keys == rsa || keys == "" && t.kubeadm {
		return x509.RSA
	}
	return x509.ECDSA
}

// checkKeys makes sure that the work was done, with the algorithm claimed.
func checkKeys(ctx context.Context, n *nodes.Node, want x509.PublicKeyAlgorithm) error {
	for _, path := range []string{
		"sa.key", "etcd/peer.key", "etcd/server.key", "etcd/healthcheck-client.key", "front-proxy-client.key",
		"apiserver-kubelet-client.key", "apiserver-etcd-client.key", "../admin.conf", "../super-admin.conf",
		"../controller-manager.conf", "../scheduler.conf", "../kubelet.conf",
	} {
		if _, err := clusters.Must(ctx, n, "test", "-s", "/etc/kubernetes/pki/"+path); err != nil {
			return fmt.Errorf("check keys: %w", err)
		}
	}
	for _, path := range []string{"ca.crt", "apiserver.crt", "etcd/ca.crt", "front-proxy-ca.crt"} {
		data, err := n.ReadFile(ctx, "/etc/kubernetes/pki/"+path)
		if err != nil {
			return fmt.Errorf("check keys: %w", err)
		}
		block, _ := pem.Decode(data)
		if block == nil {
			return errors.New("check keys: " + path + " has no PEM block")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("check keys: %s: %w", path, err)
		}
		if cert.PublicKeyAlgorithm != want {
			return fmt.Errorf("check keys: %s is %s, want %s", path, cert.PublicKeyAlgorithm, want)
		}
	}
	return nil
}
