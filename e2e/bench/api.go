package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// api asks an API server from this machine, outside of the nodes and of both
// tools, with nothing but net/http.
type api struct {
	server string
	client *http.Client
}

// openAPI uses the administrator's kubeconfig of a control plane.
func openAPI(ctx context.Context, n *nodes.Node) (*api, error) {
	data, err := n.ReadFile(ctx, clusters.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("open API: %w", err)
	}
	return parseKubeconfig(data)
}

func parseKubeconfig(data []byte) (*api, error) {
	var k struct {
		Clusters []struct {
			Cluster struct {
				Server string `json:"server"`
				CA     []byte `json:"certificate-authority-data"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User struct {
				Certificate []byte `json:"client-certificate-data"`
				Key         []byte `json:"client-key-data"`
			} `json:"user"`
		} `json:"users"`
	}
	if err := yaml.Unmarshal(data, &k); err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	if len(k.Clusters) != 1 || len(k.Users) != 1 {
		return nil, errors.New("read kubeconfig: want one cluster and one user")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(k.Clusters[0].Cluster.CA) {
		return nil, errors.New("read kubeconfig: no certificate authority")
	}
	pair, err := tls.X509KeyPair(k.Users[0].User.Certificate, k.Users[0].User.Key)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}, ForceAttemptHTTP2: true}
	return &api{k.Clusters[0].Cluster.Server, &http.Client{Transport: transport, Timeout: 5 * time.Second}}, nil
}

func (a *api) close() { a.client.CloseIdleConnections() }

// get returns the body of an answer 200.
func (a *api) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.server+path, nil)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", path, err)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", path, err)
	}
	return body, nil
}

// whenReady asks for a Node every 20 ms and returns the moment at which its
// Ready condition was first seen to be true.
func (a *api) whenReady(ctx context.Context, node string) (time.Time, error) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	last := errors.New("not asked yet")
	for {
		select {
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("wait for node %s to be Ready: %w: %w", node, context.Cause(ctx), last)
		case <-ticker.C:
		}
		body, err := a.get(ctx, "/api/v1/nodes/"+node)
		if err != nil {
			last = err
			continue
		}
		if isReady(body) {
			return time.Now(), nil
		}
		last = errors.New("the Node is there and not Ready")
	}
}

func isReady(body []byte) bool {
	var node struct {
		Status struct {
			Conditions []struct{ Type, Status string } `json:"conditions"`
		} `json:"status"`
	}
	if json.Unmarshal(body, &node) != nil {
		return false
	}
	for _, c := range node.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}
