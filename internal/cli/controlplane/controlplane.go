// Package controlplane is what a command knows of a cluster that is there: what
// init uploaded; and, on a control-plane machine, from a configuration file,
// from the cluster, or, when that does not answer any more, from what lies on
// the machine. It changes nothing.
package controlplane

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/facts"
	"github.com/clusteradm/clusteradm/internal/kube/client"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/pki"
)

// askWithin bounds the question for the cluster's configuration: a cluster that
// is down must not hold up what brings it back.
const askWithin = 5 * time.Second

// Flags say where the cluster's configuration is; the names are kubeadm's.
type Flags struct{ Config, CertDir, Kubeconfig string }

// Add declares the flags.
func (o *Flags) Add(f *pflag.FlagSet) {
	f.StringVar(&o.Config, "config", "", "path of a configuration file (default: what the cluster has)")
	f.StringVar(&o.CertDir, "cert-dir", "", "directory of certificates and keys (default /etc/kubernetes/pki)")
	f.StringVar(&o.Kubeconfig, "kubeconfig", cluster.AdminConf, "kubeconfig to ask the cluster for its configuration with")
}

// Known is a cluster and this node of it.
type Known struct {
	Cluster *cluster.Cluster
	Node    cluster.Node
	// Flags are the command lines of the static pods, by name.
	Flags map[string]map[string]string
	// Guessed is why the configuration is not the cluster's: then the kind of
	// keys is not known either.
	Guessed error
}

// Load finds out. Only a configuration file that is wrong is an error, or a
// manifest that cannot be read.
func Load(ctx context.Context, s *session.Session, o Flags) (*Known, error) {
	k := &Known{Flags: map[string]map[string]string{}}
	for _, name := range []string{manifests.EtcdName, manifests.KubeAPIServer, manifests.KubeControllerManager, manifests.KubeScheduler} {
		data, err := s.Machine.ReadFile(ctx, cluster.ManifestsDir+"/"+name+".yaml")
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			k.Flags[name], err = manifests.Flags(data)
		}
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", name, err)
		}
	}
	docs, err := s.Documents(o.Config)
	if err != nil {
		return nil, err
	}
	in := s.Inputs(ctx, config.Overrides{})
	if socket := facts.RuntimeEndpoint(ctx, s.Machine); socket != "" {
		in.CRISockets = []string{strings.TrimPrefix(socket, "unix://")}
	}
	k.advertised(&in)
	loaded, err := config.Load(docs, in)
	if err != nil {
		return nil, err
	}
	k.Cluster, k.Node = loaded.Cluster, loaded.Node
	if o.Config == "" {
		k.ask(ctx, s, o.Kubeconfig)
		k.Node.Name = k.nodeName(ctx, s)
	}
	if o.CertDir != "" {
		c := *k.Cluster
		c.CertificatesDir = path.Clean(o.CertDir)
		k.Cluster = &c
	}
	return k, nil
}

// EtcdAlone reports a machine that runs etcd for others and has nothing else of
// a cluster.
func (k *Known) EtcdAlone() bool {
	return k.Flags[manifests.EtcdName] != nil && k.Flags[manifests.KubeAPIServer] == nil
}

// ask takes the cluster's own configuration, or what can be told without it.
func (k *Known) ask(ctx context.Context, s *session.Session, kubeconfig string) {
	if k.EtcdAlone() { // there is nobody to ask
		c := *k.Cluster
		c.KeyAlgorithm = "" // as each certificate has it
		if dir, ok := strings.CutSuffix(k.Flags[manifests.EtcdName]["trusted-ca-file"], "/etcd/ca.crt"); ok && dir != "" {
			c.CertificatesDir = dir
		}
		k.Cluster = &c
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	found, err := clusterOf(ctx, s, kubeconfig)
	if err == nil {
		k.Cluster = found
		return
	}
	c := *k.Cluster
	c.KeyAlgorithm = "" // as each certificate has it
	api := k.Flags[manifests.KubeAPIServer]
	if dir := facts.CertificatesDir(func(name string) string { return api[name] }); dir != "" {
		c.CertificatesDir = dir
	}
	if _, local := k.Flags[manifests.EtcdName]; !local && api != nil {
		c.Etcd.External = &cluster.ExternalEtcd{Endpoints: strings.Split(api["etcd-servers"], ",")}
	}
	k.Cluster, k.Guessed = &c, err
}

// advertised makes the address and port of the running API server the default.
func (k *Known) advertised(in *config.Inputs) {
	api := k.Flags[manifests.KubeAPIServer]
	if addr, err := netip.ParseAddr(api["advertise-address"]); err == nil {
		in.DefaultAddress = addr
	}
	if port, err := strconv.Atoi(api["secure-port"]); err == nil {
		in.Overrides.APIServerBindPort = port
	}
}

// nodeName is whose credentials the kubelet has: one that joined calls its user
// default-auth, and only its certificate tells. Without that, etcd's member is
// called as the node.
func (k *Known) nodeName(ctx context.Context, s *session.Session) string {
	read := func(path string) []byte {
		data, _ := s.Machine.ReadFile(ctx, path) // what cannot be read tells nothing
		return data
	}
	conf, _ := pki.DecodeKubeconfig(secret.NewBytes(read(cluster.KubeletConf)))
	users := []string{conf.User}
	if cert, err := pki.Leaf(read(cluster.KubeletClientPEM)); err == nil {
		users = append(users, cert.Subject.CommonName)
	}
	for _, user := range users {
		if name, ok := strings.CutPrefix(user, "system:node:"); ok {
			return name
		}
	}
	return cmp.Or(k.Flags[manifests.EtcdName]["name"], k.Node.Name)
}

func clusterOf(ctx context.Context, s *session.Session, kubeconfig string) (*cluster.Cluster, error) {
	data, err := s.Machine.ReadFile(ctx, kubeconfig)
	if err != nil {
		return nil, err
	}
	conf, err := client.FromKubeconfig(data)
	if err != nil {
		return nil, err
	}
	conf.Dial, conf.Timeout = s.Machine.DialHost, askWithin
	api, err := client.New(conf)
	if err != nil {
		return nil, err
	}
	defer api.Close()
	return Uploaded(ctx, api)
}
