package pki

import (
	"errors"
	"fmt"
	"maps"
	"path"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// Bundle is the PKI of one control-plane node, existing or made.
type Bundle struct {
	Dir            string          // the certificates directory
	Pairs          map[string]Pair // by Spec.Base
	ServiceAccount KeyPair
	EtcdClient     *EtcdClient             // nil with an etcd of the cluster's own
	Kubeconfigs    map[string]secret.Bytes // whole files by path
}

// KeyPair is a private key and its public half, both PEM.
type KeyPair struct {
	Private secret.Bytes
	Public  []byte
}

// External reports whether there is a CA's certificate and not its key.
func (b *Bundle) External(caBase string) bool {
	p := b.Pairs[caBase]
	return len(p.Cert) > 0 && p.Key.Empty()
}

func (b *Bundle) clone() *Bundle {
	c := &Bundle{Pairs: map[string]Pair{}, Kubeconfigs: map[string]secret.Bytes{}}
	if b != nil {
		c.Dir, c.ServiceAccount, c.EtcdClient = b.Dir, b.ServiceAccount, b.EtcdClient
		maps.Copy(c.Pairs, b.Pairs)
		maps.Copy(c.Kubeconfigs, b.Kubeconfigs)
	}
	return c
}

// Read takes in what exists on a machine, files by absolute path. Others than
// those of the cluster's Tree and KubeconfigSpecs are passed over. Every file
// that cannot be parsed is a *CheckError.
func Read(files map[string]secret.Bytes, c *cluster.Cluster) (*Bundle, error) {
	b := (*Bundle)(nil).clone()
	b.Dir = c.CertificatesDir
	var errs []error
	read := func(path, hint string, decode func(secret.Bytes) error) secret.Bytes {
		data, ok := files[path]
		if !ok {
			return secret.Bytes{}
		}
		if err := decode(data); err != nil {
			errs = append(errs, &CheckError{path, Damaged, err.Error(), hint})
		}
		return data
	}
	key := func(d secret.Bytes) error { _, err := decodeKey(d); return err }
	for _, s := range Tree(c, cluster.Node{}) {
		if s.KeyOnly {
			b.ServiceAccount.Private = read(s.KeyPath(), hintRestore, key)
			b.ServiceAccount.Public = read(s.PublicPath(), hintRestore, func(d secret.Bytes) error {
				_, err := decodePublic(d.Reveal())
				return err
			}).Reveal()
			continue
		}
		again := hintRestore // no other machine has what is this node's own
		if ca := (Spec{Dir: s.Dir, Base: s.CABase}); !s.IsCA && !files[ca.KeyPath()].Empty() {
			again = "rm " + s.CertPath() + " " + s.KeyPath() + "; clusteradm init phase certs " + s.Name
		}
		p := Pair{Key: read(s.KeyPath(), again, key)}
		p.Cert = read(s.CertPath(), again, func(d secret.Bytes) error {
			_, err := decodeCerts(d.Reveal())
			return err
		}).Reveal()
		if len(p.Cert) > 0 || !p.Key.Empty() {
			b.Pairs[s.Base] = p
		}
	}
	if e := c.Etcd.External; e != nil { // whose files are not ours to check
		b.EtcdClient = &EtcdClient{CA: files[e.CAFile].Reveal(), Cert: files[e.CertFile].Reveal(), Key: files[e.KeyFile]}
	}
	for _, p := range kubeconfigPaths() {
		data := read(p, hintRestore, func(d secret.Bytes) error { _, err := DecodeKubeconfig(d); return err })
		if !data.Empty() {
			b.Kubeconfigs[p] = data
		}
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("read pki: %w", errors.Join(errs...))
	}
	return b, nil
}

// NamedFile is a file to be written.
type NamedFile struct {
	Path    string
	Content secret.Bytes
	Mode    uint32
}

// Files lists the bundle in the order in which it has to be written durably:
// CAs, leaves, the service account's keys, kubeconfigs, and of every pair the
// key first.
func Files(b *Bundle) []NamedFile {
	var files []NamedFile
	add := func(mode uint32, content secret.Bytes, p string) {
		if !content.Empty() {
			files = append(files, NamedFile{p, content, mode})
		}
	}
	// The names in the tree of a cluster with its own etcd are all there are.
	tree := Tree(&cluster.Cluster{CertificatesDir: b.Dir}, cluster.Node{})
	for _, roots := range []bool{true, false} {
		for _, s := range tree {
			if s.IsCA != roots || s.KeyOnly {
				continue
			}
			add(0o600, b.Pairs[s.Base].Key, s.KeyPath())
			add(0o644, secret.NewBytes(b.Pairs[s.Base].Cert), s.CertPath())
		}
	}
	add(0o600, b.ServiceAccount.Private, path.Join(b.Dir, "sa.key"))
	add(0o600, secret.NewBytes(b.ServiceAccount.Public), path.Join(b.Dir, "sa.pub"))
	for _, p := range kubeconfigPaths() {
		add(0o600, b.Kubeconfigs[p], p)
	}
	return files
}
