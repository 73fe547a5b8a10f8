package facts

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/host"
)

// etcdTimeout bounds the question to one member of an external etcd.
const etcdTimeout = 3 * time.Second

// etcdFiles looks for the credentials that the API server gets.
func (m *looker) etcdFiles(e *cluster.ExternalEtcd) {
	found := map[string]bool{}
	for _, p := range []string{e.CAFile, e.CertFile, e.KeyFile} {
		if p != "" {
			found[p] = m.there(p)
		}
	}
	m.set(func(f *cluster.MachineFacts) { f.EtcdFiles = found })
}

// etcdVersions asks every member at once for its version.
func (m *looker) etcdVersions(d host.Dialer, e *cluster.ExternalEtcd) {
	endpoints := e.HTTPEndpoints
	if len(endpoints) == 0 {
		endpoints = e.Endpoints
	}
	if d == nil {
		return
	}
	client, err := m.etcdClient(d, e)
	for _, endpoint := range endpoints {
		m.ask(func() {
			v := cluster.EtcdVersion{}
			err := err
			if err == nil {
				v.Version, err = etcdVersion(m.ctx, client, endpoint)
			}
			if err != nil {
				v.Error = err.Error()
			}
			m.set(func(f *cluster.MachineFacts) {
				if f.EtcdServer == nil {
					f.EtcdServer = map[string]cluster.EtcdVersion{}
				}
				f.EtcdServer[endpoint] = v
			})
		})
	}
}

func (m *looker) etcdClient(d host.Dialer, e *cluster.ExternalEtcd) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.CAFile != "" {
		ca, err := m.ReadFile(m.ctx, e.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("read %s: no certificate in it", e.CAFile)
		}
	}
	if e.CertFile != "" && e.KeyFile != "" {
		cert, err := m.ReadFile(m.ctx, e.CertFile)
		if err != nil {
			return nil, err
		}
		key, err := m.ReadFile(m.ctx, e.KeyFile)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", e.CertFile, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return &http.Client{Timeout: etcdTimeout, Transport: &http.Transport{TLSClientConfig: config, DialContext: d.DialHost, DisableKeepAlives: true}}, nil
}

func etcdVersion(ctx context.Context, client *http.Client, endpoint string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(endpoint, "/")+"/version", nil)
	if err != nil {
		return "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return "", err // names the URL
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if err != nil {
		return "", err
	}
	return parseEtcdVersion(data)
}

func parseEtcdVersion(data []byte) (string, error) {
	var v struct {
		Server string `json:"etcdserver"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return "", fmt.Errorf("read version: %w", err)
	}
	if v.Server == "" {
		return "", errors.New("read version: the server does not say it")
	}
	return v.Server, nil
}
