package pki

import (
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// Status is what one certificate of a node is like.
type Status struct {
	Name      string // kubeadm's name, or "kubelet-client" and "kubelet-server"
	Path      string
	CA        string // Name of the issuing CA, empty for a root
	Authority bool
	External  bool // its CA's key, or its own if it is a CA, is not here

	Missing bool
	Problem string // what is wrong besides the time, empty if nothing is

	Subject             string
	Serial              string // in hex
	NotBefore, NotAfter time.Time
}

// The kubelet's serving certificate: one that it rotates, or one that it made
// itself at its first start.
const (
	KubeletServerPEM = cluster.KubeletDir + "/pki/kubelet-server-current.pem"
	KubeletServerCrt = cluster.KubeletDir + "/pki/kubelet.crt"
)

// Inspect looks at every certificate in files, those of CAs last, each by name.
// What cannot be parsed has a Problem: nothing is an error, for it is asked
// when things are wrong.
func Inspect(files map[string]secret.Bytes, c *cluster.Cluster) []Status {
	var list, roots []Status
	for _, t := range targets(c) {
		s := Status{Name: t.name, Path: t.paths()[len(t.paths())-1], CA: t.spec.CA}
		s.External = external(authorityOf(files, t.spec))
		certs, have, err := t.read(files)
		list = append(list, s.with(certs, have, err))
	}
	list = append(list, kubelet(files, c)...)
	for _, spec := range Tree(c, cluster.Node{}) {
		if !spec.IsCA {
			continue
		}
		s := Status{Name: spec.Name, Path: spec.CertPath(), Authority: true}
		have := Pair{Cert: files[spec.CertPath()].Reveal(), Key: files[spec.KeyPath()]}
		s.External = external(have)
		var certs []*x509.Certificate
		var err error
		if len(have.Cert) > 0 {
			certs, err = decodeCerts(have.Cert)
		}
		roots = append(roots, s.with(certs, have, err))
	}
	slices.SortFunc(roots, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return append(list, roots...)
}

func external(ca Pair) bool { return len(ca.Cert) > 0 && ca.Key.Empty() }

// kubelet are the kubelet's certificates. The serving one is often signed by
// the kubelet itself, and nobody checks it then.
func kubelet(files map[string]secret.Bytes, c *cluster.Cluster) []Status {
	client := Status{Name: "kubelet-client", Path: cluster.KubeletClientPEM, CA: "ca",
		External: external(authorityOf(files, Spec{Dir: c.CertificatesDir, CABase: "ca"}))}
	have := Pair{Cert: files[client.Path].Reveal(), Key: files[client.Path]}
	if k, err := DecodeKubeconfig(files[cluster.KubeletConf]); err == nil && len(k.Cert) > 0 {
		client.Path, have = cluster.KubeletConf, Pair{Cert: k.Cert, Key: k.Key}
	}
	list := []Status{client.parsed(have)}
	for p, ca := range map[string]string{KubeletServerPEM: "ca", KubeletServerCrt: ""} {
		if data, ok := files[p]; ok && (p == KubeletServerPEM || files[KubeletServerPEM].Empty()) {
			server := Status{Name: "kubelet-server", Path: p, CA: ca}
			list = append(list, server.parsed(Pair{Cert: data.Reveal(), Key: secret.Bytes{}}))
		}
	}
	return list
}

func (s Status) parsed(have Pair) Status {
	if len(have.Cert) == 0 {
		return s.with(nil, have, nil)
	}
	certs, err := decodeCerts(have.Cert)
	return s.with(certs, have, err)
}

// with fills in what the certificate says. A key that is not here is told only
// of what has to have one: a CA may be external, and the serving key of the
// kubelet is not looked at.
func (s Status) with(certs []*x509.Certificate, have Pair, err error) Status {
	switch {
	case err != nil:
		s.Problem = err.Error()
		if check := (*CheckError)(nil); errors.As(err, &check) {
			s.Problem = check.Reason
		}
		return s
	case len(certs) == 0:
		s.Missing = true
		return s
	}
	cert := certs[0]
	s.Subject, s.Serial = cert.Subject.String(), SerialOf(cert)
	s.NotBefore, s.NotAfter = cert.NotBefore, cert.NotAfter
	switch key, err := decodeKey(have.Key); {
	case have.Key.Empty():
		if !s.Authority && s.Name != "kubelet-server" {
			s.Problem = "its key is not here"
		}
	case err != nil:
		s.Problem = "its key: " + err.Error()
	case !sameKey(cert.PublicKey, key.Public()):
		s.Problem = "its key is another's"
	}
	return s
}

// SerialOf is a certificate's serial number in hex.
func SerialOf(cert *x509.Certificate) string { return cert.SerialNumber.Text(16) }

// Leaf parses the first certificate of a file of PEM.
func Leaf(data []byte) (*x509.Certificate, error) {
	certs, err := decodeCerts(data)
	if err != nil {
		return nil, err
	}
	return certs[0], nil
}

// InspectedFiles are the paths that Inspect looks for in files, and Renew.
func InspectedFiles(c *cluster.Cluster) []string {
	var paths []string
	for _, s := range Tree(c, cluster.Node{}) {
		if !s.KeyOnly {
			paths = append(paths, s.KeyPath(), s.CertPath())
		}
	}
	return append(append(paths, kubeconfigPaths()...), cluster.KubeletClientPEM, KubeletServerPEM, KubeletServerCrt)
}
