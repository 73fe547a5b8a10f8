package joincmd

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/kube/client"
	"github.com/clusteradm/clusteradm/internal/lease"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

// prepared is everything known before planning.
type prepared struct {
	input  plan.Input
	ours   bool // what is on the machine is of this cluster
	parts  world.Parts
	keeper *lease.Keeper // of a control plane's turn to join etcd
	server string        // where the API server is reached
	closes []func()
	// diagnose adds to an error what is in the way, while that is still there to
	// be seen.
	diagnose func(error) error
}

func (p *prepared) close() {
	for _, c := range p.closes {
		c()
	}
}

// prepare finds the cluster, reads its configuration and looks at the machine.
// With checks it looks at what only they need, too.
func prepare(ctx context.Context, s *session.Session, join *config.Join, checks bool) (*prepared, error) {
	info, err := discover(ctx, s, join)
	if err != nil {
		return nil, err
	}
	as := credentials(info, join)
	bootstrap, err := client.New(client.Config{Server: info.Server, CA: info.CA, Cert: as.Cert, Key: as.Key, Token: as.Token,
		Dial: s.Machine.DialHost, Timeout: join.Timeouts.APICall})
	if err != nil {
		return nil, err
	}
	defer bootstrap.Close()
	c, err := clusterOf(ctx, bootstrap)
	if err != nil {
		return nil, refused(err, join)
	}
	c.Timeouts = join.Timeouts
	caPath := join.CACertPath
	if join.Node.ControlPlane {
		if c.ControlPlaneEndpoint == "" {
			return nil, NoEndpointError{}
		}
		caPath = c.PKI("ca.crt")
	}
	files := pkiFiles(c, join.Node, caPath)
	look := func() (cluster.HostFacts, error) { return s.Facts(ctx, c, join.Node, files, true) }
	if checks {
		look = func() (cluster.HostFacts, error) { return s.CheckFacts(ctx, c, join.Node, files) }
	}
	f, err := look()
	if err != nil {
		return nil, err
	}
	f.ProxyEnv = manifests.ProxyEnv(s.Environ)
	joined := joined(f, join.Node, info.CA, s.Now())
	if !joined {
		if err := nameFree(ctx, bootstrap, join.Node.Name); err != nil {
			return nil, err
		}
	}
	asks := bootstrapServer(c, join.Node, info.Server)
	p := &prepared{server: info.Server, input: plan.Input{
		Cluster: c, Node: join.Node, Facts: session.HostFacts(s.Now(), join.Node.Host, f),
		Join: plan.Join{
			CA: info.CA, CACertPath: caPath, Joined: joined,
			BootstrapKubeconfig: pki.EncodeBootstrapKubeconfig(asks, info.CA, as.Cert, as.Key, as.Token),
		},
	}}
	p.ours = ours(f, join.Node, caPath, info.CA, joined)
	p.parts = world.Parts{Kube: s.AsKubelet(join.Timeouts.APICall), Runtime: s.NodeRuntime(join.Node)}
	if err := withEndpoint(ctx, s, bootstrap, &p.input); err != nil {
		return nil, err
	}
	if !join.Node.ControlPlane {
		return p, nil
	}
	if err := p.takeIn(ctx, bootstrap, join.CertificateKey); err != nil || !checks || c.Etcd.External == nil {
		return p, err
	}
	return p, p.askExternalEtcd(ctx, s)
}

// ours reports that what is on the machine is of an earlier join to this
// cluster, however far that came: there is something, and all of it has the
// cluster's CA. The CA alone says nothing of a control plane's manifests: it may
// have been brought here by hand, and is there before kubelet.conf in any case.
func ours(f cluster.HostFacts, n cluster.Node, caPath string, ca []byte, joined bool) bool {
	mine, err := pki.Pin(ca)
	if err != nil || n.ControlPlane && f.PKI[cluster.KubeletConf].Empty() && f.PKI[cluster.BootstrapKubeletConf].Empty() {
		return false
	}
	found := 0
	same := func(cert []byte) bool {
		found++
		theirs, err := pki.Pin(cert)
		return err == nil && theirs == mine
	}
	if data := f.PKI[caPath]; !data.Empty() && !same(data.Reveal()) {
		return false
	}
	if data := f.PKI[cluster.BootstrapKubeletConf]; !data.Empty() {
		conf, err := pki.DecodeKubeconfig(data)
		if err != nil || !same(conf.CA) {
			return false
		}
	}
	// The kubelet writes its kubelet.conf before it has a certificate, and keeps
	// it when the certificate has expired.
	if data := f.PKI[cluster.KubeletConf]; !data.Empty() && !joined {
		conf, err := pki.DecodeKubeconfig(data)
		client := f.PKI[cluster.KubeletClientPEM]
		if err != nil || !same(conf.CA) || !client.Empty() && pki.CommonName(client.Reveal()) != "system:node:"+n.Name {
			return false
		}
	}
	return found > 0 || joined
}

// joined reports that the kubelet has a certificate for this node of this
// cluster: then it needs no token.
func joined(f cluster.HostFacts, n cluster.Node, ca []byte, now time.Time) bool {
	conf, err := pki.DecodeKubeconfig(f.PKI[cluster.KubeletConf])
	if err != nil {
		return false
	}
	theirs, err := pki.Pin(conf.CA)
	if err != nil {
		return false
	}
	mine, err := pki.Pin(ca)
	kubelet := pki.KubeconfigSpec{Client: pki.Spec{CommonName: "system:node:" + n.Name, Usages: []pki.Usage{pki.ClientAuth}}}
	return err == nil && theirs == mine && pki.UsableClient(kubelet, f.PKI[cluster.KubeletClientPEM], ca, now) == nil
}

// NameTakenError reports that a living node has this node's name.
type NameTakenError struct{ Name string }

func (e *NameTakenError) Error() string {
	return fmt.Sprintf("join: the cluster has a Ready node %s already", e.Name)
}

// Hint is the command that shows the other node.
func (e *NameTakenError) Hint() string {
	return "kubectl get node " + e.Name + " -o wide   # or choose another name: --node-name"
}

func nameFree(ctx context.Context, r kube.Reader, name string) error {
	node, err := r.Get(ctx, phases.NodeRef(name))
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("look for a node of the same name: %w", err)
	}
	if status, _ := phases.Readiness(node); strings.EqualFold(status, "true") {
		return &NameTakenError{Name: name}
	}
	return nil
}
