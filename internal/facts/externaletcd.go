package facts

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// etcdTimeout bounds the question to one member of an external etcd.
const etcdTimeout = 3 * time.Second

// EtcdReader is an etcd that is asked and then left.
type EtcdReader interface {
	etcd.Reader
	Close()
}

// ExternalEtcd asks the etcd that others run as this machine's API server would.
func ExternalEtcd(ctx context.Context, h host.Reader, a Asked) (*cluster.ExternalEtcdFacts, error) {
	f := (&looker{Reader: h, ctx: ctx}).externalEtcd(a)
	return f, ctx.Err()
}

// externalEtcd asks every endpoint at once, and, through the first that tells
// who they are, every member.
func (m *looker) externalEtcd(a Asked) *cluster.ExternalEtcdFacts {
	e, f := a.Cluster.Etcd.External, &cluster.ExternalEtcdFacts{Files: map[string]secret.Bytes{}}
	for _, p := range []string{e.CAFile, e.CertFile, e.KeyFile} {
		if given := a.Given[p]; p != "" && !given.Empty() {
			f.Files[p] = given
		} else if data, err := m.ReadFile(m.ctx, p); p != "" && err == nil {
			f.Files[p] = secret.NewBytes(data)
		}
	}
	for i, endpoint := range e.Endpoints {
		asked := endpoint
		if len(e.HTTPEndpoints) == len(e.Endpoints) {
			asked = e.HTTPEndpoints[i]
		}
		f.Endpoints = append(f.Endpoints, cluster.EtcdEndpoint{URL: endpoint, Asked: asked})
	}
	if a.D == nil {
		return f
	}
	credentials := externalCredentials{f.Files[e.CAFile].Reveal(), f.Files[e.CertFile].Reveal(), f.Files[e.KeyFile]}
	client, unusable := credentials.http(a.D, e)
	tellers := make([]EtcdReader, len(f.Endpoints))
	var all sync.WaitGroup
	for i := range f.Endpoints {
		at := &f.Endpoints[i]
		all.Go(func() {
			var err error = unusable
			if err == nil {
				at.Version, err = etcdVersion(m.ctx, client, at.Asked)
			}
			if err != nil {
				at.Error = err.Error()
			}
		})
		all.Go(func() { at.Served = served(m.ctx, a.D, at.URL) })
		if a.Etcd != nil && unusable == nil {
			all.Go(func() { tellers[i] = listMembers(m.ctx, a, credentials, at) })
		}
	}
	all.Wait()
	for _, r := range tellers {
		if r == nil {
			continue
		}
		if f.Members == nil {
			f.Members = askMembers(m.ctx, r)
		}
		r.Close()
	}
	return f
}

// listMembers asks one endpoint who its cluster is, and returns it if it tells.
func listMembers(ctx context.Context, a Asked, c externalCredentials, at *cluster.EtcdEndpoint) EtcdReader {
	r, err := a.Etcd(at.URL, c.ca, c.cert, c.key)
	if err != nil {
		at.Unlisted = err.Error()
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, etcdTimeout)
	defer cancel()
	members, err := r.Members(ctx)
	if err != nil {
		at.Unlisted = err.Error()
		r.Close()
		return nil
	}
	for _, member := range members {
		at.Members = append(at.Members, member.ID)
	}
	return r
}

// askMembers asks each member itself for its version.
func askMembers(ctx context.Context, r etcd.Reader) []cluster.EtcdServer {
	ctx, cancel := context.WithTimeout(ctx, etcdTimeout)
	defer cancel()
	seen, _, err := etcd.Look(ctx, r)
	if err != nil {
		return nil // it has just told, and each endpoint is judged by itself
	}
	members := []cluster.EtcdServer{}
	for _, s := range seen {
		member := cluster.EtcdServer{Name: s.Shown(), ClientURLs: s.ClientURLs, Learner: s.Learner, Version: s.Status.Version}
		if s.Err != nil {
			member.Error = s.Err.Error()
		}
		members = append(members, member)
	}
	return members
}

// served is the chain that a server shows; nil if it shows none. It is judged
// elsewhere, and nothing is sent to it.
func served(ctx context.Context, d host.Dialer, endpoint string) [][]byte {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" {
		return nil
	}
	port := cmp.Or(u.Port(), "443")
	ctx, cancel := context.WithTimeout(ctx, etcdTimeout)
	defer cancel()
	conn, err := d.DialHost(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }() // nothing was said
	var chain [][]byte
	_ = tls.Client(conn, &tls.Config{
		ServerName: u.Hostname(), InsecureSkipVerify: true,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error { chain = raw; return nil },
	}).HandshakeContext(ctx) // it may end as it wants: a server shows its certificate before it asks for ours
	return chain
}

// externalCredentials are what the API server is to show and to trust.
type externalCredentials struct {
	ca, cert []byte
	key      secret.Bytes
}

func (c externalCredentials) http(d host.Dialer, e *cluster.ExternalEtcd) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.CAFile != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(c.ca) {
			return nil, fmt.Errorf("read %s: there is no certificate", e.CAFile)
		}
	}
	if e.CertFile != "" && e.KeyFile != "" {
		pair, err := tls.X509KeyPair(c.cert, c.key.Reveal())
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
