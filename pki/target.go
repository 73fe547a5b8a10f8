package pki

import (
	"crypto/x509"
	"path"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// target is one certificate under kubeadm's name for its renewal: that of the
// phase, or the file name of the kubeconfig that it is embedded in.
type target struct {
	name string
	spec Spec
	conf string // path of the kubeconfig, empty for a pair of files
}

// targets lists what can be renewed, by name as kubeadm lists it. The kubelet's
// is not among them: it rotates by itself.
func targets(c *cluster.Cluster) []target {
	var list []target
	for _, s := range Tree(c, cluster.Node{}) {
		if !s.IsCA && !s.KeyOnly {
			list = append(list, target{name: s.Name, spec: s})
		}
	}
	for _, k := range KubeconfigSpecs(c, cluster.Node{}) {
		if k.Path != cluster.KubeletConf {
			list = append(list, target{name: path.Base(k.Path), spec: k.Client, conf: k.Path})
		}
	}
	slices.SortFunc(list, func(a, b target) int { return strings.Compare(a.name, b.name) })
	return list
}

// Renewable are the names under which certificates are renewed.
func Renewable(c *cluster.Cluster) []string {
	var names []string
	for _, t := range targets(c) {
		names = append(names, t.name)
	}
	return names
}

// paths are the files of a target, the one with the certificate last.
func (t target) paths() []string {
	if t.conf != "" {
		return []string{t.conf}
	}
	return []string{t.spec.KeyPath(), t.spec.CertPath()}
}

// read finds the certificate and key of a target in files. The error is a
// *CheckError; without a certificate all is empty.
func (t target) read(files map[string]secret.Bytes) ([]*x509.Certificate, Pair, error) {
	file, have := t.paths()[len(t.paths())-1], Pair{}
	data, ok := files[file]
	if !ok {
		return nil, have, nil
	}
	if t.conf == "" {
		have = Pair{Cert: data.Reveal(), Key: files[t.spec.KeyPath()]}
	} else {
		k, err := DecodeKubeconfig(data)
		if err != nil {
			return nil, have, &CheckError{file, Damaged, err.Error(), hintRestore}
		}
		if len(k.Cert) == 0 {
			return nil, have, &CheckError{file, Missing, "it has no client certificate of its own", hintRestore}
		}
		have = Pair{Cert: k.Cert, Key: k.Key}
	}
	certs, err := decodeCerts(have.Cert)
	if err != nil {
		return nil, have, &CheckError{file, Damaged, err.Error(), hintRestore}
	}
	return certs, have, nil
}

// authorityOf finds the CA that signs s.
func authorityOf(files map[string]secret.Bytes, s Spec) Pair {
	ca := Spec{Dir: s.Dir, Base: s.CABase}
	return Pair{Cert: files[ca.CertPath()].Reveal(), Key: files[ca.KeyPath()]}
}
