// Package world wires hosts and an API client into what effects look at
// (plan.View) and what the engine changes (plan.World).
package world

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// probeTimeout bounds one look at a health endpoint; a loaded machine answers
// late, a dead one not at all.
const probeTimeout = 5 * time.Second

// Machine is a host that can also be dialled from.
type Machine interface {
	host.Host
	host.Dialer
}

// Client reads and writes objects.
type Client interface {
	kube.Reader
	kube.Writer
}

// Parts are what a world is made of.
type Parts struct {
	Machine Machine
	Kube    Client     // may be one that cannot connect yet: it reports so when asked
	Runtime cri.Client // nil: none
	Etcd    etcd.Client
}

// World is one machine and the cluster that it belongs to.
type World struct {
	parts  Parts
	mu     sync.Mutex
	probes map[string]*http.Client // by CA
}

var _ plan.World = (*World)(nil)

// New returns the world of one machine.
func New(p Parts) *World {
	if p.Runtime == nil {
		p.Runtime = cri.Unavailable{}
	}
	if p.Etcd == nil {
		p.Etcd = etcd.Unavailable{}
	}
	return &World{parts: p, probes: map[string]*http.Client{}}
}

// Host implements plan.View.
func (w *World) Host(string) host.Reader { return host.AsReader(w.parts.Machine) }

// Runtime implements plan.View.
func (w *World) Runtime(string) cri.Reader { return w.parts.Runtime }

// Etcd implements plan.View.
func (w *World) Etcd(string) etcd.Reader { return w.parts.Etcd }

// Kube implements plan.View.
func (w *World) Kube() kube.Reader { return w.parts.Kube }

// Mutate implements plan.World.
func (w *World) Mutate(string) host.Host { return w.parts.Machine }

// RuntimeWriter implements plan.World.
func (w *World) RuntimeWriter(string) cri.Writer { return w.parts.Runtime }

// EtcdWriter implements plan.World.
func (w *World) EtcdWriter(string) etcd.Writer { return w.parts.Etcd }

// KubeWriter implements plan.World.
func (w *World) KubeWriter() kube.Writer { return w.parts.Kube }

// Tell implements plan.World. What the program answers is not looked at: that
// it did as it was told is to be seen elsewhere.
func (w *World) Tell(ctx context.Context, _, socket, line string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	conn, err := w.parts.Machine.DialHost(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("tell %s: %w", socket, err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return fmt.Errorf("tell %s: %w", socket, err)
		}
	}
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		return fmt.Errorf("tell %s: %w", socket, err)
	}
	// It may take the end of the connection for the end of the wish.
	if _, err := io.Copy(io.Discard, io.LimitReader(conn, 1<<16)); err != nil {
		return fmt.Errorf("tell %s: %w", socket, err)
	}
	return nil
}

// Probe implements plan.View.
func (w *World) Probe(ctx context.Context, _ string, p plan.Probe) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL, nil)
	if err != nil {
		return fmt.Errorf("probe %s: %w", p.URL, err)
	}
	client, err := w.prober(p.CA)
	if err != nil {
		return fmt.Errorf("probe %s: %w", p.URL, err)
	}
	res, err := client.Do(req)
	if err != nil {
		return err // names the URL itself
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
		return fmt.Errorf("probe %s: %w", p.URL, err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("probe %s: %s", p.URL, res.Status)
	}
	return nil
}

func (w *World) prober(ca []byte) (*http.Client, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c, ok := w.probes[string(ca)]; ok {
		return c, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(ca) == 0 {
		config.InsecureSkipVerify = true // a component's self-signed certificate on loopback; nothing secret is sent
	} else {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(ca) {
			return nil, errors.New("the certificate authority holds no certificate")
		}
	}
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DialContext: w.parts.Machine.DialHost}}
	w.probes[string(ca)] = c
	return c, nil
}
