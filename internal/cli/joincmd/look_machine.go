package joincmd

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/diagnosis"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/procfs"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/pki"
)

// lookAtFiles reads what earlier joins left, by which the other looks go.
func (l *looker) lookAtFiles(ctx context.Context) error {
	f, err := facts.Gather(ctx, l.Machine, &cluster.Cluster{}, nil, false)
	if err != nil {
		return err
	}
	remains, err := facts.Remains(ctx, l.Machine)
	if err != nil {
		return err
	}
	l.local = remains.Etcd
	m := &l.seen.Machine
	m.MachineID, m.SystemUUID = f.MachineID, f.ProductUUID
	m.EtcdStatic = remains.Etcd != nil
	m.EtcdSince = f.Files[cluster.ManifestsDir+"/etcd.yaml"].Changed
	for path := range f.Manifests {
		// The load balancer's is on workers, too.
		l.seen.ControlPlane = l.seen.ControlPlane || path != cluster.ManifestsDir+"/"+manifests.HAProxyName+".yaml"
	}
	m.EtcdData = remains.EtcdOrphan || remains.Etcd != nil && remains.Etcd.HasData
	m.Asking = f.Files[cluster.BootstrapKubeletConf].Changed
	if l.join.Node.Address.IsValid() {
		m.Addresses = append(m.Addresses, l.join.Node.Address.String())
	}
	if address, err := l.Address(); err == nil && !slices.Contains(m.Addresses, address.String()) {
		m.Addresses = append(m.Addresses, address.String())
	}
	// Of which cluster it is, its own kubeconfig says: what the endpoint says is
	// not proven yet.
	if conf, err := pki.DecodeKubeconfig(f.PKI[cluster.KubeletConf]); err == nil && joined(f, l.join.Node, conf.CA, l.Now()) {
		leaf, _ := pki.Leaf(f.PKI[cluster.KubeletClientPEM].Reveal()) // it was read for joined
		m.Joined, m.Certificate = true, leaf.NotAfter
	}
	return nil
}

func (l *looker) lookAtRuntime(ctx context.Context) {
	socket := l.join.Node.CRISocket
	r, err := facts.Runtime(ctx, l.Machine, l.Runtime(socket), socket)
	if err != nil {
		return // cut short: cannot be told
	}
	l.set(func(j *diagnosis.Join) {
		j.Machine.Runtime = diagnosis.Runtime{Seen: true, Socket: socket, Answers: r.Answers, Fault: diagnosis.Fault{Text: r.Error, Hint: cmp.Or(r.Hint, "systemctl status containerd")},
			Ready: r.Ready, NotReady: r.NotReady, Name: strings.TrimSpace(r.Name + " " + r.Version)}
	})
}

const kubeletUnit = "kubelet.service"

func (l *looker) lookAtKubelet(ctx context.Context) {
	r := host.AsReader(l.Machine)
	res, err := r.Query(ctx, host.Cmd{Args: []string{"systemctl", "show", "--property=LoadState,ActiveState,SubState", kubeletUnit}})
	if err != nil {
		return // cannot be told
	}
	p := procfs.Properties(string(res.Stdout))
	k := diagnosis.Kubelet{Seen: true, Loaded: p["LoadState"] == "loaded", Masked: p["LoadState"] == "masked", Active: p["SubState"] == "running"}
	var failing *effect.UnitFailingError
	if errors.As(effect.UnitFailing(ctx, r, kubeletUnit), &failing) {
		k.Failing = fault(failing)
	}
	if log, err := r.Query(ctx, host.Cmd{Args: []string{"journalctl", "--no-pager", "--output=cat", "--lines=40", "--unit=" + kubeletUnit}}); err == nil && k.Active {
		k.Words = effect.LastWords(kubeletUnit, string(log.Stdout))
	}
	l.set(func(j *diagnosis.Join) { j.Machine.Kubelet = k })
}
