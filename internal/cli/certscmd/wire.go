package certscmd

import (
	"context"
	"crypto/x509"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

// served is one certificate as it is seen on the wire.
type served struct {
	By       string     `json:"by"`
	Address  string     `json:"address"`
	Error    string     `json:"error,omitempty"`
	Expires  *time.Time `json:"expirationDate,omitempty"`
	Residual int64      `json:"residualTime"`
	Subject  string     `json:"subject,omitempty"`
	Serial   string     `json:"serial,omitempty"`
	// Path is the file that it is of, empty for one of the process's own making.
	Path       string `json:"path,omitempty"`
	DiskSerial string `json:"diskSerial,omitempty"`
	Stale      bool   `json:"stale,omitempty"`
}

func (s served) disk() string {
	switch {
	case s.Path == "":
		return "its own"
	case s.Stale:
		return "!OTHER!"
	case s.DiskSerial == "":
		return "!MISSING!"
	}
	return "the same"
}

// kubeletPort is the kubelet's, on all addresses unless it is told otherwise.
const kubeletPort = "127.0.0.1:10250"

// wire asks everything that serves a certificate on this machine, at once.
func wire(ctx context.Context, s *session.Session, k *controlplane.Known, f cluster.HostFacts) []served {
	var list []served
	for _, name := range []string{manifests.EtcdName, manifests.KubeAPIServer, manifests.KubeControllerManager, manifests.KubeScheduler} {
		flags, ok := k.Flags[name]
		if !ok {
			continue
		}
		for i, at := range phases.ServedCertificates(name, flags) {
			by := name
			if i > 0 {
				by += " (peers)"
			}
			list = append(list, served{By: by, Address: at.Addr, Path: at.Path})
		}
	}
	server := served{By: "kubelet", Address: kubeletPort}
	for _, p := range []string{pki.KubeletServerCrt, pki.KubeletServerPEM} {
		if !f.PKI[p].Empty() {
			server.Path = p
		}
	}
	if !f.PKI[cluster.KubeletConf].Empty() {
		list = append(list, server)
	}
	w := world.New(world.Parts{Machine: s.Machine})
	var g errgroup.Group
	for i := range list {
		g.Go(func() error { list[i].ask(ctx, w, s.Now()); return nil })
	}
	_ = g.Wait() // each says for itself
	return list
}

func (s *served) ask(ctx context.Context, w plan.View, now time.Time) {
	der, err := w.Served(ctx, "", s.Address)
	if err != nil {
		s.Error = err.Error()
		return
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		s.Error = "read its certificate: " + err.Error()
		return
	}
	at := cert.NotAfter.UTC()
	s.Expires, s.Residual = &at, int64(at.Sub(now).Seconds())
	s.Subject, s.Serial = cert.Subject.String(), pki.SerialOf(cert)
	if s.Path == "" {
		return
	}
	data, err := w.Host("").ReadFile(ctx, s.Path)
	if err != nil {
		return
	}
	if leaf, err := pki.Leaf(data); err == nil {
		s.DiskSerial, s.Stale = pki.SerialOf(leaf), !leaf.Equal(cert)
	}
}
