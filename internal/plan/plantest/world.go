// Package plantest is a world of fakes: an interpreting machine and an API
// server in memory, which is up when the machine would have one running.
package plantest

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/cri/critest"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/etcd/etcdtest"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// World is one machine and one API server.
type World struct {
	Machine *hosttest.Machine
	Through host.Host // what mutations go through: Machine, or a decorator of it
	Store   *kubetest.Store
	// Containers is the machine's container runtime, EtcdCluster its etcd.
	Containers  *critest.Runtime
	EtcdCluster *etcdtest.Etcd
	// Loaded is the configuration with which the load balancer runs: what was on
	// the disk when it started, or when it was last told to reload.
	Loaded []byte
	// Serves is, by address, the file whose certificate a TLS server shows: one
	// that reads it at each handshake.
	Serves map[string]string
}

var _ plan.World = (*World)(nil)

// New returns a world over m.
func New(m *hosttest.Machine) *World {
	return &World{Machine: m, Through: m, Store: kubetest.New(), Containers: critest.New(), EtcdCluster: etcdtest.New()}
}

// Host implements plan.View.
func (w *World) Host(string) host.Reader { return host.AsReader(w.Machine) }

// Kube implements plan.View.
func (w *World) Kube() kube.Reader { return w.Store }

// Mutate implements plan.World.
func (w *World) Mutate(string) host.Host { return w.Through }

// KubeWriter implements plan.World.
func (w *World) KubeWriter() kube.Writer { return w.Store }

// Runtime implements plan.View.
func (w *World) Runtime(string) cri.Reader { return w.Containers }

// RuntimeWriter implements plan.World.
func (w *World) RuntimeWriter(string) cri.Writer { return w.Containers }

// Etcd implements plan.View.
func (w *World) Etcd(string) etcd.Reader { return w.EtcdCluster }

// EtcdWriter implements plan.World.
func (w *World) EtcdWriter(string) etcd.Writer { return w.EtcdCluster }

// Probe implements plan.View: a component answers when the kubelet runs and
// its manifest is whole.
func (w *World) Probe(ctx context.Context, _ string, p plan.Probe) error {
	pod := "kube-apiserver"
	switch {
	case strings.Contains(p.URL, ":2381"):
		pod = "etcd"
	case strings.HasPrefix(p.URL, "http:"):
		return w.probeBalancer(ctx, p.URL)
	case strings.Contains(p.URL, ":10257"):
		pod = "kube-controller-manager"
	case strings.Contains(p.URL, ":10259"):
		pod = "kube-scheduler"
	}
	if !w.Runs(ctx, pod) {
		return fmt.Errorf("probe %s: %w", p.URL, syscall.ECONNREFUSED)
	}
	return nil
}

// probeBalancer is haproxy's answer, in whose configuration its paths are.
func (w *World) probeBalancer(ctx context.Context, url string) error {
	if !w.Runs(ctx, "clusteradm-haproxy") {
		w.Loaded = nil
		return fmt.Errorf("probe %s: %w", url, syscall.ECONNREFUSED)
	}
	if w.Loaded == nil {
		w.Loaded, _ = w.Machine.ReadFile(ctx, cluster.HAProxyConfig)
	}
	_, path, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	if !bytes.Contains(w.Loaded, []byte("path /"+path+" ")) {
		return fmt.Errorf("probe %s: 404 Not Found", url)
	}
	return nil
}

// Tell implements plan.World: the load balancer is all that can be told
// something.
func (w *World) Tell(ctx context.Context, _, socket, line string) (err error) {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("tell %s: %w", socket, err)
	}
	if socket != "/run/clusteradm/haproxy/master.sock" || line != "reload" || !w.Runs(ctx, "clusteradm-haproxy") {
		return fmt.Errorf("tell %s: %w", socket, syscall.ECONNREFUSED)
	}
	w.Loaded, err = w.Machine.ReadFile(ctx, cluster.HAProxyConfig)
	return err
}

// Runs reports whether the machine's kubelet would have the static pod running.
func (w *World) Runs(ctx context.Context, pod string) bool {
	res, err := w.Machine.Query(ctx, host.Cmd{Args: []string{"systemctl", "is-active", "kubelet.service"}})
	if err != nil || strings.TrimSpace(string(res.Stdout)) != "active" {
		return false
	}
	info, err := w.Machine.Stat(ctx, "/etc/kubernetes/manifests/"+pod+".yaml")
	return err == nil && info.Mode&fs.ModeType == 0
}

// Served implements plan.View.
func (w *World) Served(ctx context.Context, _, addr string) ([]byte, error) {
	data, err := w.Machine.ReadFile(ctx, w.Serves[addr])
	if err != nil {
		return nil, fmt.Errorf("ask %s for its certificate: %w", addr, err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("ask %s for its certificate: there is none", addr)
	}
	return block.Bytes, nil
}
